"""Log-likelihoods of choices, bits per byte and long contexts, compared with sums computed by hand and with lm-eval."""

import json
import math

import numpy as np
import pytest
import torch
from finetuning.conftest import said, small_model
from finetuning.conftest import tokenizer as tokenizer
from small_models import make, random_ids

from llmlib.evaluation import (
    Question,
    QuestionError,
    bits_per_byte,
    choice_scores,
    loss_by_position,
    needle_grid,
    read_questions,
)
from llmlib.evaluation.bits import surprise, windows
from llmlib.evaluation.multiple_choice import (
    WAYS,
    Chooser,
    encode_choices,
    group_log_likelihoods,
    in_groups,
    log_likelihoods,
)
from llmlib.evaluation.running import WRITTEN, each_result, evaluate
from llmlib.sampling.prefix_cache import PrefixCache
from llmlib.tokenization import CharTokenizer, load_tokenizer
from llmlib.transformer import Transformer, TransformerConfig


@pytest.fixture
def model(tokenizer):
    made = small_model(tokenizer.vocab_size)
    for parameter in made.parameters():
        parameter.data *= 4
    return made.eval()


def by_hand(model, prompt, choice):
    """Add up ln p of the choice's tokens, each from its own forward pass."""
    total, ids = 0.0, list(prompt)
    for id in choice:
        with torch.no_grad():
            total += model(torch.tensor([ids]))[0, -1].log_softmax(-1)[id].item()
        ids.append(id)
    return total


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mistral", "no positions"])
def test_log_likelihoods_are_sums_over_tokens(kind):
    model, prompt = make(kind), random_ids(1, 7)[0].tolist()
    choices = [[1], [4, 5, 6, 7], [4, 9], [30, 2, 2]]
    found, _ = log_likelihoods(model, prompt, choices)
    assert found == pytest.approx([by_hand(model, prompt, choice) for choice in choices], rel=1e-4)


def test_prompts_with_a_common_beginning_are_scored_as_if_each_were_alone(tokenizer):
    begin = "The cat sat. The dog ran. "
    prompts = [begin + "The cow", begin + "The hen", begin + "The hen", begin, "The", begin * 3, "A cow"]
    questions = [Question(prompt, ("Paris", "Rome, é", "X"), "X") for prompt in prompts]
    model = Transformer(TransformerConfig(tokenizer.vocab_size, 128, 16, 2, 2, positions="rotary"))
    read = []
    handle = model.embed.register_forward_hook(lambda _, args, __: read.append(args[0].shape[1]))
    alone = [choice_scores(model, tokenizer, [question])[0] for question in questions]
    whole = [*read]
    read.clear()
    hooked = choice_scores(model, tokenizer, questions)
    assert read == whole, "a hook sees every prompt from its first token on"
    handle.remove()
    for scores in (hooked, choice_scores(model, tokenizer, questions)):
        for one, other in zip(scores, alone, strict=True):
            np.testing.assert_allclose(one.log_probs, other.log_probs, rtol=1e-4)
            np.testing.assert_allclose(one.baseline, other.baseline, rtol=1e-4)


def test_a_common_beginning_is_read_once(tokenizer, monkeypatch):
    model, read = small_model(tokenizer.vocab_size), []
    forward = Transformer.forward
    monkeypatch.setattr(
        Transformer, "forward", lambda self, ids, **how: read.append([*ids.shape]) or forward(self, ids, **how)
    )
    prompts = [f"The capital of {x} is" for x in ("a", "b", "bc")]
    choices = ("P", "X")
    choice_scores(model, tokenizer, [Question(prompt, choices, "X") for prompt in prompts], baseline=None)
    begin, choice = len(tokenizer.encode("The capital of ")), len(tokenizer.encode(" P"))
    assert read == [[1, begin], [3, len("bc is")], [6, choice - 1]], (
        "the model reads the common beginning once, then the rest of each prompt"
    )
    read.clear()
    chooser = Chooser(model, tokenizer, None)
    for prompt in (prompts[0], prompts[2], prompts[2]):
        chooser.scores(Question(prompt, choices, "X"))
    first, different, same = (shape for shape in read if shape[0] == 1)
    assert (first[1], different[1], same[1]) == (len(tokenizer.encode(prompts[0])), len("bc is"), 1)


def assert_same_as_alone(model, group):
    """Check that a group of prompts and choices has the same log-likelihoods as each prompt alone."""
    together = [
        found for part in in_groups(model, group) for found in group_log_likelihoods(model, part, PrefixCache(model, 8))
    ]
    for (prompt, choices), (found, greedy) in zip(group, together, strict=True):
        expected, written = log_likelihoods(model, prompt, choices)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
        np.testing.assert_allclose(found, [by_hand(model, prompt, choice) for choice in choices], rtol=0, atol=1e-4)
        assert greedy.tolist() == written.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "llama", "mistral", "no positions"])
@pytest.mark.parametrize(
    ("group", "groups"),
    [
        ([([5, 6, 7, 8], [[1], [2, 3, 4]]), ([5, 6, 9], [[4], [3]]), ([5, 6, 7, 1, 2], [[9, 9]])], 1),
        ([([5, 6], [[1], [2]]), ([5, 6, 7], [[2, 1], [3]]), ([5], [[4, 4, 4]])], 1),  # one is a prefix of another
        ([([5, 6, 7], [[1], [2, 2]]), ([5, 6, 7], [[3], [2, 2]])], 1),  # the same prompt twice
        ([([1, 2, 3], [[4], [5]]), ([7], [[4, 6], [5]]), ([8, 9], [[6, 6, 6]])], 1),  # nothing in common
        ([([1, 2], [[4]]), ([3] * 20, [[5], [6, 6]]), ([3], [[5] * 22]), ([1], [[5] * 4])], 2),  # the whole context
    ],
)
def test_prompts_in_a_group_have_the_same_log_likelihoods_as_alone(kind, group, groups):
    model = make(kind)
    assert model.config.max_seq_len == 24
    assert_same_as_alone(model, group)
    assert len(in_groups(model, group)) == (len(group) if model.config.sliding_window else groups)


def test_the_size_of_groups_is_limited():
    model = Transformer(TransformerConfig(31, 4096, 16, 1, 2))
    few = [([1] * 10, [[2], [3]])] * 100
    assert [len(group) for group in in_groups(model, few)] == [32, 32, 32, 4], "a group has at most 64 choices"
    assert {len(group) for group in in_groups(model, [([1] * 1000, [[2], [3]])] * 4)} == {2}, (
        "a group has at most 4096 tokens"
    )
    different = [([number] * 70, [[2], [3]]) for number in range(3)]
    assert {len(group) for group in in_groups(model, different)} == {1}, "these prompts differ in more than 64 tokens"


def test_a_choice_counts_as_greedy_if_the_model_would_write_it():
    model, prompt = make("llama"), [3, 1, 4]
    ids = list(prompt)
    for _ in range(4):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    written = ids[3:]
    other = [*written[:3], (written[3] + 1) % 31]
    assert log_likelihoods(model, prompt, [written, other, written[:1]])[1].tolist() == [True, False, True]


def test_the_four_scores_follow_lm_evals_definitions(model, tokenizer):
    question = Question("The capital is", ("Paris", "Rome, é", "X"), "Rome, é")
    (found,) = choice_scores(model, tokenizer, [question])
    log_p, base = (
        np.array(
            [by_hand(model, tokenizer.encode(text), tokenizer.encode(" " + choice)) for choice in question.choices]
        )
        for text in ("The capital is", "Answer:")
    )
    assert found.by("raw") == pytest.approx(log_p, rel=1e-4)  # acc: argmax of the sum
    assert found.by("per token") == pytest.approx(log_p / np.array([6, 9, 2]), rel=1e-4)
    assert found.by("per byte") == pytest.approx(log_p / np.array([5, 8, 1]), rel=1e-4)  # acc_bytes; acc_norm for ASCII
    assert found.by("against baseline") == pytest.approx(log_p - base, rel=1e-4, abs=1e-4)  # acc_mutual_info
    assert found.right == 1
    assert [found.chosen(way) for way in WAYS] == [int(found.by(way).argmax()) for way in WAYS]
    assert found.probabilities() == pytest.approx(np.exp(log_p) / np.exp(log_p).sum(), rel=1e-4)
    (bare,) = choice_scores(model, tokenizer, [question], baseline=None)
    with pytest.raises(ValueError, match="baseline was not measured"):
        bare.by("against baseline")
    with pytest.raises(ValueError, match="way must be one of 'raw'"):
        bare.by("best")


def test_a_choice_includes_the_white_space_before_it():
    """As in lm-eval, prompt and choice are encoded together, and the space belongs to the choice."""
    gpt2 = load_tokenizer("gpt2")
    for prompt in ("The capital is", "The capital is ", "Name one:\n"):
        stem, choices = encode_choices(gpt2, prompt, ("Paris", "Rome"))
        between = prompt[len(prompt.rstrip()) :] or " "
        assert [gpt2.decode([*stem, *ids]) for ids in choices] == [
            prompt.rstrip() + between + c for c in ("Paris", "Rome")
        ]
        assert stem == gpt2.encode(prompt.rstrip())
    assert [*stem, *choices[0]] == gpt2.encode("Name one:\nParis")


def test_a_conversation_is_scored_with_the_chat_template(model, tokenizer):
    question = Question(said("abc"), ("ab", "abc"), "ab")
    (found,) = choice_scores(model, tokenizer, [question])  # with its end token, "ab" does not begin "abc"
    assert found.tokens.tolist() == [4, 5]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt": " ", "choices": ("a", "b"), "right": "a"}, "prompt is empty"),
        ({"prompt": "x", "choices": ("a",), "right": "a"}, "only one choice, 'a'"),
        ({"prompt": "x", "choices": ("a", ""), "right": "a"}, "Choice 1 is empty"),
        ({"prompt": "x", "choices": ("a", "b", "a"), "right": "a"}, "'a' occurs twice"),
        ({"prompt": "x", "choices": ("a", "b"), "right": "c"}, r"No choice is right: the answer is 'c'"),
        ({"prompt": "x", "choices": ("a", "b")}, r"No choice is right: the answer is \(\)"),
        ({"prompt": "x"}, "There is no right answer"),
        ({"prompt": said("a", "b"), "right": "c"}, "should be from 'user'"),
    ],
)
def test_invalid_questions_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Question(**fields)


def test_a_choice_that_begins_another_choice_is_refused(model, tokenizer):
    question = Question("x", ("Rome", "Paris", "Paris, France"), "Paris")
    with pytest.raises(
        QuestionError, match=r"Question 2: The choices 'Paris' and 'Paris, France' begin the same way.*full stop"
    ):
        evaluate(model, tokenizer, [Question("x", ("a", "b"), "a"), question])
    ended = Question("x", ("Rome.", "Paris.", "Paris, France."), "Paris.")
    assert len(evaluate(model, tokenizer, [ended]).results) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "x", "choices": ["a", "b"], "answer": "c"}', "line 2: No choice is right: the answer is 'c'"),
        ('{"prompt": "x", "choices": ["a", "b"], "answer": 2}', "line 2: No choice is right: 'answer' is 2"),
        ('{"prompt": "x", "choices": ["a", "b"]}', "line 2: the question: 'answer' is missing"),
        (
            '{"prompt": "x", "choices": ["a", 1], "answer": 0}',
            r"line 2: 'choices' must be a list of strings, got \['a', 1\]",
        ),
        ('{"prompt": "x", "answer": 3}', "'answer' must be a string or a list, got 3"),
        ('{"prompt": "x", "answr": "a"}', "unknown field 'answr'; a question may have the fields prompt, messages"),
        ('{"prompt": "x", ', "line 2: invalid JSON at character"),
        ("[]", r"line 2: \[\] is not an object. Expected an object such as"),
    ],
)
def test_lines_that_are_not_questions_are_refused(tmp_path, line, message):
    path = tmp_path / "questions.jsonl"
    path.write_text('{"prompt": "x", "answer": "a"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(QuestionError, match=message):
        read_questions(path)


def test_files_without_questions_are_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(QuestionError, match=r"empty.jsonl has no questions. Expected one question per line"):
        read_questions(tmp_path / "empty.jsonl")
    with pytest.raises(QuestionError, match=r"none.jsonl cannot be read"):
        read_questions(tmp_path / "none.jsonl")


def test_a_file_may_hold_all_kinds_of_questions(tmp_path):
    lines = [
        {"prompt": "x", "choices": ["a", "b"], "answer": "b", "group": 7, "kind": "letters"},
        {"messages": said("Hi"), "answer": ["a", "b"]},
    ]
    (tmp_path / "some.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert read_questions(tmp_path / "some.jsonl") == [
        Question("x", ("a", "b"), "b", "7", "letters"),
        Question(said("Hi"), (), ("a", "b")),
    ]


def test_an_error_follows_the_earlier_results_and_gives_its_questions_number(tokenizer):
    model = small_model(tokenizer.vocab_size)
    asked = [Question(f"x{number}", ("a", "bcd"), "a") for number in range(20)]
    bad = Question("x", ("Paris", "Paris, France"), "Paris")
    mixed = [*asked[:2], Question("y", (), ("?",)), *asked[2:]]
    expected = [choice_scores(model, tokenizer, [question])[0].is_right("per byte") for question in asked]
    assert evaluate(model, tokenizer, mixed, max_new_tokens=1).of("per byte")[0].tolist() == expected
    results = each_result(model, tokenizer, [*mixed, bad, *asked], None, (), 1)
    assert [next(results).question for _ in mixed] == mixed
    with pytest.raises(QuestionError, match="Question 22: The choices 'Paris'"):
        next(results)


@pytest.mark.slow
def test_a_report_has_results_for_each_measure_and_keeps_groups(model, tokenizer):
    asked = [Question(f"x{n}", ("a", "bcd"), "a" if n % 2 else "bcd", group=f"g{n // 2}") for n in range(12)]
    report = evaluate(model, tokenizer, [*asked, Question("y", (), ("?",))], max_new_tokens=3)
    assert report.measures() == [*WAYS, WRITTEN]
    assert report.score(WRITTEN)[0] == 0
    assert (report.chance("raw"), report.chance(WRITTEN)) == (0.5, None)
    right, groups = report.of("raw")
    expected = [choice_scores(model, tokenizer, [question])[0].is_right() for question in asked]
    assert right.tolist() == expected
    assert groups == [question.group for question in asked]
    assert report.score("raw")[0] == np.mean(expected)
    assert report.against(report, "raw").difference == 0
    with pytest.raises(QuestionError, match="no questions to ask"):
        evaluate(model, tokenizer, [])


def lm_eval_windows(tokens, prefix, max_seq_len):
    """Do what lm-eval's get_rolling_token_windows does with context_len = 1.

    The first window reads the prefix and all its tokens except the last. Each later window predicts up to `max_seq_len`
    new tokens, and takes as much context as fits.
    """
    done = min(max_seq_len, len(tokens))
    yield [prefix, *tokens[: done - 1]], tokens[:done]
    while done < len(tokens):
        new = min(len(tokens) - done, max_seq_len)
        end = done + new
        yield tokens[end - max_seq_len - 1 : end - 1], tokens[end - new : end]
        done = end


@pytest.mark.parametrize("length", [1, 5, 6, 7, 23])
def test_bits_per_byte_agree_with_lm_eval(model, tokenizer, length):
    text = "Once upon a time, é was."[:length]
    tokens, window = tokenizer.encode(text), 6
    total = 0.0
    for read, predicted in lm_eval_windows(tokens, tokenizer.eos_ids[0], window):
        log_p = model(torch.tensor([read]))[0].log_softmax(-1)
        total += log_p[-len(predicted) :].gather(1, torch.tensor(predicted)[:, None]).sum().item()
    expected = -total / math.log(2) / len(text.encode())
    assert bits_per_byte(model, tokenizer, text, window, stride=window) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_a_sliding_window_predicts_each_token_once_with_enough_context(stride):
    model, ids = make("llama"), random_ids(1, 20)[0].tolist()
    expected = 0.0
    for place in range(1, 20):
        block = max(0, -(-(place - 5) // stride))  # the number of the window that predicts this token
        begin = max(0, min(5 + block * stride, 19) - 5)
        assert place - begin >= min(place, 5 - stride + 1)
        expected -= by_hand(model, ids[begin:place], ids[place : place + 1])
    assert surprise(model, ids, 5, stride, batch_size=3) == pytest.approx(expected, rel=1e-5)
    counted = [place for _, scored, end in windows(19, 5, stride) for place in range(scored + 1, end + 1)]
    assert counted == list(range(1, 20))


def test_without_a_beginning_token_bits_per_byte_leave_out_the_first_token():
    tokenizer = CharTokenizer("abé ")
    model = Transformer(TransformerConfig(tokenizer.vocab_size, 16, 16, 1, 2))
    for parameter in model.parameters():
        parameter.data.zero_()
    tokens = len(tokenizer.encode("aéb")) - 1  # the first token is not predicted
    expected = tokens * math.log2(tokenizer.vocab_size) / len("éb".encode())
    assert bits_per_byte(model, tokenizer, "aéb") == pytest.approx(expected)
    with pytest.raises(ValueError, match="not contain a token to predict"):
        bits_per_byte(model, tokenizer, "a")
    with pytest.raises(ValueError, match=r"stride ≤ window ≤ 16 .* got stride=8 and window=17"):
        bits_per_byte(model, tokenizer, "ab", 17, 8)


def test_loss_by_position_matches_losses_computed_token_by_token():
    model, ids = make("llama"), random_ids(3, 9)
    found = loss_by_position(model, ids, batch_size=2)
    expected = [[-by_hand(model, row[:place], row[place : place + 1]) for place in range(1, 9)] for row in ids.tolist()]
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="at least two tokens"):
        loss_by_position(model, ids[:, :1])


def test_a_needle_is_found_if_the_model_can_see_it(tokenizer, monkeypatch):
    """A model that sees only the last 24 characters finds only the needles in them."""
    seen = []

    def looking(model, prompt, choices):
        text = tokenizer.decode(prompt)
        seen.append(text)
        return np.zeros(1), np.array(["key is 7" in text[-24:]])

    monkeypatch.setattr("llmlib.evaluation.contexts.log_likelihoods", looking)
    needles = [(" The key is 7.", " Key?", " 7")]
    grid = needle_grid(make("llama"), tokenizer, "It was so. " * 40, needles, lengths=[50, 100], depths=[0, 0.5, 1])
    assert grid.tolist() == [[0, 0, 1], [0, 0, 1]]
    assert [len(text) for text in seen] == [48] * 3 + [98] * 3  # the answer has two tokens
    assert all(text.endswith(" Key?") for text in seen)
    assert seen[0].startswith(" The key is 7.It was so.")
    assert seen[4].count("It was so. ") >= 5
    assert "so. The key is 7. It" in seen[4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depths": [50]}, "share of the text, from 0"),
        ({"needles": []}, "no needle"),
        ({"lengths": [10]}, "no room for the needle"),
        ({"lengths": [900]}, "haystack has 22 tokens, but a text of 900 tokens needs"),
    ],
)
def test_a_needle_grid_with_impossible_settings_is_refused(model, tokenizer, changes, message):
    settings = {"needles": [(" The key is 7.", " Key?", " 7")], "lengths": [30], "depths": [0.5]}
    with pytest.raises(ValueError, match=message):
        needle_grid(model, tokenizer, "It was so. " * 2, **{**settings, **changes})
