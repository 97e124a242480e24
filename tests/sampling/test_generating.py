"""Generation matches a slower version, stops where it should and reports why."""

import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlib.sampling import GenerationWarning, Sampler, generate
from llmlib.transformer import Transformer, TransformerConfig

CONFIG = TransformerConfig(
    vocab_size=23,
    max_seq_len=32,
    d_model=32,
    n_layers=2,
    n_heads=4,
    n_kv_heads=2,
    positions="rotary",
    norm="rmsnorm",
    mlp="swiglu",
    end_ids=(7,),
)
GREEDY = Sampler(temperature=0)


@pytest.fixture(scope="module")
def model():
    made = Transformer(CONFIG, seed=3).eval()
    for parameter in made.parameters():
        parameter.data *= 5
    return made


def slowly(model, ids, n):
    """Continue a text greedily, without a cache."""
    ids = list(ids)
    for _ in range(n):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids


@pytest.mark.slow
@settings(max_examples=30)
@given(prompt=st.lists(st.integers(0, 22), min_size=1, max_size=20))
def test_greedy_generation_matches_a_version_without_a_cache(prompt, model):
    found = list(generate(model, prompt, max_new_tokens=8, sampler=GREEDY, end_ids=()))
    assert prompt + found == slowly(model, prompt, 8)


@pytest.mark.slow
def test_texts_repeat_with_the_same_seed_and_vary_without_a_seed(model):
    def run(seed):
        return list(generate(model, [1, 2], 20, Sampler(temperature=2.0), seed, end_ids=()))

    before = torch.get_rng_state()
    assert run(5) == run(5) != run(6)
    assert len({tuple(run(None)) for _ in range(5)}) > 1
    assert torch.equal(before, torch.get_rng_state())


def test_a_text_does_not_include_its_end_token(model):
    whole = list(generate(model, [1, 2], 25, Sampler(temperature=3.0), seed=1, end_ids=()))
    end = whole[6]
    first = whole.index(end)
    assert list(generate(model, [1, 2], 25, Sampler(temperature=3.0), seed=1, end_ids=[end])) == whole[:first]


@pytest.mark.slow
def test_the_end_tokens_of_the_config_are_the_default(model):
    for seed in range(20):
        assert 7 not in list(generate(model, [1], 25, Sampler(temperature=3.0), seed=seed))


def test_texts_in_a_batch_match_texts_generated_alone(model):
    texts = [[3, 1, 4, 1, 5], [9, 2], [6]]
    padded = torch.tensor([[0] * (5 - len(text)) + text for text in texts])
    mask = torch.tensor([[False] * (5 - len(text)) + [True] * len(text) for text in texts])
    steps = torch.stack(list(generate(model, padded, 8, GREEDY, attention_mask=mask, end_ids=())), dim=1)
    for row, text in enumerate(texts):
        assert steps[row].tolist() == list(generate(model, text, 8, GREEDY, end_ids=()))


def test_finished_rows_repeat_their_end_token(model):
    ids = torch.tensor([[1], [2], [3], [4]])
    steps = torch.stack(list(generate(model, ids, 30, Sampler(temperature=3.0), seed=0, end_ids=[7, 8, 9, 10])), dim=1)
    assert steps.shape[1] < 30
    for row in steps.tolist():
        first = next(i for i, token in enumerate(row) if token in (7, 8, 9, 10))
        assert set(row[first:]) == {row[first]}


@pytest.mark.parametrize("when_full", ["stop", "slide"])
def test_finished_rows_are_no_longer_read_and_rows_match_texts_generated_alone(model, when_full):
    texts = [[3, 1, 4, 1, 5], [9, 2], [6], [5, 3], [5, 8, 9], [7, 9], [3, 2, 3, 8]]
    ends = sorted({slowly(model, text, n)[-1] for n, text in enumerate(texts[:4], start=1)})
    padded = torch.tensor([[0] * (5 - len(text)) + text for text in texts])
    mask = torch.tensor([[False] * (5 - len(text)) + [True] * len(text) for text in texts])
    read = []
    handle = model.register_forward_pre_hook(lambda _, ids: read.append(len(ids[0])))
    steps = list(generate(model, padded, 24, GREEDY, attention_mask=mask, end_ids=ends, when_full=when_full))
    handle.remove()
    assert read[0] == 7
    assert read[-1] < 4
    for row, text in zip(torch.stack(steps, dim=1).tolist(), texts):
        alone = list(generate(model, text, 24, GREEDY, end_ids=ends))
        assert row[: len(alone)] == alone
        assert len(set(row[len(alone) :])) <= 1


@pytest.mark.parametrize(
    "ids", [[1, 2, 3], torch.tensor([1, 2, 3]), range(1, 4), torch.tensor([1, 2, 3], dtype=torch.int32)]
)
def test_one_text_may_be_given_in_several_forms(model, ids):
    assert list(generate(model, ids, 3, GREEDY, end_ids=())) == slowly(model, [1, 2, 3], 3)[3:]


def test_generation_stops_when_the_context_is_full(model):
    for length, new in ((30, 3), (32, 1)):  # 30 + 2 tokens fit, and one more is predicted
        writing = generate(model, [1] * length, 100, GREEDY, end_ids=())
        with pytest.warns(GenerationWarning, match="context of 32 tokens is full"):
            assert len(list(writing)) == new
        assert writing.ended_by == "context full"
    assert list(generate(model, [1, 2], 0)) == []


def test_each_full_context_gives_a_warning_that_points_at_the_caller(model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # as in a notebook, which shows the same warning only once
        for _ in range(3):
            list(generate(model, [1] * 30, 100, GREEDY, end_ids=()))
    assert [(note.category, note.filename) for note in caught] == [(GenerationWarning, __file__)] * 3


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_a_sliding_context_keeps_the_newer_half(positions, recwarn):
    model = Transformer(replace(CONFIG, positions=positions), seed=3).eval()
    writing = generate(model, [1] * 30, 40, GREEDY, end_ids=(), when_full="slide")
    found = list(writing)
    assert (len(found), writing.ended_by, len(recwarn)) == (40, "max_new_tokens", 0)
    text, start = [1] * 30, 0
    for token in found:
        if len(text) - start > 32:  # 32 tokens fit, one more does not
            start = len(text) - 16
        assert token == int(model(torch.tensor([text[start:]]))[0, -1].argmax())
        text.append(token)


def test_contexts_in_a_padded_batch_slide_as_for_texts_generated_alone(model):
    padded, mask = torch.tensor([[0] * 9 + [5], [1] * 10]), torch.ones(2, 10, dtype=torch.bool)
    mask[0, :9] = False
    steps = torch.stack(
        list(generate(model, padded, 40, GREEDY, attention_mask=mask, end_ids=(), when_full="slide")), 1
    )
    assert steps[1].tolist() == list(generate(model, [1] * 10, 40, GREEDY, end_ids=(), when_full="slide"))
    assert steps[0, :20].tolist() == list(generate(model, [5], 20, GREEDY, end_ids=()))


def test_ended_by_says_why_a_text_ended(model):
    whole = list(generate(model, [1, 2], 25, Sampler(temperature=3.0), seed=1, end_ids=()))
    one = generate(model, [1, 2], 25, Sampler(temperature=3.0), seed=1, end_ids=[whole[6]])
    assert one.ended_by is None
    list(one)
    assert one.ended_by == "end token"
    batch = generate(model, torch.tensor([[1], [2]]), 3, GREEDY, end_ids=[slowly(model, [1], 1)[-1]])
    list(batch)
    assert batch.ended_by == ("end token", "max_new_tokens")


def test_log_probabilities_do_not_depend_on_the_sampler(model):
    prompt, text = [3, 1, 4], [3, 1, 4]
    for choice in generate(model, prompt, 8, Sampler(temperature=3.0, top_k=4), seed=2, end_ids=(), top_log_probs=3):
        expected = model(torch.tensor([text]))[0, -1].log_softmax(-1)
        best = expected.topk(3)
        assert choice.log_prob == pytest.approx(expected[choice.id].item(), abs=1e-4)
        assert [id for id, _ in choice.top] == best.indices.tolist()
        assert [p for _, p in choice.top] == pytest.approx(best.values.tolist(), abs=1e-4)
        text.append(choice.id)
    for row in generate(model, torch.tensor([[1], [2]]), 2, GREEDY, end_ids=(), top_log_probs=0):
        assert [choice.top for choice in row] == [(), ()]


def test_penalties_apply_to_the_text_so_far_but_not_to_the_padding(model):
    penalised = Sampler(temperature=0, frequency_penalty=1e4)
    text = [1, 2, 3]
    for token in generate(model, text, 15, penalised, end_ids=()):
        assert token not in text
        text.append(token)
    padded, mask = torch.tensor([[0, 0, 5]]), torch.tensor([[False, False, True]])
    (step, *_) = generate(model, padded, 4, penalised, attention_mask=mask, end_ids=())
    assert step.tolist() == list(generate(model, [5], 1, penalised, end_ids=()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"when_full": "crash"}, "must be 'stop' or 'slide'"),
        ({"top_log_probs": 24}, "top_log_probs must be between 0 and 23"),
        ({"constraint": [None, None]}, "2 constraints for 1 texts"),
        ({"max_new_tokens": -1}, "max_new_tokens must be a whole number, 0 or more, got -1"),
        ({"max_new_tokens": True}, "got True"),
        ({"seed": -1}, "seed must be a whole number, 0 or more, got -1"),
    ],
)
def test_bad_options_are_refused_at_once(model, options, message):
    with pytest.raises(ValueError, match=message):
        generate(model, [1], **options)


@pytest.mark.parametrize(
    ("ids", "message"),
    [([], "at least one token"), ([1] * 33, "do not fit into this model's context"), ([99], "got 99 to 99")],
)
def test_bad_ids_are_refused_at_once(model, ids, message):
    with pytest.raises(ValueError, match=message):
        generate(model, torch.tensor(ids, dtype=torch.long))


def test_an_interrupt_leaves_the_model_usable(model):
    expected = list(generate(model, [1, 2, 3], 6, GREEDY, end_ids=()))
    running = generate(model, [1, 2, 3], 6, GREEDY, end_ids=())
    next(running)
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    interrupted = []

    def interrupt(_):
        interrupted.append(True)
        raise KeyboardInterrupt

    handle = model.blocks[1].hook_residual_pre.add_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(generate(model, [1, 2, 3], 6, GREEDY, end_ids=()))
    handle.remove()
    assert interrupted
    assert list(generate(model, [1, 2, 3], 6, GREEDY, end_ids=())) == expected


def test_inference_mode_does_not_leak_while_generation_is_paused(model):
    for _ in generate(model, [1], 2, GREEDY, end_ids=()):
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()


@pytest.mark.cuda
def test_a_seed_gives_the_same_text_on_cuda_as_on_the_cpu(model):
    expected = list(generate(model, [1, 2], 20, Sampler(temperature=0.5), seed=5, end_ids=()))
    found = list(generate(model.cuda(), [1, 2], 20, Sampler(temperature=0.5), seed=5, end_ids=()))
    model.cpu()
    assert found == expected


@pytest.mark.parametrize("padded", [False, True])
def test_samples_share_one_reading_of_the_prompt_and_match_a_repeated_prompt(model, padded):
    ids = torch.tensor([[1, 2, 3, 4], [5, 6, 8, 9]])
    mask = torch.tensor([[not padded, True, True, True], [True] * 4])
    rows = ids.repeat_interleave(3, dim=0)
    repeated = list(generate(model, rows, 9, seed=4, attention_mask=mask.repeat_interleave(3, dim=0)))
    seen = []
    hook = model.hook_embed.add_hook(lambda value: seen.append(len(value)))
    try:
        assert torch.equal(
            torch.stack(list(generate(model, ids, 9, seed=4, attention_mask=mask, samples=3))), torch.stack(repeated)
        )
    finally:
        hook.remove()
    assert seen[:2] == [2, 6]


def test_several_samples_of_one_prompt_form_a_batch(model):
    writing = generate(model, [1, 2, 3], 4, seed=0, samples=2, top_log_probs=1)
    assert [len(step) for step in writing] == [2] * 4
    assert writing.ended_by == ("max_new_tokens",) * 2
    with pytest.raises(ValueError, match="samples must be a whole number, 1 or more, got 0"):
        generate(model, [1], samples=0)
