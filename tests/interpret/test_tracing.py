"""A trace holds the same values that `transformers` computes, and its memory can be predicted."""

import warnings

import pytest
import torch
import transformers
from reference_models import FAMILIES, load
from small_models import KINDS, hooks_of, make, random_ids

from llmlib.attention import causal_mask
from llmlib.interpret import POINTS, MemoryWarning, trace, trace_bytes, tracing
from llmlib.sampling import Sampler, generate


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_patterns_and_residuals_match_those_of_transformers(family, tmp_path):
    torch.manual_seed(0)
    theirs = transformers.AutoModelForCausalLM.from_config(FAMILIES[family](), attn_implementation="eager").eval()
    for parameter in theirs.parameters():
        parameter.data = torch.randn_like(parameter) * (0.2 if parameter.ndim > 1 else 1.0) + (parameter.ndim == 1)
    theirs.tie_weights()
    theirs.save_pretrained(tmp_path)
    ours = load(tmp_path)
    ids = torch.randint(67, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), trace(ours) as t:
        ours(ids)
        expected = theirs(ids, output_attentions=True, output_hidden_states=True)
    assert len(t.pattern) == len(expected.attentions)
    assert len(t.residual) == len(expected.hidden_states)
    for found, wanted in zip(t.pattern, expected.attentions):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    final = ours.final_norm(t.residual[-1])  # transformers returns the last residual after the norm
    for found, wanted in zip([*t.residual[:-1], final], expected.hidden_states):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_values_in_a_trace_are_consistent(kind):
    model, ids = make(kind), random_ids(2, 10)
    with torch.no_grad(), trace(model) as t:
        logits = model(ids)
        torch.testing.assert_close(logits, model(ids))
    group = KINDS[kind].n_heads // KINDS[kind].n_kv_heads
    for layer, block in enumerate(model.blocks):
        torch.testing.assert_close(t.residual_mid[layer], t.residual[layer] + t.attention_out[layer])
        torch.testing.assert_close(t.residual[layer + 1], t.residual_mid[layer] + t.mlp_out[layer])
        if KINDS[kind].mlp == "none":
            assert t.mlp[layer].shape[-1] == 0
            assert not t.mlp_out[layer].any()
        else:
            torch.testing.assert_close(block.mlp.down(t.mlp[layer]), t.mlp_out[layer])
        k, v = (getattr(t, name)[layer].repeat_interleave(group, dim=1) for name in "kv")
        torch.testing.assert_close(t.scores[layer], t.q[layer] @ k.mT / k.shape[-1] ** 0.5)
        mask = causal_mask(10, 10, KINDS[kind].sliding_window)
        torch.testing.assert_close(t.pattern[layer], t.scores[layer].masked_fill(~mask, -torch.inf).softmax(-1))
        torch.testing.assert_close(t.z[layer], t.pattern[layer] @ v)
    torch.testing.assert_close(model.final_norm(t.residual[-1]) @ unembedding(model).T, logits)
    assert hooks_of(model) == []


def unembedding(model):
    return model.embed.weight if model.config.tied_embeddings else model.unembed.weight


@pytest.mark.parametrize("kind", ["gpt2", "llama", "mistral"])
@pytest.mark.parametrize("chunks", [[12], [7, 1, 4], [1] * 12])
def test_with_a_cache_the_chunks_are_joined(kind, chunks):
    model, ids = make(kind), random_ids(2, 12)
    with torch.no_grad(), trace(model) as whole:
        model(ids)
    cache = model.new_cache(batch=2)
    with torch.no_grad(), trace(model) as pieces:
        for piece in ids.split(chunks, dim=1):
            model(piece, cache=cache)
    for name in POINTS:
        for found, wanted in zip(getattr(pieces, name), getattr(whole, name), strict=True):
            if name == "scores":  # values above the diagonal are masked, and a chunk may lack them
                found, wanted = found.tril(), wanted.tril()
                found = found.nan_to_num(nan=0.0)
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


def test_a_new_run_and_a_repeated_chunk_replace_the_earlier_values(model):
    ids = random_ids(1, 9)
    with torch.no_grad(), trace(model, names=["residual", "pattern"]) as t:
        model(random_ids(1, 5, seed=3))
        model(ids)
        assert t.residual[0].shape[1] == 9
        whole = t.residual
        cache = model.new_cache()
        model(ids[:, :4], cache=cache)
        model(random_ids(1, 2, seed=4), cache=cache)
        cache.length = 4  # discards the last two tokens
        model(ids[:, 4:], cache=cache)
    for found, wanted in zip(t.residual, whole):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)
    assert t.pattern[0].shape == (1, 4, 9, 9)


def test_a_generated_text_is_traced_as_a_whole(model):
    with trace(model, names=("pattern",)) as t:
        new = list(generate(model, torch.tensor([1, 2, 3]), 5, Sampler(temperature=0), end_ids=()))
    with torch.no_grad(), trace(model, names=("pattern",)) as whole:
        model(torch.tensor([[1, 2, 3, *map(int, new)]]))
    n = t.pattern[0].shape[-1]
    torch.testing.assert_close(t.pattern[1], whole.pattern[1][..., :n, :n], atol=1e-4, rtol=1e-3)


def test_a_padded_text_has_the_same_pattern_as_without_padding(model):
    ids, real = random_ids(2, 6), torch.tensor([[False] * 2 + [True] * 4, [True] * 6])
    with torch.no_grad(), trace(model, names=("pattern",)) as padded:
        model(ids, attention_mask=real)
    with torch.no_grad(), trace(model, names=("pattern",)) as alone:
        model(ids[:1, 2:])
    torch.testing.assert_close(padded.pattern[2][:1, :, 2:, 2:], alone.pattern[2], atol=1e-4, rtol=1e-3)
    assert not padded.pattern[2][0, :, :, :2].any()


def test_only_the_chosen_names_are_kept_and_attention_stays_fast_without_patterns(model, monkeypatch):
    monkeypatch.setattr(type(model.blocks[0].attention), "_explicit", lambda *_: pytest.fail("the slow path was taken"))
    with torch.no_grad(), trace(model, names=("z", "residual")) as t:
        model(random_ids(1, 4))
    assert {name for name, _ in t._parts} == {"z", "residual"}
    with pytest.raises(AttributeError, match=r"keeps residual, z, but not 'pattern'. Ask for it: trace\(model"):
        _ = t.pattern
    with pytest.raises(AttributeError, match="not 'patern'"):
        _ = t.patern
    assert str(t) == "<Trace of residual, z: 3.58 kB>"


def test_unknown_names_and_reading_a_trace_before_a_run_are_errors(model):
    with (
        pytest.raises(ValueError, match=r"no value called 'patterns' in a model; choose from: residual, q"),
        trace(model, ["patterns"]),
    ):
        pass
    with trace(model) as t, pytest.raises(RuntimeError, match="Call model"):
        _ = t.pattern


def test_a_trace_carries_no_gradients_but_lets_them_pass(model):
    with trace(model) as t:
        model(random_ids(1, 4)).sum().backward()
    assert not t.pattern[0].requires_grad
    assert model.embed.weight.grad.abs().sum() > 0


def test_the_predicted_memory_equals_the_memory_used(model):
    for names in (None, ("pattern",), ("residual", "v")):
        with torch.no_grad(), trace(model, names) as t:
            model(random_ids(2, 7))
        predicted = trace_bytes(model, 2, 7, names)
        assert predicted == {name: sum(value.nbytes for value in getattr(t, name)) for name in t.names}


def test_a_large_trace_warns_and_an_impossible_one_takes_no_memory(model, monkeypatch):
    monkeypatch.setattr(tracing, "LARGE", 1000)
    with (
        trace(model) as t,
        pytest.warns(MemoryWarning, match=r"1 × 7 tokens takes .* kB \(mlp 4.03 kB, .*To keep less"),
    ):
        model(random_ids(1, 7))
    monkeypatch.setattr(tracing, "_free_bytes", lambda device: 2000)
    with trace(model) as t, pytest.raises(MemoryError, match="Only 2 kB is free"):
        model(random_ids(1, 7))
    assert not t._parts
    monkeypatch.undo()
    with warnings.catch_warnings(), trace(model):
        warnings.simplefilter("error")
        model(random_ids(1, 7))
