"""An attempt cannot break `check`, whether it loops forever, raises odd exceptions or returns odd results."""

import io
import signal
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmlib.exercises import check
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.running import TimeIsUp, _watchdog, run, time_limit
from llmlib.exercises.registry import all_exercises, find
from llmlib.tokenization import simple_bpe

EXERCISES = all_exercises()


by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


def kind_of(attempt, name="attention.scaled_dot_product", **options):
    return check(name, attempt, **options).kind


def endless(*args):
    while True:
        pass


def endless_and_greedy(*args):
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            continue


def endless_sleep(*args):
    time.sleep(1000)


@pytest.mark.parametrize("attempt", [endless, endless_and_greedy, endless_sleep])
def test_an_endless_loop_is_stopped(attempt):
    report = check("tokenization.merge", attempt, seconds=0.2)
    assert report.kind == "timeout"
    assert "0.2 seconds" in repr(report)


@pytest.mark.slow
@by_name
def test_an_endless_loop_is_stopped_in_every_exercise(exercise):
    assert examine(exercise, endless, seconds=0.02).kind == "timeout"


def test_an_endless_loop_is_stopped_in_another_thread_too():
    kinds = []

    def work():
        kinds.append(check("tokenization.merge", endless, seconds=0.2).kind)
        kinds.append(check("tokenization.merge", simple_bpe.merge).kind)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=60)
    assert kinds[0] == "timeout"
    assert not thread.is_alive()
    assert kinds[1] == "correct"


def test_the_watchdog_that_windows_uses_works_in_the_main_thread():
    with pytest.raises(TimeIsUp), _watchdog(0.1):
        endless()
    with _watchdog(0.1):
        pass
    for _ in range(10_000):  # a late exception would be raised here
        pass


def test_a_timer_that_was_already_running_continues():
    rang = []
    old = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    try:
        saved = signal.setitimer(signal.ITIMER_REAL, 300)
        with time_limit(5.0):
            pass
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 200 < left <= 300
    finally:
        signal.setitimer(signal.ITIMER_REAL, *saved)
        signal.signal(signal.SIGALRM, old)
    assert not rang


class Evil:
    """An object that raises an error whatever is done with it."""

    def __getattr__(self, name):
        raise RuntimeError(name)

    def __eq__(self, other):
        raise RuntimeError("eq")

    def __repr__(self):
        raise RuntimeError("repr")

    __hash__ = None
    __len__ = __bool__ = __iter__ = __str__ = __repr__


class EvilError(Exception):
    def __str__(self):
        raise RuntimeError("str")


def raises(error):
    def attempt(*args):
        raise error

    return attempt


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        EvilError(),
        BaseException("b"),
        StopIteration(),
        RecursionError("deep"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_any_exception_is_caught(error):
    assert kind_of(raises(error)) == "raised"


@pytest.mark.slow
def test_endless_recursion_is_caught():
    def attempt(ids):
        return attempt(ids)

    report = check("tokenization.most_common_pair", attempt)
    assert report.kind == "raised"
    assert "Which case should stop it" in repr(report)


GARBAGE = [
    None, True, 0, -1, 3.5, float("nan"), 1j, "", "text", b"", b"bytes", [], (), {}, set(), [None], [[]], {1: 2},
    [1, "a"], object, object(), Evil(), [Evil()], (Evil(), Evil()), {"a": Evil()}, type, print, io.StringIO(),
    torch.zeros(()), torch.zeros(0), torch.zeros(2, 0), torch.zeros(1, 1, 1, 1), torch.zeros(2, 3).to_sparse(),
    torch.zeros(3, dtype=torch.complex64), torch.zeros(3, dtype=torch.bfloat16), torch.zeros(3, device="meta"),
    torch.full((1, 1), float("nan")), torch.nn.Parameter(torch.ones(1, 1, 2)), torch.nn.Linear(1, 1),
    torch.ones(1, 2).bool(), np.zeros(3), np.float32(1), np.array(None), range(3), iter([1]), slice(1), Ellipsis,
    [torch.zeros(2)], (torch.zeros(2), torch.zeros(2)), (torch.zeros(2, dtype=torch.long), None), 10**400, -0.0,
    "\ud800", "\x00", [float("inf")], (1, 2), (1.0, 2.0), [(1, 2)], [(1, 2, 3)], {(1, 2): "x"}, {(1, 2): Evil()},
]  # fmt: skip  # fifty small values: one per line would be no clearer

garbage = st.integers(0, len(GARBAGE) - 1).map(lambda i: GARBAGE[i])


def answers(name, value):
    report = check(name, lambda *args: value)
    return report.kind != "correct" and "the check itself failed" not in repr(report) and bool(report._repr_html_())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tokenization.merge", "attention.merge_heads"])
def test_check_gives_a_report_whatever_an_attempt_returns(name):
    for value in GARBAGE:
        assert answers(name, value) or "Evil" in str(type(value)) or isinstance(value, list | tuple | dict)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tokenization.count_pairs", "tokenization.train", "attention.merge_heads"])
@settings(max_examples=20)
@given(value=st.recursive(garbage, st.lists) | st.integers() | st.text() | st.lists(st.integers()))
def test_check_gives_a_report_for_generated_results_too(name, value):
    assert repr(check(name, lambda *args: value))


def test_check_gives_a_report_whatever_is_passed_as_an_attempt():
    for attempt in (Evil(), Evil, 3, "text", torch.zeros(2), print, dict, torch.nn.Linear(1, 1), []):
        for name in ("tokenization.merge", "attention.causal_mask"):
            assert repr(check(name, attempt))


def test_a_repair_that_asks_for_too_much_memory_gets_an_error():
    """Repeating a list is a single step for Python, and no timer can stop it."""
    from llmlib.exercises.engine.repairing.search import ROOM, _bounded_memory

    with _bounded_memory(), pytest.raises(MemoryError):
        [0] * (2 * ROOM)
    assert len([0] * 1000) == 1000


def test_a_model_that_is_left_in_another_mode_counts_as_changed():
    def left_in_eval_mode(model, train_batches, validation_batches):
        loss = find("training.validation_loss").reference(model, train_batches, validation_batches)
        model.eval()
        return loss

    report = examine(find("training.validation_loss"), left_in_eval_mode)
    assert report.kind == "property"
    assert "a different mode" in repr(report)


def test_a_model_that_is_left_frozen_counts_as_changed():
    def ablate(model, ids, layer, head):
        from llmlib.interpret import ablate

        model.requires_grad_(False)
        with ablate(model, [(layer, head)]):
            return model(ids)

    report = check("interpret.ablate_heads", ablate)
    assert not report.correct
    assert "frozen" in repr(report)


def test_truth_values_count_as_ordinary_but_nan_inf_and_huge_numbers_do_not():
    from llmlib.exercises.engine.trials import _ordinary

    mask = torch.tensor([[True, False], [True, True]])
    assert _ordinary(mask).all()
    assert _ordinary(torch.tensor([1.0, float("nan"), float("-inf"), -1e30])).tolist() == [True, False, False, False]


def test_eigenvalues_of_nan_do_not_kill_the_process():
    """With some builds of torch they would, and learners would lose their kernel."""
    before = torch.linalg.eigvals
    report = check(
        "instruction_tuning.kept_by_rank", lambda update, r: torch.linalg.eigvals(update / 0).abs()[r].item()
    )
    assert report.kind == "raised"
    assert "infs or NaNs" in report.heading
    assert torch.linalg.eigvals is before


def test_gradients_are_on_again_after_a_function_switches_them_off():
    run(lambda: torch.set_grad_enabled(False), ())
    assert torch.is_grad_enabled()
