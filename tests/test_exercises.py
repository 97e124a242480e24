"""The exercise engine: every wrong idea is named, every finding comes in its turn, and nothing gets out of hand."""

import io
import json
import random
import re
import signal
import threading
import time
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import llmlib
from llmlib import simple_bpe
from llmlib.bpe_training import learn_merges
from llmlib.exercises import check, hint, predict, progress, quiz, solution, task
from llmlib.exercises import running as running_module
from llmlib.exercises.asking import lessons
from llmlib.exercises.checking import _same_outcome, both_precisions, examine
from llmlib.exercises.comparing import find_difference
from llmlib.exercises.exercise import with_faults
from llmlib.exercises.recording import data_dir, load, progress_file
from llmlib.exercises.registry import LESSONS, all_exercises, find, of_lesson
from llmlib.exercises.running import TimeIsUp, _watchdog, run, run_our_own, time_limit

EXERCISES = all_exercises()
by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


@pytest.fixture(autouse=True)
def private_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMLIB_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _one_thread():
    with running_module.one_thread():
        yield


@pytest.fixture
def chance_of_the_type_checker(monkeypatch):
    """The runtime type checker of the tests itself draws from `random`; the library does not."""
    monkeypatch.setattr(running_module.random, "getstate", lambda: ())
    monkeypatch.setattr(running_module.random, "setstate", lambda state: None)


def attention_with(edit):
    def attempt(q, k, v, mask):
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        return edit(scores.masked_fill(~mask, float("-inf")).softmax(dim=-1) @ v)

    return attempt


# --- every exercise ---


@by_name
def test_the_reference_passes(exercise, chance_of_the_type_checker):
    report = examine(exercise, exercise.reference, seed=2)
    assert report.kind == "correct", report
    assert exercise.deepens in repr(report).replace("\n", " ")


@by_name
def test_the_faulty_function_without_a_fault_is_right(exercise, chance_of_the_type_checker):
    assert examine(exercise, lambda *args: exercise.faulty(*args), seed=1).kind == "correct"


@pytest.mark.parametrize(
    ("exercise", "idea"), [pytest.param(e, m, id=f"{e.name}-{m.name}") for e in EXERCISES for m in e.misconceptions]
)
def test_every_misconception_is_named(exercise, idea):
    report = examine(exercise, with_faults(exercise, [idea]))
    assert report.misconceptions == (idea.name,), report
    assert not report.correct
    for text in (idea.confuses, idea.tempting, idea.nudge):
        assert text in " ".join(repr(report).split())


@pytest.mark.slow
@by_name
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_misconception_is_named_whatever_the_seed(exercise, seed):
    for idea in exercise.misconceptions:
        assert examine(exercise, with_faults(exercise, [idea]), seed).misconceptions == (idea.name,)


@by_name
def test_every_misconception_is_named_in_each_precision_alone(exercise):
    """The float32 cases are enough to recognise an idea, and so are the float64 ones."""
    cases = both_precisions(exercise.cases(5), exercise.double)
    single = [case for case in cases if "float64" not in case.note]
    double = [case for case in cases if "float64" in case.note]
    for part in filter(None, (single, double)):
        for idea in exercise.misconceptions:
            faulty = with_faults(exercise, [idea])
            assert not all(
                _same_outcome(run_our_own(exercise.faulty, case.args), run_our_own(faulty, case.args)) for case in part
            ), idea.name


@pytest.mark.slow
@by_name
def test_two_misconceptions_at_once_are_named(exercise):
    """Both by name, unless the two give together, whatever the input, what fewer or others would give."""
    for pair in exercise.ideas():
        report = examine(exercise, with_faults(exercise, pair))
        names = tuple(idea.name for idea in pair)
        if report.misconceptions == names:
            continue
        assert report.misconceptions, report
        named = [idea for idea in exercise.misconceptions if idea.name in report.misconceptions]
        for case in both_precisions(exercise.cases(17), exercise.double):
            both = [run_our_own(with_faults(exercise, ideas), case.args) for ideas in (pair, named)]
            assert _same_outcome(*both), f"{names} was taken for {report.misconceptions}"


@by_name
def test_hard_coding_the_visible_example_fails(exercise):
    expected = exercise.reference(*exercise.cases(0)[0].args)
    report = examine(exercise, lambda *args: expected)
    assert not report.correct


@by_name
def test_a_stub_is_not_attempted(exercise):
    def dots(*args): ...

    def docstring(*args):
        """Later."""

    def not_implemented(*args):
        raise NotImplementedError

    for stub in (dots, docstring, not_implemented, lambda *args: ..., None, ...):
        report = check(exercise.name, stub)
        assert report.kind == "not attempted"
        assert exercise.task in " ".join(repr(report).split())
    assert not progress_file().exists()  # a lesson that is only run leaves no trace


@by_name
def test_exercises_are_complete(exercise):
    assert exercise.name in {e.name for e in of_lesson(exercise.lesson)}
    assert 2 <= exercise.minutes <= 60
    assert exercise.difficulty in (1, 2, 3)
    assert len(exercise.hints) == 3
    assert len(exercise.misconceptions) >= 4
    assert exercise.reference.__name__ in exercise.task
    assert len({m.name for m in exercise.misconceptions}) == len(exercise.misconceptions)
    for case in exercise.cases(0):
        assert len(case.args) == len(exercise.argument_names)
    hashed = [repr(exercise.cases(seed)) for seed in (0, 1)]
    assert exercise.name == "attention.causal_mask" or hashed[0] != hashed[1]
    assert hashed[0] == repr(exercise.cases(0))


def test_each_lesson_has_enough():
    assert {lesson: len(of_lesson(lesson)) for lesson in LESSONS} == {
        "tokenization": 6, "embeddings": 6, "attention": 6, "interpret": 5,
    }  # fmt: skip


# --- the order of findings ---


def kind_of(attempt, name="attention.scaled_dot_product", **options):
    return check(name, attempt, **options).kind


def test_an_exception_is_shown_with_its_line_and_its_usual_cause():
    def attempt(q, k, v, mask):
        scores = q @ k
        return scores.softmax(-1) @ v

    report = check("attention.scaled_dot_product", attempt)
    text = repr(report)
    assert report.kind == "raised"
    assert "scores = q @ k" in text
    assert "transpose(-2, -1)" in text
    assert re.search(r"in line \d+", text)


def test_an_exception_in_one_edge_case_names_the_case():
    report = check("tokenization.most_common_pair", lambda ids: max(pairwise(ids)))
    assert report.kind == "raised"
    assert "no ids at all" in repr(report)
    assert "nothing" in repr(report)


def test_a_wrong_signature_is_explained():
    report = check("attention.causal_mask", lambda n: n)
    assert report.kind == "raised"
    assert "`n_query`, `n_key`" in repr(report)


def test_type_shape_and_dtype_come_before_values():
    text = repr(check("attention.scaled_dot_product", attention_with(lambda z: z.numpy())))
    assert "Expected a torch.Tensor, got a numpy.ndarray" in text
    assert "torch.from_numpy" in text
    report = check("attention.scaled_dot_product", attention_with(lambda z: z.transpose(1, 2)))
    assert report.kind == "form"
    assert "changed places" in repr(report)
    assert re.search(r"head +\d +\d +≠", repr(report))
    report = check("attention.scaled_dot_product", attention_with(lambda z: z.double()))
    assert report.kind == "form"
    assert "Expected dtype float32, got float64" in repr(report)


def test_a_dtype_that_is_not_kept_shows_in_the_float64_cases():
    report = check("attention.scaled_dot_product", attention_with(lambda z: z.float()))
    assert report.kind == "form"
    assert "float64" in repr(report)


def test_a_missing_return_is_not_a_stub():
    def attempt(q, k, v, mask):
        pattern = q @ k.transpose(-2, -1)
        pattern @ v

    report = check("attention.scaled_dot_product", attempt)
    assert report.kind == "form"
    assert "`return`" in repr(report)


def test_a_broken_property_is_shown_on_the_smallest_case():
    report = check("attention.scaled_dot_product", attention_with(lambda z: 1.25 * z))
    assert report.kind == "property"
    assert "any weighted mean is 1; one of yours is 1.25" in repr(report)
    assert "[[[[1.541, -0.2934], [-2.179, 0.5684]]]]" in repr(report)


def test_online_softmax_must_let_its_blocks_go():
    def joined(blocks):
        scores, values = zip(*blocks)
        return torch.cat(scores, dim=-1).softmax(-1) @ torch.cat(values)

    report = examine(find("attention.online_softmax"), joined)
    assert report.kind == "property"
    assert "holds 4 of 4 blocks at the same time" in str(report)


def test_a_batch_that_is_mixed_up_breaks_a_property():
    report = check("attention.scaled_dot_product", attention_with(lambda z: (z + z[:1]) / 2))
    assert report.kind == "property"
    assert "batch" in repr(report)


def test_a_difference_is_shown_where_it_is_first_and_how_large_it_is():
    def edit(z):
        z = z.clone()
        z[..., -1] += z[..., -1].abs().gt(0) * 0.5 * (z.shape[2] > 2) * (z - z.mean()).sign()[..., -1]
        return z

    report = check("attention.scaled_dot_product", attention_with(edit))
    assert report.kind in ("differs", "property")
    report = check("attention.split_heads", lambda x, n: torch.stack(x.chunk(n, -1), 1) + (x.shape[1] == 5) * 0.5)
    assert report.kind == "differs"
    assert "the first at batch 0, head 0, seq 0, d_head 0" in repr(report)
    assert "0.5 too large" in repr(report) or "times as much" in repr(report)
    assert "≠" in repr(report)


def test_changed_inputs_are_noticed_though_the_result_is_right():
    def attempt(ids, pair, new_id):
        merged = simple_bpe.merge(ids, pair, new_id)
        ids.clear()
        return merged

    report = check("tokenization.merge", attempt)
    assert report.kind == "property"
    assert "changes its input `ids`" in repr(report)


@pytest.mark.parametrize(
    ("draw", "whose"),
    [(torch.rand, "torch"), (lambda n: np.random.rand(n), "numpy"), (lambda n: random.random(), "random")],
)
def test_global_randomness_is_noticed_and_undone(draw, whose):
    def attempt(q, k, v, mask):
        draw(1)
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    report = check("attention.scaled_dot_product", attempt)
    assert report.kind == "property"
    assert whose in repr(report)


def test_global_randomness_is_put_back():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    outcome = run(lambda: (torch.rand(1), np.random.rand(1)), ())
    assert outcome.disturbed == ("torch", "numpy")
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()


def test_memory_between_calls_is_noticed():
    calls = []

    def attempt(q, k, v, mask):
        calls.append(1)
        return torch.full_like(q, len(calls))

    report = check("attention.scaled_dot_product", attempt)
    assert report.kind == "property"
    assert "gives two results" in repr(report)


def test_a_model_with_a_watcher_left_on_it_counts_as_changed():
    report = check("interpret.ablate_heads", lambda *args: find("interpret.ablate_heads").faulty(*args, clean="no"))
    assert report.kind == "property"
    assert "`model`" in repr(report)


def test_numpy_is_right_with_a_remark_on_gradients():
    name = "attention.merge_heads"
    through_numpy = check(name, lambda z: torch.from_numpy(z.numpy().copy()).transpose(1, 2).flatten(2))
    assert through_numpy.correct
    assert "No gradient flows back to `z`" in repr(through_numpy)
    in_torch = check(name, lambda z: z.transpose(1, 2).flatten(2))
    assert in_torch.correct
    assert "gradient" not in repr(in_torch)


def test_what_an_attempt_prints_is_shown_only_when_it_is_wrong(capsys):
    def attempt(z):
        print("shape:", tuple(z.shape))
        return z

    assert "shape: (1, 2, 2, 2)" in repr(check("attention.merge_heads", attempt))
    assert capsys.readouterr().out == ""


def test_a_result_in_place_of_the_function_is_explained():
    report = check("attention.causal_mask", torch.zeros(3, 3))
    assert report.kind == "form"
    assert 'check("attention.causal_mask", causal_mask)' in repr(report)


def test_an_unknown_name_offers_close_ones():
    with pytest.raises(KeyError, match=r"Did you mean 'attention.causal_mask'.*All exercises: tokenization.most"):
        check("attention.casual_mask", None)
    for wrong in ("", "attention", "attention.", "nothing.at.all"):
        with pytest.raises(KeyError, match="There is no exercise"):
            check(wrong, None)


def test_reports_are_the_same_at_each_call():
    class Odd:
        def __init__(self):
            self.kept = [object()]

    for attempt in (
        lambda z: z, lambda z: Odd(), lambda z: [Odd()], lambda z: 1 / 0, lambda z: object, lambda z: {object()},
        lambda z: (_ for _ in z), lambda z: Odd().missing, lambda z: z.view(Odd()),
    ):  # fmt: skip
        first, second = check("attention.merge_heads", attempt), check("attention.merge_heads", attempt)
        assert repr(first) == repr(second)
        assert first._repr_html_() == second._repr_html_()
        assert "0x7" not in repr(first)


# --- time, and other harm ---


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
def test_an_endless_loop_ends(attempt):
    report = check("tokenization.merge", attempt, seconds=0.2)
    assert report.kind == "timeout"
    assert "0.2 seconds" in repr(report)


@by_name
def test_an_endless_loop_ends_in_every_exercise(exercise):
    assert examine(exercise, endless, seconds=0.02).kind == "timeout"


def test_an_endless_loop_ends_in_another_thread_too():
    kinds = []

    def work():
        kinds.append(check("tokenization.merge", endless, seconds=0.2).kind)
        kinds.append(check("tokenization.merge", simple_bpe.merge).kind)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=60)
    assert kinds[0] == "timeout"
    assert not thread.is_alive()
    assert kinds[1] in ("correct", "property")  # the type checker of the tests draws random numbers


def test_the_watchdog_works_in_the_main_thread_as_on_windows():
    with pytest.raises(TimeIsUp), _watchdog(0.1):
        endless()
    with _watchdog(0.1):
        pass
    for _ in range(10_000):  # a late exception would strike here
        pass


def test_a_timer_that_was_running_goes_on():
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
    """Raises whatever is asked of it."""

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
    [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), EvilError(), BaseException("b"),
     StopIteration(), RecursionError("deep"), MemoryError()],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_any_exception_is_caught(error):
    assert kind_of(raises(error)) == "raised"


def test_endless_recursion_is_caught():
    def attempt(ids):
        return attempt(ids)

    report = check("tokenization.most_common_pair", attempt)
    assert report.kind == "raised"
    assert "which case should stop it" in repr(report)


GARBAGE = [
    None, True, 0, -1, 3.5, float("nan"), 1j, "", "text", b"", b"bytes", [], (), {}, set(), [None], [[]], {1: 2},
    [1, "a"], object, object(), Evil(), [Evil()], (Evil(), Evil()), {"a": Evil()}, type, print, io.StringIO(),
    torch.zeros(()), torch.zeros(0), torch.zeros(2, 0), torch.zeros(1, 1, 1, 1), torch.zeros(2, 3).to_sparse(),
    torch.zeros(3, dtype=torch.complex64), torch.zeros(3, dtype=torch.bfloat16), torch.zeros(3, device="meta"),
    torch.full((1, 1), float("nan")), torch.nn.Parameter(torch.ones(1, 1, 2)), torch.nn.Linear(1, 1),
    torch.ones(1, 2).bool(), np.zeros(3), np.float32(1), np.array(None), range(3), iter([1]), slice(1), Ellipsis,
    [torch.zeros(2)], (torch.zeros(2), torch.zeros(2)), (torch.zeros(2, dtype=torch.long), None), 10**400, -0.0,
    "\ud800", "\x00", [float("inf")], (1, 2), (1.0, 2.0), [(1, 2)], [(1, 2, 3)], {(1, 2): "x"}, {(1, 2): Evil()},
]  # fmt: skip
garbage = st.integers(0, len(GARBAGE) - 1).map(lambda i: GARBAGE[i])


def answers(name, value):
    report = check(name, lambda *args: value)
    return report.kind != "correct" and "the check itself failed" not in repr(report) and bool(report._repr_html_())


@pytest.mark.parametrize("name", ["tokenization.merge", "attention.merge_heads"])
def test_whatever_an_attempt_returns_check_answers(name):
    for value in GARBAGE:
        assert answers(name, value) or "Evil" in str(type(value)) or isinstance(value, list | tuple | dict)


@pytest.mark.parametrize("name", ["tokenization.count_pairs", "tokenization.train", "attention.merge_heads"])
@settings(max_examples=20)
@given(value=st.recursive(garbage, st.lists) | st.integers() | st.text() | st.lists(st.integers()))
def test_whatever_an_attempt_returns_a_report_comes(name, value):
    assert repr(check(name, lambda *args: value))


def test_whatever_is_passed_as_an_attempt_check_answers():
    for attempt in (Evil(), Evil, 3, "text", torch.zeros(2), print, dict, torch.nn.Linear(1, 1), []):
        for name in ("tokenization.merge", "attention.causal_mask"):
            assert repr(check(name, attempt))


# --- comparing ---


@given(
    sizes=st.lists(st.integers(1, 9), min_size=0, max_size=4), seed=st.integers(0, 99),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.int64, torch.bool]),
)  # fmt: skip
def test_a_single_changed_value_is_found_where_it_is(sizes, seed, dtype):
    generator = torch.Generator().manual_seed(seed)
    expected = (10 * torch.randn(sizes, generator=generator, dtype=torch.float64)).to(dtype)
    assert find_difference(expected, expected.clone()) is None
    got = expected.clone()
    where = tuple(int(torch.randint(0, n, (), generator=generator)) for n in sizes)
    got[where] = ~got[where] if dtype == torch.bool else got[where] + 3
    names = [f"n{i}" for i in range(len(sizes))]
    difference = find_difference(expected, got, names)
    assert difference.what == "value"
    said = difference.parts[0].as_text().replace("\n", " ")
    assert f"1 of {expected.numel()} values differs" in said
    assert ", ".join(f"n{i} {at}" for i, at in enumerate(where)) in said


@pytest.mark.parametrize(
    ("expected", "got"),
    [([1, 2, 3], [1, 2]), ([1, 2], [1, 2, 3]), ([], [1]), ([1], []), ("abc", "abd"), ("ab", ""), (b"a", b"b"), (3, 4),
     (2.5, 2.6), ((1, 2), (2, 1)), ({(1, 2): 3}, {}), ({}, {(1, 2): 3}), ({1: 2}, {1: 3}), ([(1, 2)], [(1, 3)]),
     (float("inf"), 3.0), (None, 3)],
)  # fmt: skip
def test_plain_values_that_differ(expected, got):
    assert find_difference(expected, expected) is None
    difference = find_difference(expected, got)
    assert difference is not None
    assert all(part.as_text() and part.as_html() for part in difference.parts)


def test_numbers_of_other_libraries_count_as_numbers():
    assert find_difference([1, 2], [np.int64(1), torch.tensor(2)]) is None
    assert find_difference((1, 2), [1, 2]) is None
    assert find_difference(2.5, np.float32(2.5)) is None
    assert find_difference({(1, 2): 3}, {(np.int64(1), 2): np.int64(3)}) is None


# --- help and progress ---


def test_hints_rise_and_stay_at_the_last(monkeypatch):
    monkeypatch.setattr("llmlib.exercises.helping._next_hint", {})
    hints = find("attention.split_heads").hints
    for number in (1, 2, 3, 3):
        text = " ".join(repr(hint("attention.split_heads")).split())
        assert f"Hint {number} of 3" in text
        assert hints[number - 1] in text
    assert "Hint 2 of 3" in repr(hint("attention.split_heads", 2))
    with pytest.raises(ValueError, match="hints 1, 2 and 3"):
        hint("attention.split_heads", 4)


@by_name
def test_the_solution_is_the_librarys_source(exercise):
    text = repr(solution(exercise.name))
    assert f"def {exercise.reference.__name__}(" in text
    assert exercise.reference.__module__ in text
    assert exercise.task in " ".join(repr(task(exercise.name)).split())


def test_progress_is_kept_over_sessions(private_progress):
    check("attention.merge_heads", lambda z: z)
    check("attention.merge_heads", lambda z: z.transpose(1, 2).flatten(2))
    check("attention.merge_heads", lambda z: z)
    hint("attention.split_heads", 2)
    solution("attention.causal_mask")
    kept = json.loads((private_progress / "progress.json").read_text())["exercises"]
    assert kept["attention.merge_heads"] == {"attempts": 3, "solved": True, "hints": 0, "solution_seen": False}
    text = repr(progress())
    assert "1 of 23 exercises solved" in text
    assert re.search(r"attention.merge_heads .* ✓ solved +3", text)
    assert re.search(r"attention.split_heads .* ○ open +0 +hint 2", text)
    assert re.search(r"attention.causal_mask .* solution", text)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"version": 1}', b'{"version": 99, "exercises": {}}', b"[" * 100_000,
     b'{"version": 1, "exercises": []}', b'{"version": 1, "exercises": {"a": 3}}'],
)  # fmt: skip
def test_a_damaged_progress_file_is_set_aside(content, private_progress, capsys):
    progress_file().write_bytes(content)
    report = check("attention.merge_heads", lambda z: z)
    assert report.kind == "misconception" or report.kind == "form"
    assert "damaged" in capsys.readouterr().err
    assert (private_progress / "progress.damaged-1.json").read_bytes() == content
    assert load()["attention.merge_heads"]["attempts"] == 1
    progress_file().write_bytes(content)
    load()
    assert (private_progress / "progress.damaged-2.json").exists()


def test_odd_entries_do_no_harm():
    entry = {"attempts": "many", "solved": None, "hints": [], "solution_seen": 3, "of a later version": 1}
    progress_file().write_text(json.dumps({"version": 1, "exercises": {"attention.merge_heads": entry, "gone": {}}}))
    assert "0 of 23" in repr(progress())
    check("attention.merge_heads", lambda z: z)
    assert load()["attention.merge_heads"]["attempts"] == 1
    assert load()["attention.merge_heads"]["of a later version"] == 1


def test_a_folder_that_cannot_be_written_does_not_stop_an_exercise(private_progress, monkeypatch, capsys):
    (private_progress / "file").write_text("not a folder")
    monkeypatch.setenv("LLMLIB_DATA_DIR", str(private_progress / "file" / "below"))
    assert check("attention.merge_heads", lambda z: z.transpose(1, 2).flatten(2)).correct
    assert "LLMLIB_DATA_DIR" in capsys.readouterr().err


def test_without_the_variable_progress_is_in_the_users_data_folder(monkeypatch):
    monkeypatch.delenv("LLMLIB_DATA_DIR")
    assert data_dir().name == "llmlib"


# --- what is shown ---


class Balanced(HTMLParser):
    """Raises AssertionError unless each tag is closed in its turn."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def well_formed(html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    for forbidden in ("<script", "http", "onclick", "@import"):
        assert forbidden not in html
    return html


def test_html_is_well_formed_and_escapes_what_learners_write():
    nasty = "<img src=x onerror=alert(1)>`</div>"
    html = well_formed(check("tokenization.decode", lambda ids, merges: nasty)._repr_html_())
    assert "<img" not in html
    html = well_formed(check("tokenization.decode", raises(ValueError(nasty)))._repr_html_())
    assert "<img" not in html
    assert 'role="group"' in html
    for report in (progress(), task("tokenization.merge"), solution("attention.causal_mask"), quiz("attention")):
        well_formed(report._repr_html_())


def test_marked_cells_say_so_in_their_text():
    html = check("attention.split_heads", lambda x, n: 2 * torch.stack(x.chunk(n, -1), 1))._repr_html_()
    marked = re.findall(r'<td class="llm-marked">(.*?)</td>', html)
    assert marked
    assert all("≠" in cell for cell in marked)


@pytest.mark.parametrize("lesson", lessons())
def test_questions_have_a_reason_for_each_choice(lesson):
    html = well_formed(quiz(lesson)._repr_html_())
    shown = quiz(lesson)
    for number, question in enumerate(shown.questions, start=1):
        assert sum(right for _, right, _ in question.choices) == 1
        assert len(question.choices) >= 2
        assert len({text for text, _, _ in question.choices}) == len(question.choices)
        answers = [shown.answer("abcdefgh"[i], number) for i in range(len(question.choices))]
        assert sum(answer.startswith("Right.") for answer in answers) == 1
        assert all(len(because) > 15 for _, _, because in question.choices)
    assert html == quiz(lesson)._repr_html_()
    assert not any(because in repr(shown) for q in shown.questions for _, _, because in q.choices)


def test_questions_by_name():
    assert predict("attention.sum_of_weights").answer("c").startswith("Right.")
    with pytest.raises(KeyError, match=r"Did you mean 'attention.sum_of_weights'"):
        predict("attention.sum_of_weight")
    with pytest.raises(KeyError, match=r"no questions 'atention'.*Did you mean 'attention'"):
        quiz("atention")
    with pytest.raises(ValueError, match="choices 'a' to 'd'"):
        predict("attention.sum_of_weights").answer("e")
    with pytest.raises(ValueError, match="questions 1 to 1"):
        predict("attention.sum_of_weights").answer("a", 2)


def test_the_right_choice_is_not_always_at_one_place():
    places = {q.choices.index(next(c for c in q.choices if c[1])) for name in lessons() for q in quiz(name).questions}
    assert len(places) >= 3


def test_everything_is_at_hand_from_llmlib():
    assert llmlib.check is check
    assert llmlib.progress is progress
    assert llmlib.quiz is quiz


# --- the plain byte-pair encoding that exercises refer to ---


@given(st.text(alphabet="abcé日 ", max_size=60), st.integers(0, 20))
def test_plain_byte_pair_encoding_agrees_with_the_quick_one(text, n_merges):
    merges = simple_bpe.train(text, n_merges)
    assert merges == learn_merges({text: 1}, n_merges)
    assert simple_bpe.decode(simple_bpe.encode(text, merges), merges) == text


@given(st.text(alphabet="abé ", min_size=5, max_size=60), st.text(alphabet="abéx ", max_size=30))
def test_plain_encoding_agrees_with_the_tokenizer(text, other):
    from llmlib.tokenization import BPETokenizer

    tokenizer = BPETokenizer.train(text, 270, pattern=r"[\s\S]+")
    merges = simple_bpe.train(text, 14)
    assert simple_bpe.encode(other, merges) == tokenizer.encode(other)
