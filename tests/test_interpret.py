"""Looking inside and intervening: equal to `transformers`, and the model is left as it was."""

import contextlib
import signal
import warnings

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from test_pretrained import FAMILIES, load
from test_transformer import KINDS, make, random_ids

from llmlib import head_scores, interpret
from llmlib.attention import causal_mask
from llmlib.interpret import POINTS, MemoryNotice, ablate, patch, trace, trace_bytes
from llmlib.sampling import Sampler, generate


def hooks_of(model):
    """Everything that a model remembers of its watchers."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs")
    return [(name, kind) for name, module in model.named_modules() for kind in kinds if getattr(module, kind)]


@pytest.fixture
def model():
    model = make("llama")
    yield model
    assert hooks_of(model) == []


# --- trace ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_patterns_and_residuals_equal_transformers(family, tmp_path):
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
    final = ours.final_norm(t.residual[-1])  # transformers gives the last one after the norm
    for found, wanted in zip([*t.residual[:-1], final], expected.hidden_states):
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_trace_holds_fits_together(kind):
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
            if name == "scores":  # whatever lies above the diagonal is masked, and a chunk may not even know it
                found, wanted = found.tril(), wanted.tril()
                found = found.nan_to_num(nan=0.0)
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


def test_a_new_run_replaces_the_last_one_and_a_repeated_chunk_itself(model):
    ids = random_ids(1, 9)
    with torch.no_grad(), trace(model, names=["residual", "pattern"]) as t:
        model(random_ids(1, 5, seed=3))
        model(ids)
        assert t.residual[0].shape[1] == 9
        whole = t.residual
        cache = model.new_cache()
        model(ids[:, :4], cache=cache)
        model(random_ids(1, 2, seed=4), cache=cache)
        cache.length = 4  # takes the last two back
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


def test_padded_texts_in_a_batch(model):
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
    with pytest.raises(AttributeError, match=r"keeps residual, z; not 'pattern'. Ask for it: trace\(model"):
        _ = t.pattern
    with pytest.raises(AttributeError, match="not 'patern'"):
        _ = t.patern
    assert str(t) == "<Trace of residual, z: 3.58 kB>"


def test_errors_of_trace(model):
    with pytest.raises(ValueError, match=r"no 'patterns' to look at; it has: residual, q"), trace(model, ["patterns"]):
        pass
    with trace(model) as t, pytest.raises(RuntimeError, match="Call model"):
        _ = t.pattern


def test_a_trace_carries_no_gradients_but_lets_them_pass(model):
    with trace(model) as t:
        model(random_ids(1, 4)).sum().backward()
    assert not t.pattern[0].requires_grad
    assert model.embed.weight.grad.abs().sum() > 0


def test_the_stated_memory_is_the_memory_taken(model):
    for names in (None, ("pattern",), ("residual", "v")):
        with torch.no_grad(), trace(model, names) as t:
            model(random_ids(2, 7))
        told = trace_bytes(model, 2, 7, names)
        assert told == {name: sum(value.nbytes for value in getattr(t, name)) for name in t.names}


def test_a_large_trace_says_so_before_and_an_impossible_one_takes_nothing(model, monkeypatch):
    monkeypatch.setattr(interpret, "LARGE", 1000)
    with trace(model) as t, pytest.warns(MemoryNotice, match=r"1 × 7 tokens keeps .* kB \(mlp 4.03 kB, .*Keep less"):
        model(random_ids(1, 7))
    monkeypatch.setattr(interpret, "_free_bytes", lambda device: 2000)
    with trace(model) as t, pytest.raises(MemoryError, match="Only 2 kB are free"):
        model(random_ids(1, 7))
    assert not t._parts
    monkeypatch.undo()
    with warnings.catch_warnings(), trace(model):
        warnings.simplefilter("error")
        model(random_ids(1, 7))


# --- ablate -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_without_output_weights_equals_the_head_ablated(kind):
    model, ids = make(kind), random_ids(2, 8)
    with torch.no_grad(), ablate(model, [(0, 1), (0, 3), (2, 0)]):
        found = model(ids)
    d_head = model.config.d_head
    for layer, head in [(0, 1), (0, 3), (2, 0)]:
        model.blocks[layer].attention.output.weight.data[:, head * d_head : (head + 1) * d_head] = 0
    torch.testing.assert_close(found, model(ids), atol=1e-5, rtol=1e-4)


def test_mean_ablation_replaces_by_the_mean(model):
    ids, reference = random_ids(2, 8), random_ids(3, 5, seed=9)
    with torch.no_grad():
        with trace(model, ["z"]) as own:
            model(ids)
        with trace(model, ["z"]) as other:
            model(reference)
        with ablate(model, [(0, 1)], "mean"), trace(model, ["z"]) as of_text:
            model(ids)
        with ablate(model, [(0, 1)], "mean", reference=reference), trace(model, ["z"]) as of_reference:
            cached = model.new_cache(batch=2)
            model(ids[:, :5], cache=cached)
            model(ids[:, 5:], cache=cached)
    for found, mean in ((of_text, own.z[0][:, 1].mean((0, 1))), (of_reference, other.z[0][:, 1].mean((0, 1)))):
        torch.testing.assert_close(found.z[0][:, 1], mean.expand(2, 8, -1))
        torch.testing.assert_close(found.z[0][:, [0, 2, 3]], own.z[0][:, [0, 2, 3]], atol=1e-4, rtol=1e-3)


def test_ablating_with_a_cache_equals_ablating_the_whole_text(model):
    ids = random_ids(1, 8)
    with torch.no_grad(), ablate(model, [(1, 2)]):
        whole, cache = model(ids), model.new_cache()
        parts = [model(piece, cache=cache) for piece in ids.split([5, 1, 2], dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("head", [(3, 0), (0, 4), (-1, 0), (0, -1)])
def test_a_head_that_does_not_exist(model, head):
    with pytest.raises(ValueError, match=r"no head .* layers 0 … 2, each with heads 0 … 3"), ablate(model, [head]):
        pass


def test_a_mean_that_cannot_be_had(model):
    with ablate(model, [(0, 0)], "mean"):
        with pytest.raises(ValueError, match="reference=ids"):
            model(random_ids(1, 3), cache=model.new_cache())
        with pytest.raises(ValueError, match="reference=ids"):
            model(random_ids(1, 3), attention_mask=torch.tensor([[False, True, True]]))
        model(random_ids(1, 3), attention_mask=torch.ones(1, 3, dtype=torch.bool))


def test_no_heads_change_nothing(model):
    ids = random_ids(1, 4)
    expected = model(ids)
    with ablate(model, []):
        torch.testing.assert_close(model(ids), expected, atol=0, rtol=0)


# --- patch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", range(4))
def test_a_whole_residual_brings_the_other_run(model, layer):
    clean, corrupt = random_ids(1, 8), random_ids(2, 8, seed=5)
    with torch.no_grad(), trace(model) as source:
        expected = model(clean)
    with torch.no_grad(), patch(model, source, "residual", layer):
        torch.testing.assert_close(model(corrupt), expected.expand(2, -1, -1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", POINTS)
def test_a_patch_changes_what_it_names_and_nothing_else(model, name):
    clean, corrupt, at = random_ids(1, 8), random_ids(1, 8, seed=5), [2, 6]
    heads = [1] if "head" in POINTS[name][1] else None
    with torch.no_grad():
        with trace(model) as source:
            model(clean)
        with trace(model) as before:
            model(corrupt)
        with patch(model, source, name, 1, heads=heads, positions=at), trace(model) as after:
            model(corrupt)
    mixed = getattr(before, name)[1].clone()
    for p in at:
        if heads:
            mixed[:, 1, p] = getattr(source, name)[1][:, 1, p]
        else:
            mixed[:, p] = getattr(source, name)[1][:, p]
    assert not torch.equal(mixed, getattr(before, name)[1])
    torch.testing.assert_close(getattr(after, name)[1], mixed, atol=0, rtol=0)


@pytest.mark.parametrize("name", ["residual", "z", "pattern"])
def test_patching_with_a_cache_equals_patching_the_whole_text(model, name):
    clean, corrupt = random_ids(1, 8), random_ids(1, 8, seed=5)
    with torch.no_grad(), trace(model) as source:
        model(clean)
    for positions in (None, [1, 6]):
        with torch.no_grad(), patch(model, source, name, 1, positions=positions):
            whole, cache = model(corrupt), model.new_cache()
            parts = [model(piece, cache=cache) for piece in corrupt.split([5, 1, 2], dim=1)]
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-3)


def test_errors_of_patch(model):
    with torch.no_grad(), trace(model, ["residual", "z"]) as source:
        model(random_ids(2, 6))
    wrong = [
        (dict(name="zz", layer=0), ValueError, "no 'zz'"),  # noqa: C408
        (dict(name="pattern", layer=0), AttributeError, "Ask for it"),  # noqa: C408
        (dict(name="z", layer=3), ValueError, "no layer 3; this model has layers 0 … 2"),  # noqa: C408
        (dict(name="residual", layer=0, heads=[0]), ValueError, "'residual' has no heads"),  # noqa: C408
        (dict(name="z", layer=0, heads=[4]), ValueError, "heads must lie in 0 … 3"),  # noqa: C408
        (dict(name="z", layer=0, positions=[6]), ValueError, "positions must lie in 0 … 5"),  # noqa: C408
    ]
    for arguments, error, message in wrong:
        with pytest.raises(error, match=message), patch(model, source, **arguments):
            pass
    with patch(model, source, "z", 0):
        with pytest.raises(ValueError, match=r"6 positions and this run has 7\. Use texts of equal length"):
            model(random_ids(2, 7))
        with pytest.raises(ValueError, match=r"\(2, 4, 6, 8\) does not fit this run's \(3, 4, 6, 8\)"):
            model(random_ids(3, 6))


# --- leaving no mark --------------------------------------------------------------------------------------------


def contexts(model, source):
    return {
        "trace": lambda: trace(model),
        "ablate": lambda: ablate(model, [(0, 0), (1, 1)]),
        "mean": lambda: ablate(model, [(0, 0)], "mean", reference=torch.tensor([[1, 2]])),
        "patch": lambda: patch(model, source, "z", 1),
    }


@pytest.mark.parametrize("which", ["trace", "ablate", "mean", "patch"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_error_inside_leaves_no_mark(model, which, error):
    ids = random_ids(1, 4)
    with torch.no_grad(), trace(model) as source:
        model(ids)
    expected = model(ids)
    handle = model.blocks[1].hook_residual_mid.watch(lambda _: (_ for _ in ()).throw(error))
    with pytest.raises(error), contexts(model, source)[which]():
        model(ids)
    handle.remove()
    torch.testing.assert_close(model(ids), expected, atol=0, rtol=0)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("which", ["trace", "ablate", "mean", "patch"])
def test_an_interrupt_at_any_registration_leaves_no_mark(model, which, after, monkeypatch):
    """It strikes just before, or just after, torch has noted each of the watchers in turn."""
    with torch.no_grad(), trace(model) as source:
        model(random_ids(1, 4))
    original, strike_at, noted = torch.nn.Module.register_forward_hook, 0, 0

    def register(module, *args, **kwargs):
        nonlocal noted
        noted += 1
        if noted == strike_at and not after:
            raise KeyboardInterrupt
        handle = original(module, *args, **kwargs)
        if noted == strike_at:
            raise KeyboardInterrupt
        return handle

    monkeypatch.setattr(torch.nn.Module, "register_forward_hook", register)
    entered = False
    while not entered:
        strike_at, noted = strike_at + 1, 0
        with contextlib.suppress(KeyboardInterrupt), torch.no_grad(), contexts(model, source)[which]():
            entered = True
        assert hooks_of(model) == [], strike_at
    assert strike_at > 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_a_real_interrupt_leaves_no_mark(model):
    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        for microseconds in range(200, 6000, 400):
            with contextlib.suppress(KeyboardInterrupt), torch.no_grad():
                signal.setitimer(signal.ITIMER_REAL, microseconds / 1e6)
                with ablate(model, [(0, 1)]), trace(model):
                    while True:
                        model(random_ids(1, 4))
            assert hooks_of(model) == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_nested_contexts_act_in_order_and_close_apart(model):
    ids = random_ids(1, 4)
    kept = []
    mine = model.blocks[0].attention.hook_z.watch(lambda z: kept.append(z))
    with torch.no_grad(), trace(model, ["z"]) as before, ablate(model, [(0, 1)]):
        with ablate(model, [(0, 2)]), trace(model, ["z"]) as after:
            model(ids)
        assert before.z[0].abs().sum((0, 2, 3)).gt(0).all()
        assert after.z[0].abs().sum((0, 2, 3)).gt(0).tolist() == [True, False, False, True]
        with trace(model, ["z"]) as later:
            model(ids)
        assert later.z[0].abs().sum((0, 2, 3)).gt(0).tolist() == [True, False, True, True]
    model(ids)
    assert len(kept) == 3
    mine.remove()


def test_one_watcher_at_two_places_and_twice_at_one(model):
    z = model.blocks[0].attention.hook_z
    function = lambda value: None  # noqa: E731
    z.watch(function)
    z.watch(function)
    z.unwatch(function)
    assert not z.watched
    z.unwatch(function)


@pytest.mark.cuda
def test_on_a_gpu():
    model, ids = make("llama").cuda(), random_ids(1, 6).cuda()
    with torch.no_grad(), trace(model) as t:
        model(ids)
    with torch.no_grad(), patch(model, t, "z", 1, heads=[0], positions=[2]), ablate(model, [(0, 0)], "mean"):
        model(ids)
    assert t.pattern[0].is_cuda
    assert induction(t.pattern[0], ids[0]).is_cuda


# --- scores -----------------------------------------------------------------------------------------------------


def induction(pattern, ids):
    return head_scores.induction_score(pattern, ids)


def reference_scores(pattern, ids):
    """The definitions, spelled out over single cells."""
    n = len(ids)
    rows = [[pattern[i][j] for j in range(n)] for i in range(n)]

    def mean(values):
        return sum(values) / len(values) if values else 0.0

    def share(keys_of):
        chosen = [(i, keys_of(i)) for i in range(n)]
        return mean([sum(rows[i][j] for j in keys) for i, keys in chosen if keys])

    return {
        "previous_token_score": share(lambda i: [i - 1] if i else []),
        "first_token_score": share(lambda i: [0] if i else []),
        "duplicate_token_score": share(lambda i: [j for j in range(i) if ids[j] == ids[i]]),
        "induction_score": share(lambda i: [j + 1 for j in range(i - 1) if ids[j] == ids[i]]),
        "distance": mean([sum(p * abs(i - j) for j, p in enumerate(row)) for i, row in enumerate(rows)]),
        "entropy": mean([sum(-p * torch.tensor(p).log().item() for p in row if p > 0) for row in rows]),
    }


@given(st.integers(1, 9), st.integers(1, 4), st.integers(0, 1000), st.booleans())
def test_scores_equal_their_definitions(n, vocab, seed, causal):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, n, n, generator=generator)
    pattern = (scores.masked_fill(~causal_mask(n, n), -torch.inf) if causal else scores).softmax(-1)
    ids = torch.randint(vocab, (n,), generator=generator)
    for head in range(3):
        for name, expected in reference_scores(pattern[head].tolist(), ids.tolist()).items():
            arguments = (ids,) if name in ("duplicate_token_score", "induction_score") else ()
            found = getattr(head_scores, name)(pattern, *arguments)
            assert found.shape == (3,)
            assert found[head].item() == pytest.approx(expected, abs=1e-5), name


def test_scores_of_the_last_queries_agree_with_those_of_the_whole(model):
    pattern, ids = torch.rand(2, 8, 8).tril(), torch.tensor([1, 2, 3, 1, 2, 3, 1, 2])
    pattern[:, :5] = 0
    scale = 3 / 8
    torch.testing.assert_close(head_scores.distance(pattern[:, 5:]) * scale, head_scores.distance(pattern))
    assert head_scores.induction_score(pattern[:, 5:], ids).shape == (2,)
    with pytest.raises(ValueError, match="8 keys, but there are 3 ids"):
        head_scores.induction_score(pattern, ids[:3])


def test_a_perfect_head_of_each_kind_scores_one():
    ids, n = torch.tensor([1, 2, 3, 1, 2, 3]), 6
    eye = torch.eye(n)
    previous = torch.cat([eye[:1], eye[:-1]])
    assert head_scores.previous_token_score(previous) == 1
    assert head_scores.first_token_score(eye[torch.zeros(n, dtype=torch.long)]) == 1
    assert head_scores.duplicate_token_score(eye[[0, 1, 2, 0, 1, 2]], ids) == 1
    assert head_scores.induction_score(eye[[0, 1, 2, 1, 2, 3]], ids) == 1
    assert head_scores.entropy(eye) == 0
    assert head_scores.distance(eye) == 0


@given(st.integers(1, 4), st.integers(1, 6), st.floats(0, 1))
def test_rollout_is_a_distribution_and_equals_the_product(n_layers, n, residual):
    generator = torch.Generator().manual_seed(n)
    patterns = torch.rand(n_layers, 2, n, n, generator=generator).tril().add(1e-3).tril()
    patterns /= patterns.sum(-1, keepdim=True)
    flow = head_scores.rollout(patterns, residual)
    torch.testing.assert_close(flow.sum(-1), torch.ones(n_layers, n))
    product = torch.eye(n)
    for layer in range(n_layers):
        product = ((1 - residual) * patterns[layer].mean(0) + residual * torch.eye(n)) @ product
    torch.testing.assert_close(flow[-1], product)


def test_errors_of_rollout():
    with pytest.raises(ValueError, match="as many queries as keys"):
        head_scores.rollout(torch.rand(1, 1, 2, 3))
    with pytest.raises(ValueError, match="between 0 and 1"):
        head_scores.rollout(torch.rand(1, 1, 2, 2), residual=2.0)
