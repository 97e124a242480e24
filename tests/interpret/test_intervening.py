"""Ablating and patching change only the chosen values, and leave the model itself unchanged."""

import contextlib
import signal
import time

import pytest
import torch
from small_models import KINDS, hooks_of, make, random_ids

from llmlib.interpret import POINTS, ablate, head_scores, patch, trace

# --- ablate -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_ablating_a_head_equals_zeroing_its_output_weights(kind):
    model, ids = make(kind), random_ids(2, 8)
    with torch.no_grad(), ablate(model, [(0, 1), (0, 3), (2, 0)]):
        found = model(ids)
    d_head = model.config.d_head
    for layer, head in [(0, 1), (0, 3), (2, 0)]:
        model.blocks[layer].attention.output.weight.data[:, head * d_head : (head + 1) * d_head] = 0
    torch.testing.assert_close(found, model(ids), atol=1e-5, rtol=1e-4)


def test_mean_ablation_replaces_outputs_with_their_mean(model):
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


def test_ablating_with_a_cache_gives_the_same_result_as_without_one(model):
    ids = random_ids(1, 8)
    with torch.no_grad(), ablate(model, [(1, 2)]):
        whole, cache = model(ids), model.new_cache()
        parts = [model(piece, cache=cache) for piece in ids.split([5, 1, 2], dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("head", [(3, 0), (0, 4), (-1, 0), (0, -1)])
def test_a_head_that_does_not_exist_is_refused(model, head):
    with pytest.raises(ValueError, match=r"no head .* layers 0 to 2, each with heads 0 to 3"), ablate(model, [head]):
        pass


def test_a_mean_that_cannot_be_computed_is_an_error(model):
    with ablate(model, [(0, 0)], "mean"):
        with pytest.raises(ValueError, match="reference=ids"):
            model(random_ids(1, 3), cache=model.new_cache())
        with pytest.raises(ValueError, match="reference=ids"):
            model(random_ids(1, 3), attention_mask=torch.tensor([[False, True, True]]))
        model(random_ids(1, 3), attention_mask=torch.ones(1, 3, dtype=torch.bool))


def test_ablating_no_heads_changes_nothing(model):
    ids = random_ids(1, 4)
    expected = model(ids)
    with ablate(model, []):
        torch.testing.assert_close(model(ids), expected, atol=0, rtol=0)


# --- patch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", range(4))
def test_patching_the_whole_residual_reproduces_the_other_run(model, layer):
    clean, corrupt = random_ids(1, 8), random_ids(2, 8, seed=5)
    with torch.no_grad(), trace(model) as source:
        expected = model(clean)
    with torch.no_grad(), patch(model, source, "residual", layer):
        torch.testing.assert_close(model(corrupt), expected.expand(2, -1, -1), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", POINTS)
def test_a_patch_changes_only_the_chosen_heads_and_positions(model, name):
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
def test_patching_with_a_cache_gives_the_same_result_as_without_one(model, name):
    clean, corrupt = random_ids(1, 8), random_ids(1, 8, seed=5)
    with torch.no_grad(), trace(model) as source:
        model(clean)
    for positions in (None, [1, 6]):
        with torch.no_grad(), patch(model, source, name, 1, positions=positions):
            whole, cache = model(corrupt), model.new_cache()
            parts = [model(piece, cache=cache) for piece in corrupt.split([5, 1, 2], dim=1)]
        torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=1e-3)


def test_patch_refuses_invalid_arguments_and_runs_that_do_not_fit(model):
    with torch.no_grad(), trace(model, ["residual", "z"]) as source:
        model(random_ids(2, 6))
    wrong = [
        (dict(name="zz", layer=0), ValueError, "no value called 'zz'"),  # noqa: C408
        (dict(name="pattern", layer=0), AttributeError, "Ask for it"),  # noqa: C408
        (dict(name="z", layer=3), ValueError, "no layer 3; this model has layers 0 to 2"),  # noqa: C408
        (dict(name="residual", layer=0, heads=[0]), ValueError, "'residual' has no heads"),  # noqa: C408
        (dict(name="z", layer=0, heads=[4]), ValueError, "heads must be between 0 and 3"),  # noqa: C408
        (dict(name="z", layer=0, positions=[6]), ValueError, "positions must be between 0 and 5"),  # noqa: C408
    ]
    for arguments, error, message in wrong:
        with pytest.raises(error, match=message), patch(model, source, **arguments):
            pass
    with patch(model, source, "z", 0):
        with pytest.raises(ValueError, match=r"6 positions, but this run has 7\. Use texts of the same length"):
            model(random_ids(2, 7))
        with pytest.raises(ValueError, match=r"\(2, 4, 6, 8\), which does not fit this run's \(3, 4, 6, 8\)"):
            model(random_ids(3, 6))


# --- leaving no hooks -------------------------------------------------------------------------------------------


def contexts(model, source):
    return {
        "trace": lambda: trace(model),
        "ablate": lambda: ablate(model, [(0, 0), (1, 1)]),
        "mean": lambda: ablate(model, [(0, 0)], "mean", reference=torch.tensor([[1, 2]])),
        "patch": lambda: patch(model, source, "z", 1),
    }


@pytest.mark.parametrize("which", ["trace", "ablate", "mean", "patch"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_error_inside_a_context_leaves_no_hooks(model, which, error):
    ids = random_ids(1, 4)
    with torch.no_grad(), trace(model) as source:
        model(ids)
    expected = model(ids)
    handle = model.blocks[1].hook_residual_mid.add_hook(lambda _: (_ for _ in ()).throw(error))
    with pytest.raises(error), contexts(model, source)[which]():
        model(ids)
    handle.remove()
    torch.testing.assert_close(model(ids), expected, atol=0, rtol=0)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("which", ["trace", "ablate", "mean", "patch"])
def test_an_interrupt_while_a_hook_is_registered_leaves_no_hooks(model, which, after, monkeypatch):
    """The interrupt comes just before or just after torch registers each hook in turn."""
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


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers on this system")
def test_a_real_interrupt_leaves_no_hooks(model):
    def interrupt(*_):
        raise KeyboardInterrupt

    left, interval = signal.setitimer(signal.ITIMER_REAL, 0)  # pytest-timeout uses such a timer
    previous = signal.signal(signal.SIGALRM, interrupt)
    calls = 0
    try:
        for microseconds in range(200, 6000, 400):
            try:
                with torch.no_grad():
                    signal.setitimer(signal.ITIMER_REAL, microseconds / 1e6)
                    with ablate(model, [(0, 1)]), trace(model):
                        # An interrupt during garbage collection is lost: Python prints it and continues.
                        end = time.monotonic() + 2
                        while time.monotonic() < end:
                            model(random_ids(1, 4))
            except KeyboardInterrupt:
                calls += 1
            assert hooks_of(model) == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, left, interval)
    assert calls > 0


def test_nested_contexts_act_in_order_and_close_independently(model):
    ids = random_ids(1, 4)
    kept = []
    mine = model.blocks[0].attention.hook_z.add_hook(lambda z: kept.append(z))
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


def test_removing_a_function_removes_all_its_hooks(model):
    z = model.blocks[0].attention.hook_z
    function = lambda value: None  # noqa: E731
    z.add_hook(function)
    z.add_hook(function)
    z.remove_hook(function)
    assert not z.has_hooks
    z.remove_hook(function)


@pytest.mark.cuda
def test_interventions_work_on_a_gpu():
    model, ids = make("llama").cuda(), random_ids(1, 6).cuda()
    with torch.no_grad(), trace(model) as t:
        model(ids)
    with torch.no_grad(), patch(model, t, "z", 1, heads=[0], positions=[2]), ablate(model, [(0, 0)], "mean"):
        model(ids)
    assert t.pattern[0].is_cuda
    assert induction(t.pattern[0], ids[0]).is_cuda


def induction(pattern, ids):
    return head_scores.induction_score(pattern, ids)
