"""In every exercise, the reference passes, every wrong idea is recognised, and the texts are complete."""

from functools import partial
from typing import get_type_hints

import pytest
from beartype import BeartypeConf
from beartype.door import is_bearable

from llmlib.exercises import check
from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.comparing import find_difference
from llmlib.exercises.engine.detecting.influence import idle
from llmlib.exercises.engine.detecting.search import one_step
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.exercise import with_faults
from llmlib.exercises.engine.properties import explained
from llmlib.exercises.engine.recording import progress_file
from llmlib.exercises.engine.running import run_our_own
from llmlib.exercises.engine.trials import Trial, both_precisions, expected_of, kept_cases, same_outcome
from llmlib.exercises.engine.wording import of_yours
from llmlib.exercises.registry import LESSONS, all_exercises, of_lesson

EXERCISES = all_exercises()
NUMBERS = BeartypeConf(is_pep484_tower=True)  # an int is accepted as a float

by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


@by_name
def test_the_reference_passes(exercise):
    report = examine(exercise, exercise.reference, seed=2)
    assert report.kind == "correct", report
    assert exercise.deepens in repr(report).replace("\n", " ")


@pytest.mark.slow
@by_name
def test_the_faulty_function_is_correct_while_its_faults_are_switched_off(exercise):
    assert examine(exercise, lambda *args: exercise.faulty(*args), seed=1).kind == "correct"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("exercise", "idea"), [pytest.param(e, m, id=f"{e.name}-{m.name}") for e in EXERCISES for m in e.misconceptions]
)
def test_every_misconception_is_recognised(exercise, idea):
    report = examine(exercise, with_faults(exercise, [idea]))
    assert report.misconceptions == (idea.name,), report
    assert not report.correct
    shown = " ".join(repr(report).split())
    assert all(text in shown for text in (of_yours(idea.confuses), idea.tempting, idea.nudge)), shown


@pytest.mark.slow
@by_name
def test_every_misconception_changes_a_result_in_each_precision(exercise):
    """Each idea changes a result in the float32 cases, and also in the float64 cases."""
    cases = both_precisions(exercise.cases(5), exercise.double)
    single = [case for case in cases if "float64" not in case.note]
    double = [case for case in cases if "float64" in case.note]
    for part in filter(None, (single, double)):
        for idea in exercise.misconceptions:
            faulty = with_faults(exercise, [idea])
            assert not all(
                same_outcome(run_our_own(exercise.faulty, case.args), run_our_own(faulty, case.args)) for case in part
            ), idea.name


@pytest.mark.slow
@by_name
def test_two_misconceptions_at_once_are_recognised(exercise):
    """The report names both ideas, unless cases from another seed justify a different report.

    In those cases, one of the following must hold. The ideas that the report names (or no idea) give the same results.
    Most cases raise an error. An attempt with both ideas only returns an input, the untouched model's result or a
    constant. A single step turns each expected result into the attempt's. A probe of the exercise explains what the
    ideas do. Of 17,500 pairs, every 100th is tried.
    """
    cases = kept_cases(exercise, 17)
    for pair in list(dict.fromkeys(h.ideas for h in exercise.pair_hypotheses))[::100]:
        report = examine(exercise, with_faults(exercise, pair))
        names = tuple(idea.name for idea in pair)
        if report.misconceptions == names:
            assert not report.findings
            continue
        both = [run_our_own(with_faults(exercise, pair), case.args) for case in cases]
        if report.misconceptions or report.correct:
            named = [
                h.faults
                for h in (*exercise.single_hypotheses, *exercise.pair_hypotheses)
                if names_of(h) == report.misconceptions
            ]
            assert any(gives(exercise, faults, cases, both) for faults in named or [{}]), (
                f"{names} was taken for {report.misconceptions or 'right'}"
            )
        elif report.kind == "raised":
            raised = [outcome.error for outcome in both if outcome.error]
            assert 2 * len(raised) > len(cases), (names, report)
            assert type(raised[0]).__name__ in report.heading
        else:
            trials = [
                Trial(c, right := expected_of(exercise, c), o, find_difference(right, o.value))
                for c, o in zip(cases, both)
            ]
            tried = Examination(exercise, with_faults(exercise, pair), tuple(trials))
            step, looked = one_step(tried), next(filter(None, (explained(tried.of([t])) for t in tried.wrong)), None)
            proved = (step and step.findings[0]) or (looked and f"property: {looked.says}")
            assert idle(tried) or proved in report.findings, (names, report)


def names_of(hypothesis):
    return tuple(idea.name for idea in hypothesis.ideas)


def gives(exercise, faults, cases, outcomes):
    faulty = partial(exercise.faulty, **faults)
    return all(same_outcome(outcome, run_our_own(faulty, case.args)) for outcome, case in zip(outcomes, cases))


@by_name
def test_the_value_of_every_fault_fits_the_type_hint_of_its_keyword(exercise):
    """Functions without type hints are skipped; a few modules have none yet."""
    takes = get_type_hints(exercise.faulty)
    for idea in exercise.misconceptions if takes else ():
        for form in idea.all_forms:
            for keyword, value in form.items():
                assert is_bearable(value, takes[keyword], conf=NUMBERS), (idea.name, keyword, value)


@pytest.mark.slow
@by_name
def test_hard_coding_the_visible_example_fails(exercise):
    expected = exercise.reference(*exercise.cases(0)[0].args)
    report = examine(exercise, lambda *args: expected)
    assert not report.correct


@pytest.mark.slow
@by_name
def test_a_stub_counts_as_not_attempted(exercise):
    def dots(*args): ...

    def docstring(*args):
        """Later."""

    def not_implemented(*args):
        raise NotImplementedError

    def parts(*args):
        def inner(x): ...

    for stub in (dots, docstring, not_implemented, parts, lambda *args: ..., None, ...):
        report = check(exercise.name, stub)
        assert report.kind == "not attempted"
        assert exercise.task in " ".join(repr(report).split())
    assert not progress_file().exists()  # merely running a lesson leaves no trace


@pytest.mark.slow
@by_name
def test_exercises_are_complete(exercise):
    assert exercise.name in {e.name for e in of_lesson(exercise.lesson)}
    assert 2 <= exercise.minutes <= 60
    assert exercise.difficulty in (1, 2, 3)
    assert len(exercise.hints) == 3
    assert len(exercise.misconceptions) >= 4
    assert exercise.own.__name__ in exercise.task
    assert len({m.name for m in exercise.misconceptions}) == len(exercise.misconceptions)
    for case in exercise.cases(0):
        assert len(case.args) == len(exercise.argument_names)
    hashed = [repr(exercise.cases(seed)) for seed in (0, 1)]
    assert exercise.name == "attention.causal_mask" or hashed[0] != hashed[1]
    assert hashed[0] == repr(exercise.cases(0))


def test_each_lesson_has_the_expected_number_of_exercises():
    assert {lesson: len(of_lesson(lesson)) for lesson in LESSONS} == {
        "welcome": 0,
        "tokenization": 9,
        "primer": 0,
        "embeddings": 6,
        "attention": 10,
        "interpret": 7,
        "transformer": 13,
        "training": 15,
        "sampling": 11,
        "instruction_tuning": 11,
        "alignment": 10,
        "scaling": 5,
        "limits": 7,
    }
