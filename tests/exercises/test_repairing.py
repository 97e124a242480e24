"""What a change in the code shows about a mistake, and which changes show nothing."""

import ast

import pytest
import torch

from llmlib.exercises.engine.comparing import find_difference
from llmlib.exercises.engine.detecting.aliases import no_copy
from llmlib.exercises.engine.detecting.inputs import as_if
from llmlib.exercises.engine.detecting.search import _is_shaped_right
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.exercise import Case
from llmlib.exercises.engine.repairing import expressions, missing, statements
from llmlib.exercises.engine.running import Outcome
from llmlib.exercises.engine.trials import Trial, alike
from llmlib.exercises.registry import find


def explained(edits, line, wanted):
    """Return the explanations of the edits that turn `line` into `wanted`."""
    tree = ast.parse(f"def f(x, n):\n    {line}")
    changed = ast.unparse(ast.parse(wanted))
    return {edit.says for edit in edits(tree) if changed == ast.unparse(tree).splitlines()[1].strip()}


def test_an_extra_1_is_not_called_a_wrong_operator():
    for operator in ("*", "/", "//", "**"):
        assert explained(expressions.edits, "return x + 1", f"return x {operator} 1") == set()
    assert any("step too many" in says for says in explained(expressions.edits, "return x + 1", "return x"))
    assert explained(expressions.edits, "return x + 1", "return x - 1")
    assert explained(expressions.edits, "return x + n", "return x * n")


def test_an_index_that_only_adds_an_axis_is_not_reported_as_taking_a_part():
    (says,) = explained(expressions.edits, "return x[:, None]", "return x")
    assert "takes only a part" not in says
    assert "one more axis than `x`" in says
    for part in ("x[:, :1]", "x[0, None]", "x[1:]"):
        assert any("takes only a part" in says for says in explained(expressions.edits, f"return {part}", "return x"))


def test_adding_false_is_not_suggested():
    assert explained(statements.edits, "x[n] = False", "x[n] += False") == set()
    assert explained(statements.edits, "x[n] = n", "x[n] += n")


def test_a_tuple_is_suggested_only_where_its_type_matters():
    def asked(line, of):
        return any(f"`{of}` should be a tuple" in edit.says for edit in missing.steps(ast.parse(f"def f():\n {line}")))

    assert not asked("return {n: [n] for n in x}", "[n]")
    assert not asked("x[n] = x[0]", "x[0]")
    assert not asked("x += [n]", "[n]")
    assert asked("return [n]", "[n]")
    assert asked("n = x[:2]", "x[:2]")
    assert asked("return x[:2] == n", "x[:2]")


def test_a_missing_1_is_suggested_for_ranges_and_indices_but_not_for_algebra():
    def ones(line):
        tree = ast.parse(f"def f(x, n):\n    {line}")
        return {edit.says for edit in missing.steps(tree) if edit.name == "a one missing"}

    assert not any("`n`" in says or "`1 - x`" in says for says in ones("return (1 - x) * n < x"))
    assert any("`n`" in says for says in ones("return range(n)"))
    assert any("`n - 2`" in says for says in ones("return x[n - 2]"))


def test_no_suggested_change_puts_a_list_into_itself():
    """Given such a list, `torch.tensor` never returns: the process dies."""
    for line in ("x.append({})", "x.insert(0, {})", "x.append([1, {}])", "x[0] = {}"):
        assert explained(missing.names, line.format("n"), line.format("x")) == set()
    for line in ("x.append(len({}))", "x[0] = {}[1]", "y.append({})"):
        assert explained(missing.names, line.format("n"), line.format("x"))


def test_a_second_name_in_a_dictionary_is_reported_as_not_being_a_copy():
    def attempt(ids, table):
        rows = {0: table.clone()}
        rows[1] = rows[0]
        rows[1] += 1
        return rows[0][ids] + 0 * rows[1][ids]

    reason = no_copy(Examination(find("embeddings.lookup"), attempt).tried())
    assert "`rows[1] = rows[0]` in line" in reason.finding.says


def trial(right, got):
    return Trial(Case(()), right, Outcome(got), find_difference(right, got))


def test_an_idea_that_gives_nan_where_the_result_is_right_is_rejected():
    right = torch.tensor([0.0, 2.0, 3.0])
    predicted = Outcome(torch.tensor([torch.nan, 2.5, 3.0]))
    assert alike(predicted, trial(right, torch.tensor([0.0, 2.5, 3.0]))) is False
    assert alike(predicted, trial(right, torch.tensor([torch.nan, 2.5, 3.0]))) is True
    assert alike(predicted, trial(right, torch.tensor([9.0, 2.5, 3.0]))) is True


def test_an_idea_with_a_wrong_shape_does_not_explain_a_result_with_the_right_one():
    right, got, other = torch.zeros(2, 3), torch.ones(2, 3), torch.ones(2, 3, 1)
    assert _is_shaped_right(trial(right, got), trial(other, got))
    assert not _is_shaped_right(trial(right, other), trial(other, other))
    assert not _is_shaped_right(trial(right, got), trial(got, got))


@pytest.mark.parametrize(("name", "explained"), [("alignment.worth_answering", False), ("alignment.k3", True)])
def test_halving_an_argument_can_explain_wrong_numbers_but_not_wrong_decisions(name, explained):
    e = Examination(find(name), lambda *args: 1 - find(name).reference(*args).double()).tried()
    found = {guess.finding.name for guess in as_if(e)}
    argument = e.exercise.argument_names[0]
    assert (f"{argument} half as large" in found) == explained
    assert f"{argument} negated" in found
