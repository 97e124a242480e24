"""Sampling against its definitions, generation against the slow way."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.sampling import Sampler, entropy, generate
from llmlib.transformer import Transformer, TransformerConfig

CONFIG = TransformerConfig(
    vocab_size=23, max_seq_len=32, d_model=32, n_layers=2, n_heads=4, n_kv_heads=2, positions="rotary",
    norm="rmsnorm", mlp="swiglu", end_ids=(7,),
)  # fmt: skip
GREEDY = Sampler(temperature=0)


@pytest.fixture(scope="module")
def model():
    made = Transformer(CONFIG, seed=3).eval()
    for parameter in made.parameters():
        parameter.data *= 5
    return made


def logits_of(seed, batch=3, vocab=11):
    return 3 * torch.randn(batch, vocab, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 999), vocab=st.integers(1, 40), cut=st.booleans())
def test_entropy_equals_torchs(seed, vocab, cut):
    logits = logits_of(seed, vocab=vocab)
    if cut:
        logits[:, 1:] = logits[:, 1:].masked_fill(logits[:, 1:] < 0, float("-inf"))
    expected = torch.distributions.Categorical(logits=logits.double()).entropy().float()
    torch.testing.assert_close(entropy(logits), expected, atol=1e-5, rtol=1e-5)
    assert entropy(logits[0]).shape == ()


@given(
    seed=st.integers(0, 999), temperature=st.floats(0.05, 5), top_k=st.none() | st.integers(1, 20),
    top_p=st.none() | st.floats(0.01, 1),
)  # fmt: skip
def test_probabilities_equal_transformers(seed, temperature, top_k, top_p):
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    expected = logits_of(seed)
    steps = [TemperatureLogitsWarper(temperature)]
    steps += [TopKLogitsWarper(top_k)] if top_k else []
    steps += [TopPLogitsWarper(top_p)] if top_p and top_p < 1 else []
    for step in steps:
        expected = step(None, expected)
    found = Sampler(temperature, top_k, top_p).probabilities(logits_of(seed))
    torch.testing.assert_close(found, expected.softmax(-1), atol=1e-5, rtol=1e-4)


def test_draws_follow_the_probabilities():
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]]).expand(40_000, 4)
    sampler = Sampler(temperature=0.7, top_k=3)
    drawn = sampler(logits, torch.Generator().manual_seed(0)).bincount(minlength=4) / 40_000
    torch.testing.assert_close(drawn, sampler.probabilities(logits[:1])[0], atol=0.01, rtol=0)
    assert drawn[3] == 0


def test_temperature_zero_takes_the_likeliest():
    logits = logits_of(0)
    assert torch.equal(GREEDY(logits), logits.argmax(-1))
    torch.testing.assert_close(GREEDY.probabilities(logits).amax(-1), torch.ones(3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits(dtype):
    logits = torch.tensor([[float("-inf"), 6e4, -6e4]], dtype=dtype)
    probabilities = Sampler(temperature=1e-4).probabilities(logits)
    torch.testing.assert_close(probabilities, torch.tensor([[0.0, 1.0, 0.0]]))


def test_nan_is_refused():
    with pytest.raises(ValueError, match="contain NaN"):
        Sampler()(torch.tensor([[float("nan"), 1.0]]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1}, "0 or more"),
        ({"temperature": float("nan")}, "0 or more"),
        ({"top_k": 0}, "at least 1"),
        ({"top_p": 0}, "above 0"),
        ({"top_p": 1.5}, "at most at 1"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        Sampler(**settings)


def slowly(model, ids, n):
    """Greedy continuation without a cache."""
    ids = list(ids)
    for _ in range(n):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids


@given(prompt=st.lists(st.integers(0, 22), min_size=1, max_size=20))
def test_greedy_generation_equals_the_slow_way(prompt, model):
    found = list(generate(model, prompt, max_new_tokens=8, sampler=GREEDY, end_ids=()))
    assert prompt + found == slowly(model, prompt, 8)


def test_a_seed_repeats_and_no_seed_varies(model):
    def run(seed):
        return list(generate(model, [1, 2], 20, Sampler(temperature=2.0), seed, end_ids=()))

    before = torch.get_rng_state()
    assert run(5) == run(5) != run(6)
    assert len({tuple(run(None)) for _ in range(5)}) > 1
    assert torch.equal(before, torch.get_rng_state())


def test_one_text_ends_before_its_end_token(model):
    whole = list(generate(model, [1, 2], 25, Sampler(temperature=3.0), seed=1, end_ids=()))
    end = whole[6]
    first = whole.index(end)
    assert list(generate(model, [1, 2], 25, Sampler(temperature=3.0), seed=1, end_ids=[end])) == whole[:first]


def test_the_end_tokens_of_the_config_are_the_default(model):
    for seed in range(50):
        assert 7 not in list(generate(model, [1], 25, Sampler(temperature=3.0), seed=seed))


def test_a_batch_equals_its_texts_alone(model):
    texts = [[3, 1, 4, 1, 5], [9, 2], [6]]
    padded = torch.tensor([[0] * (5 - len(text)) + text for text in texts])
    mask = torch.tensor([[False] * (5 - len(text)) + [True] * len(text) for text in texts])
    steps = torch.stack(list(generate(model, padded, 8, GREEDY, attention_mask=mask, end_ids=())), dim=1)
    for row, text in enumerate(texts):
        assert steps[row].tolist() == list(generate(model, text, 8, GREEDY, end_ids=()))


def test_rows_that_have_ended_repeat_their_end_token(model):
    ids = torch.tensor([[1], [2], [3], [4]])
    steps = torch.stack(list(generate(model, ids, 30, Sampler(temperature=3.0), seed=0, end_ids=[7, 8, 9, 10])), dim=1)
    assert steps.shape[1] < 30
    for row in steps.tolist():
        first = next(i for i, token in enumerate(row) if token in (7, 8, 9, 10))
        assert set(row[first:]) == {row[first]}


@pytest.mark.parametrize(
    "ids", [[1, 2, 3], torch.tensor([1, 2, 3]), range(1, 4), torch.tensor([1, 2, 3], dtype=torch.int32)]
)
def test_ways_to_give_one_text(model, ids):
    assert list(generate(model, ids, 3, GREEDY, end_ids=())) == slowly(model, [1, 2, 3], 3)[3:]


def test_generation_stops_when_the_context_is_full(model):
    assert len(list(generate(model, [1] * 30, 100, GREEDY, end_ids=()))) == 3  # 30 + 2 fit, and one more is predicted
    assert len(list(generate(model, [1] * 32, 100, GREEDY, end_ids=()))) == 1
    assert list(generate(model, [1, 2], 0)) == []


@pytest.mark.parametrize(
    ("ids", "message"),
    [([], "at least one token"), ([1] * 33, "more than the context"), ([99], "got 99 … 99")],
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

    handle = model.blocks[1].hook_residual_pre.watch(interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(generate(model, [1, 2, 3], 6, GREEDY, end_ids=()))
    handle.remove()
    assert interrupted
    assert list(generate(model, [1, 2, 3], 6, GREEDY, end_ids=())) == expected


def test_inference_mode_does_not_leak_while_paused(model):
    for _ in generate(model, [1], 2, GREEDY, end_ids=()):
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()


@pytest.mark.cuda
def test_a_seed_means_the_same_on_cuda(model):
    expected = list(generate(model, [1, 2], 20, Sampler(temperature=0.5), seed=5, end_ids=()))
    found = list(generate(model.cuda(), [1, 2], 20, Sampler(temperature=0.5), seed=5, end_ids=()))
    model.cpu()
    assert found == expected
