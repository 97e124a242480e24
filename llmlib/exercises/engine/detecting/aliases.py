"""Find a second name for a list, dictionary or tensor that the learner mistakes for a copy."""

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.reasons import Finding, Reason
from llmlib.exercises.engine.repairing.source import Source, source_of
from llmlib.exercises.engine.running import run
from llmlib.exercises.engine.trials import Trial, equal_safely

SECONDS = 0.2  # the time limit for one call
COPY, TWO = "_a_copy_of", "_two_of"


@dataclass(frozen=True)
class Alias:
    """The assignment `name = of`."""

    statement: ast.Assign
    name: str
    of: str


def no_copy(e: Examination) -> Reason | None:
    """Find a line such as `text = ids`, where `text` changes later; report it only if making a copy fixes everything.

    Also find a line such as `new = all = []`; report it only if using two separate lists fixes everything.
    """
    if not e.wrong or (source := source_of(e.attempt)) is None:
        return None
    for pair in _two_names(source.tree):
        if _right_with_two(source, pair, e.trials):
            return Reason(
                finding=Finding("no copy", _says_of_two(pair), "How many separate objects does that line make?")
            )
    changed = any(t.outcome.changed for t in e.trials)
    for alias in _aliases(source.tree):
        if not changed and not _changes(source.tree, alias.name):
            continue
        if _right_with_a_copy(source, alias, e.trials):
            look = f"What does `{alias.of}` contain after `{alias.name}` changes?"
            return Reason(finding=Finding("no copy", _says(alias, source), look))
    return None


def changed_input(e: Examination) -> Reason | None:
    """Find an argument that the attempt changes in each wrong case, so that later lines no longer see the original."""
    wrong = [t for t in e.wrong if not t.outcome.error]
    changed = {i for t in wrong for i in t.outcome.changed}
    if not wrong or len(changed) != 1 or not all(t.outcome.changed for t in wrong):
        return None
    name = f"`{e.exercise.argument_names[changed.pop()]}`"
    says = (
        f"Your function changes its input {name}. Whatever you read from {name} afterwards, even its length, no longer "
        "comes from the original. The code that called your function now has a changed input, too. Work on a copy."
    )
    return Reason(
        finding=Finding("changes its input", says, f"What does {name} contain when you use it for the last time?")
    )


def _says(alias: Alias, source: Source) -> str:
    number, line = alias.statement.lineno, f"{alias.name} = {alias.of}"
    return (
        f"`{line}` in line {number} does not make a copy: `{alias.name}` is a second name for the same "
        f"{'list' if _grows(source.tree, alias.name) else 'object'}. So whatever changes `{alias.name}` also "
        f"changes `{alias.of}`."
    )


def _changes(tree: ast.AST, name: str) -> bool:
    """Check whether the code contains `name += …` anywhere, or appends to `name`."""
    sums = (node.target for node in ast.walk(tree) if isinstance(node, ast.AugAssign))
    return _grows(tree, name) or any(ast.unparse(target) == name for target in sums)


def _grows(tree: ast.AST, name: str) -> bool:
    calls = [
        node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    return any(f.attr in ("append", "extend") and ast.unparse(f.value) == name for f in calls)


def _aliases(tree: ast.AST) -> Iterator[Alias]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Name, ast.Subscript)):
            of = ast.unparse(node.value)
            for target in node.targets:
                if isinstance(target, (ast.Name, ast.Subscript)) and ast.unparse(target) != of:
                    yield Alias(node, ast.unparse(target), of)


def _two_names(tree: ast.AST) -> Iterator[ast.Assign]:
    """Yield each `a = b = value` where the value is not a number, a string, True, False or None."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and [type(target) for target in node.targets] == [ast.Name, ast.Name]:
            yield from [] if isinstance(node.value, ast.Constant) else [node]


def _says_of_two(pair: ast.Assign) -> str:
    one, other = map(ast.unparse, pair.targets)
    return (
        f"`{one} = {other} = …` in line {pair.lineno} gives one object two names. So whatever changes `{one}` also "
        f"changes `{other}`."
    )


def _right_with_two(source: Source, pair: ast.Assign, trials: Sequence[Trial]) -> bool:
    targets, value = pair.targets, pair.value
    pair.targets = [ast.Tuple(targets, ast.Store())]
    pair.value = ast.Call(ast.Name(TWO, ast.Load()), [value], [])
    source.scope[TWO] = lambda one: (one, copy.deepcopy(one))
    try:
        return _all_right(source, trials)
    finally:
        pair.targets, pair.value = targets, value


def _right_with_a_copy(source: Source, alias: Alias, trials: Sequence[Trial]) -> bool:
    statement, before = alias.statement, alias.statement.value
    statement.value = ast.copy_location(ast.Call(ast.Name(COPY, ast.Load()), [before], []), before)
    source.scope[COPY] = copy.deepcopy
    try:
        return _all_right(source, trials)
    finally:
        statement.value = before


def _all_right(source: Source, trials: Sequence[Trial]) -> bool:
    changed = source.compiled()
    for trial in trials:
        outcome = run(changed, trial.case.args, SECONDS)
        if outcome.error or outcome.changed or not equal_safely(trial.expected, outcome.value):
            return False
    return True
