"""What a report says whatever the reason for the failure, and what it never says."""

import math
from functools import partial

import pytest
import torch

from llmlib.exercises.engine.checking import examine
from llmlib.exercises.engine.comparing import find_difference
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.recognising import one_exactly
from llmlib.exercises.engine.running import quietly, run_our_own
from llmlib.exercises.engine.trials import Trial, expected_of, kept_cases
from llmlib.exercises.registry import all_exercises, find
from llmlib.tokenization import simple_bpe


def test_a_repair_that_still_changes_its_input_is_not_called_correct():
    def merge(ids, pair, new_id):
        i = 0
        while i < len(ids) - 1:
            if (ids[i], ids[i + 1]) == pair:
                ids[i : i + 2] = [new_id + 1]
            i += 1
        return ids

    report = examine(find("tokenization.merge"), merge)
    assert not report.correct
    assert "would make your function correct" not in repr(report)


@pytest.mark.slow
@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.name)
def test_the_report_on_a_failed_attempt_repeats_the_task(exercise):
    report = examine(exercise, lambda *args: "nothing of the kind")
    assert exercise.task in " ".join(repr(report).split())


@pytest.mark.slow
@pytest.mark.parametrize("exercise", all_exercises(), ids=lambda e: e.name)
def test_every_idea_is_recognised_on_cases_from_another_seed(exercise):
    """Each form of a wrong idea is recognised as that idea and no other, even on cases that learners never see.

    This test looks only at results; other tests cover how an attempt is run and reported.
    """
    cases = kept_cases(exercise, 11)
    for hypothesis in exercise.single_hypotheses:
        attempt = partial(exercise.faulty, **hypothesis.faults)
        with quietly():
            trials = tuple(trial(exercise, case, hypothesis.key, attempt) for case in cases)
        reason = one_exactly(Examination(exercise, attempt, trials))
        assert reason is not None, hypothesis.faults
        assert reason.ideas == hypothesis.ideas, hypothesis.faults


def trial(exercise, case, key, attempt):
    """Return a trial of a faulty function from the course, with results that the search for ideas uses too."""
    expected, outcome = expected_of(exercise, case), case.recall(key, lambda: run_our_own(attempt, case.args))
    return Trial(case, expected, outcome, None if outcome.error else find_difference(expected, outcome.value))


def test_removing_somebody_elses_hooks_is_reported():
    def clearing(model, ids, layer, head):
        logits = find("interpret.ablate_heads").reference(model, ids, layer, head)
        for part in model.modules():
            part._forward_hooks.clear()
        return logits

    report = examine(find("interpret.ablate_heads"), clearing)
    assert report.kind == "property"
    assert "that was not yours is gone" in " ".join(repr(report).split())


def test_the_report_shows_a_case_with_the_larger_of_two_faults():
    """This diagonal starts at query 0, so it reads wrong places. NaN for a single token is only its smaller fault."""
    report = examine(find("interpret.previous_token_score"), lambda pattern: pattern.diagonal(-1, -2, -1).mean(-1))
    assert report.misconceptions == ("cache forgotten", "NaN for a single token")
    assert "The case: two queries, with three more tokens in the cache" in repr(report)


def test_a_list_instead_of_a_tuple_is_reported():
    report = examine(
        find("tokenization.most_common_pair"),
        lambda ids: list(simple_bpe.most_common_pair(ids)) if len(ids) > 1 else None,
    )
    assert report.kind == "form"
    assert "Expected a tuple, got a list" in repr(report)


def test_online_softmax_may_look_at_the_first_block_for_its_shapes():
    def attempt(blocks):
        queries = len(blocks[0][0])
        dtype = blocks[0][1].dtype
        largest = torch.full((queries, 1), -math.inf, dtype=dtype)
        total, weighted = torch.zeros(queries, 1, dtype=dtype), torch.zeros(queries, blocks[0][1].shape[1], dtype=dtype)
        first = blocks[0][0]
        for scores, values in blocks:
            new = torch.maximum(largest, scores.amax(-1, keepdim=True))
            weights, shrink = (scores - new).exp(), (largest - new).exp()
            total, weighted = total * shrink + weights.sum(-1, keepdim=True), weighted * shrink + weights @ values
            largest = new
        assert first is not None
        return weighted / total

    assert examine(find("attention.online_softmax"), attempt).correct


def test_an_index_that_is_too_large_is_not_mistaken_for_an_axis():
    report = examine(find("embeddings.lookup"), lambda ids, table: [table[i + 99] for i in ids])
    assert report.kind == "raised"
    assert "too large" in repr(report)
    assert "tensor does not have this axis" not in repr(report)
