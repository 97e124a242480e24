"""Encoded separately, prompts and answers have the same tokens as in a conversation, and only answers have labels."""

import pytest
import torch
from finetuning.conftest import said

from llmlib.chat import CHATML, encode_chat, encode_chat_with_mask, with_chat_template
from llmlib.corpora.tinytales.tasks import Preference
from llmlib.finetuning import ChatData
from llmlib.preferences import PreferenceData, encode_apart, log_probs_of, masked_sum, response_batch
from llmlib.preferences.pairs import prompts_and_answers
from llmlib.tokenization import BPETokenizer
from llmlib.training import cross_entropy
from llmlib.training.loss import IGNORED


@pytest.fixture(params=["tales", "chatml"])
def any_tokenizer(request, tokenizer):
    if request.param == "tales":
        return tokenizer
    return with_chat_template(BPETokenizer.train("", 258, ["<|im_start|>", "<|im_end|>"]), CHATML)


@pytest.mark.parametrize("prompt", ["Hé", said("one", "two", "three")])
def test_encoding_apart_splits_the_conversation_where_the_answer_begins(any_tokenizer, prompt):
    messages = said(prompt) if isinstance(prompt, str) else prompt
    before, answer = encode_apart(any_tokenizer, prompt, "four <|assistant|>")
    assert before == encode_chat(any_tokenizer, messages)
    ids, mask = encode_chat_with_mask(any_tokenizer, [*messages, *said("", "four <|assistant|>")[1:]])
    assert (before + answer) == ids[: len(before) + len(answer)]
    assert all(mask[len(before) : len(before) + len(answer)])
    assert not any(mask[len(before) + len(answer) :])
    assert answer[-1] in any_tokenizer.eos_ids


def test_a_batch_has_the_same_labels_as_chat_data(tokenizer):
    talks = [said("one", "two"), said("a longer one", "x")]
    batch = response_batch(*zip(*(encode_apart(tokenizer, t[0]["content"], t[1]["content"]) for t in talks)))
    data = ChatData(tokenizer, talks, packed=False)
    x, y = data.batch(0, batch_size=2, seq_len=60, seed=1)
    order = [0, 1] if torch.equal(x[0], batch.ids[0, :-1]) else [1, 0]
    assert torch.equal(x[order], batch.ids[:, :-1])
    assert torch.equal(y[order], batch.labels)
    assert torch.equal(batch.mask, batch.labels != IGNORED)


def test_labels_and_mask_of_a_batch_give_the_same_loss(tokenizer, model):
    batch = response_batch([[1, 2, 3], [4]], [[5, 6], [7, 8, 9, 10]], pad_id=0)
    loss = cross_entropy(model(batch.ids[:, :-1]), batch.labels, reduction="none").sum(dim=1)
    torch.testing.assert_close(-masked_sum(log_probs_of(model, batch.ids).log_probs, batch.mask), loss)
    alone = log_probs_of(model, torch.tensor([[1, 2, 3, 5, 6]])).log_probs[0, 2:].sum()
    torch.testing.assert_close(-loss[0], alone)


def test_a_long_answer_loses_its_end():
    batch = response_batch([[1, 2]], [[3, 4, 5, 6]], max_len=4)
    assert batch.labels.tolist() == [[IGNORED, 3, 4]]


@pytest.mark.parametrize(
    ("prompts", "responses", "how", "message"),
    [
        ([[1]], [[2], [3]], {}, "There are 1 prompts and 2 responses"),
        ([], [], {}, "There are 0 prompts"),
        ([[1], []], [[2], [3]], {}, "Prompt 1 is empty"),
        ([[1]], [[]], {}, "Row 0 has no response tokens, because the response is empty"),
        (
            [[1, 2, 3]],
            [[4]],
            {"max_len": 3},
            "Row 0 has no response tokens, because max_len=3 leaves no room for them",
        ),
    ],
)
def test_rows_without_a_prompt_or_an_answer_are_refused(prompts, responses, how, message):
    with pytest.raises(ValueError, match=message):
        response_batch(prompts, responses, **how)


# --- pairs ----------------------------------------------------------------------------------------------------------

PAIRS = [Preference("a", "yes", "no", ""), Preference("bcd e", "yes sir", "not", ""), Preference("f", "oh", "nope", "")]


def test_prompts_and_answers_can_be_recovered_from_a_batch_of_pairs(tokenizer):
    data = PreferenceData(tokenizer, PAIRS)
    x, y = data.batch(0, batch_size=3, seq_len=40)
    prompts, answers = prompts_and_answers(x, y)
    found = {
        tokenizer.decode(prompt): [tokenizer.decode(row[row != IGNORED].tolist()) for row in two]
        for prompt, two in zip(prompts, answers.unflatten(0, (-1, 2)))
    }
    expected = {}
    for pair in PAIRS:
        (prompt, chosen), (_, rejected) = (
            encode_apart(tokenizer, pair.prompt, a) for a in (pair.chosen, pair.rejected)
        )
        expected[tokenizer.decode(prompt)] = [tokenizer.decode(chosen), tokenizer.decode(rejected)]
    assert found == expected


def test_every_epoch_has_all_pairs_in_a_new_order(tokenizer):
    data = PreferenceData(tokenizer, PAIRS * 4)
    epochs = [sorted(str(data._pair(n, 0, 40)) for n in range(12 * e, 12 * (e + 1))) for e in range(2)]
    assert epochs[0] == epochs[1]
    orders = [[str(data._pair(n, seed, 40)) for n in range(12)] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([PAIRS[0], Preference("b", "no", "no ", "")], "Pair 1 prefers 'no' to itself: the two answers are the same"),
        ([], "There are no preferences to learn from"),
        ([Preference([], "a", "b", "")], "Pair 0: "),
    ],
)
def test_missing_or_invalid_pairs_are_refused(tokenizer, pairs, message):
    with pytest.raises(ValueError, match=message):
        PreferenceData(tokenizer, pairs)


def test_a_pair_that_is_too_long_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"Pair \d has \d+ tokens, but seq_len=8 leaves room for 9"):
        PreferenceData(tokenizer, PAIRS).batch(0, batch_size=3, seq_len=8)
