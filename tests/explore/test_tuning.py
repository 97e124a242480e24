"""The tuning view matches log-probabilities, spans and means computed independently, and refuses unsuitable models."""

import copy

import numpy as np
import pytest
import torch

from explore.conftest import CHATML
from llmlib.chat import encode_chat
from llmlib.explore import explore_tuning
from llmlib.explore import tuning as module
from llmlib.finetuning import apply_lora
from llmlib.tokenization import BPETokenizer
from llmlib.transformer import Transformer

SAID = (("user", "one 🙂"), ("assistant", "two"), ("user", "مرحبا"))
MESSAGES = [{"role": role, "content": content} for role, content in SAID]


@pytest.fixture(scope="module")
def pair(live):
    model, tokenizer = live
    return model, Transformer(model.config, seed=7), tokenizer


def log_probs_of(model, ids):
    with torch.inference_mode():
        return model(torch.tensor([ids]))[0].double().log_softmax(-1)


@pytest.mark.parametrize("at_once", [256, 7])
def test_log_probabilities_and_likeliest_tokens_match_those_of_the_models(pair, monkeypatch, at_once):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    base, tuned, tokenizer = pair
    view = explore_tuning(MESSAGES, base, tuned, tokenizer)
    ids = encode_chat(tokenizer, MESSAGES, add_generation_prompt=False)
    assert len(ids) > 3 * 7
    for found, model in zip(view.log_probs(), (base, tuned)):
        own = [log_probs_of(model, ids)[k - 1, id].item() for k, id in enumerate(ids) if k]
        assert found[1:] == pytest.approx(own, abs=1e-5)
        assert np.isnan(found[0])
    n, k = len(ids), view.shown_tokens
    top = np.frombuffer(view.values, "<u4", n * k, 4 * n * (1 + 2 * k) + 4 * n).reshape(n, k)  # of the tuned model
    assert top[1:].tolist() == log_probs_of(tuned, ids)[:-1].topk(k).indices.tolist()
    assert set(view.words) >= {str(id) for id in top[1:].flatten()}


def test_the_spans_of_messages_match_the_template(pair):
    base, tuned, tokenizer = pair
    view = explore_tuning(MESSAGES, base, tuned, tokenizer)
    ids = encode_chat(tokenizer, MESSAGES, add_generation_prompt=False)
    ends = [len(encode_chat(tokenizer, MESSAGES[: k + 1], add_generation_prompt=False)) for k in range(3)]
    assert [(span["role"], span["to"]) for span in view.spans] == list(zip(["user", "assistant", "user"], ends))
    assert [span["from"] for span in view.spans] == [0, *ends[:2]]
    assert ends[2] == len(ids)
    assert explore_tuning("one", base, tuned, tokenizer).spans[0]["role"] == "user"


def with_template(template):
    tokenizer = BPETokenizer.train("one two three four", 268, special_tokens=["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = template
    return tokenizer


def test_text_that_a_template_adds_is_shown_separately(pair):
    base, tuned, _ = pair
    tokenizer = with_template("{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}" + CHATML)
    view = explore_tuning(MESSAGES[:2], base, tuned, tokenizer)
    own = tokenizer.encode("<|im_start|>system\nBe kind.<|im_end|>\n", allowed_special="all")
    assert view.spans[0] == {"role": "the template’s own", "from": 0, "to": len(own)}
    assert view.tokens[len(own)] == "<|im_start|>"


def test_messages_that_a_template_mixes_are_shown_as_one(pair):
    base, tuned, _ = pair
    tokenizer = with_template("{{ messages | length }}" + CHATML)  # this template depends on later messages
    spans = explore_tuning(MESSAGES, base, tuned, tokenizer).spans
    assert [span["role"] for span in spans if "template" not in span["role"]] == ["user + assistant + user"]
    assert spans[-1]["to"] == len(encode_chat(tokenizer, MESSAGES, add_generation_prompt=False))


def test_a_mask_selects_the_tokens_that_are_averaged(pair):
    base, tuned, tokenizer = pair
    ids = encode_chat(tokenizer, MESSAGES, add_generation_prompt=False)
    mask = [30 <= k < 40 for k in range(len(ids))]
    view = explore_tuning(MESSAGES, base, tuned, tokenizer, mask=mask)
    role, mean = view.means()[-1]
    assert (role, mean.tokens) == ("trained on", 10)
    before, after = view.log_probs()
    assert (mean.base, mean.tuned) == pytest.approx((-before[30:40].mean(), -after[30:40].mean()))
    first = view.means()[0][1]
    assert first.tokens == view.spans[0]["to"] - 1  # no model predicted the very first token
    for wrong in (mask[:-1], [*mask, True]):
        with pytest.raises(ValueError, match=rf"{len(wrong)} flags, but the conversation has {len(ids)} tokens"):
            explore_tuning(MESSAGES, base, tuned, tokenizer, mask=wrong)


def test_a_model_with_an_adapter_can_be_compared_with_its_base(pair):
    base, _, tokenizer = pair
    tuned = copy.deepcopy(base)
    lora = apply_lora(tuned)
    unchanged = explore_tuning(MESSAGES, base, tuned, tokenizer)
    assert np.nanmax(np.abs(unchanged.moves())) == 0
    for adapter in lora.maps.values():
        adapter.B.data.normal_(generator=torch.Generator().manual_seed(0))
    on = explore_tuning(MESSAGES, lora.base(), tuned, tokenizer, titles=("off", "on"))
    assert np.nanmax(np.abs(on.moves())) > 0
    assert (on.log_probs()[0][1:] == unchanged.log_probs()[0][1:]).all()
    assert on.alt.startswith("What changed from off to on over ")


def test_models_and_texts_that_cannot_be_compared_are_refused(pair):
    base, tuned, tokenizer = pair
    small = Transformer(base.config.__class__(260, 128, 16, n_layers=1, n_heads=2))
    message = r"token '<\|im_start\|>' \(id 266\), but the model 'base' has only 260 ids"
    with pytest.raises(ValueError, match=message):
        explore_tuning(MESSAGES, small, tuned, tokenizer)
    other = BPETokenizer.train("ab ab abc", 268 - 2, special_tokens=["<|im_start|>", "<|im_end|>"])
    with pytest.raises(ValueError, match="Only models with the same tokenizer can be compared"):
        explore_tuning(MESSAGES, base, tuned, tokenizer, tuned_tokenizer=other)
    same = explore_tuning(MESSAGES, base, tuned, tokenizer, tuned_tokenizer=with_template(None))
    assert same.tokens
    with pytest.raises(ValueError, match="has no chat template"):
        explore_tuning(MESSAGES, base, tuned, with_template(None))
    with pytest.raises(ValueError, match=r"context holds only 128.*Shorten the conversation"):
        explore_tuning("one" * 300, base, tuned, tokenizer)
    with pytest.raises(ValueError, match="no message"):
        explore_tuning([], base, tuned, tokenizer)


@pytest.mark.network
@pytest.mark.slow
def test_a_real_model_finds_an_answer_likelier_after_its_question(smollm2):
    model, tokenizer = smollm2

    blind = copy.deepcopy(model)  # this "base" cannot see the earlier tokens: its attention writes nothing
    for block in blind.blocks:
        block.attention.output.weight.data.zero_()
    messages = [
        {"role": "user", "content": "What is the capital of France?"},
        {"role": "assistant", "content": "The capital of France is Paris."},
    ]
    view = explore_tuning(messages, blind, model, tokenizer)
    paris = len(view.tokens) - 1 - view.tokens[::-1].index(" Paris")
    assert view.moves()[paris] > 2
    means = dict(view.means())
    assert means["assistant"].tuned < 2 < means["assistant"].base
    assert list(means) == ["the template’s own", "user", "assistant"]
