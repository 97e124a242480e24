"""Recognise slips from an exception and the code around it, so that we can say what to write instead."""

import ast
import dis
import inspect
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F

from llmlib.exercises.engine.errors import all_code, code_of, name_of, their_line
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.modules import OnWeights
from llmlib.exercises.engine.trials import Trial

AXES_OF = r"`?(\w+)`? (?:has the axes |\()(\w+(?:, \w+)+)"  # "`x` (batch, seq)", "q has the axes batch, head"
KEPT = "`{0}` is an argument of `__init__`, so `forward` does not see it. Store it in `__init__`, as `self.{0}`."
AXIS = "`{0}` is the name of an axis. Its size is `{1}.shape[{2}]`."
LAYER = "`{0}` is a layer, so call it like a function: `{0}(x)` multiplies x by the layer's matrix."
PAIR = "`{0}` with an axis returns a pair of tensors: values and indices. `.values` takes the values{1}."
AXIS_GONE = (
    "`{0}` removes an axis, so the axes of the two sides no longer match. With "
    "`keepdim=True`, the axis stays, with length 1. `[..., None]` puts it back at the end."
)
UNWRITTEN = (
    "`{0}` is a function in your notebook that is not written yet, so it returns None. If it worked before, an "
    "exercise has replaced it. Rerun the cell that takes it from `mine`."
)
BRACES = "The key contains the characters `{0}`. With an `f` before the string, Python inserts the value."
NEAREST = "There is no key `{0}`. The closest one is `{1}`."
TRUTH_VALUES = (
    "`{0}` needs numbers, but a comparison returns True and False. `.int()` turns them into 1 and 0, so that `{0}` "
    "finds the first of the {1}."
)
IN_TORCH = "Python does not know `{0}` by itself. PyTorch has it as `{1}.{0}`."
REDUCED = r"\b(?:(?:sum|mean|amax|amin|max|min)\((?:dim=|axis=)?|norm\((?:[^()]*, )?(?:dim|axis)=)-?\d\)"
REDUCED_LAST = re.compile(rf"{REDUCED}(?:\.clamp\([^()]*\))?$")
BLANK = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}


def slip(e: Examination, trial: Trial) -> str:
    """Say which known slip raised the error in this trial; return an empty string for any other error."""
    error = trial.outcome.error
    if error is None:
        return ""
    name, line = name_of(error), (their_line(error, e.attempt) or (0, ""))[1]
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
        return _unknown_name(e, str(error.name), line)
    if isinstance(error, KeyError) and isinstance(key := next(iter(error.args), None), str):
        return _unknown_key(trial, key)
    if "NoneType" in name:
        blank = next(_unwritten(e.attempt), None)
        return UNWRITTEN.format(blank) if blank else ""
    if truth := re.search(r"\b(argmax|argmin).*\bbool\b", name, re.I):
        return TRUTH_VALUES.format(truth[1], "largest" if truth[1] == "argmax" else "smallest")
    if "'Linear'" in name and (layer := re.search(r"(self\.\w+) *[@*]|[@*] *(self\.\w+)", line)):
        return LAYER.format(layer[1] or layer[2])
    if pair := re.search(r"torch\.return_types\.(\w+)", name):
        alone = f", and `a{pair[1]}` returns only the values" if pair[1] in ("max", "min") else ""
        return PAIR.format(pair[1], alone)
    return ""


def axis_gone(e: Examination, trial: Trial) -> str:
    """Say that an axis was removed, if sizes do not match and an operand in that line was reduced over an axis."""
    error = trial.outcome.error
    if error is None or not re.search(r"The size of tensor|must match", name_of(error)):
        return ""
    place = their_line(error, e.attempt)
    if place is None:
        return ""
    try:
        source = inspect.getsource(e.attempt)
        products = [node for node in ast.walk(ast.parse(place[1].strip())) if isinstance(node, ast.BinOp)]
    except (OSError, TypeError, SyntaxError):
        return ""
    for side in (ast.unparse(side) for node in products for side in (node.left, node.right)):
        made = re.search(rf"^\s*{re.escape(side)} = .*", source, re.MULTILINE)
        taken = re.search(REDUCED, side if REDUCED_LAST.search(side) else made[0] if made else "")
        if taken:
            return AXIS_GONE.format(taken[0])
    return ""


def _unknown_name(e: Examination, name: str, line: str) -> str:
    if isinstance(e.attempt, OnWeights):
        made = getattr(e.attempt.written.__init__, "__code__", None)
        if made is not None and name in made.co_varnames[: made.co_argcount]:
            return KEPT.format(name)
    for argument, axes in re.findall(AXES_OF, e.exercise.task):
        if argument in e.exercise.argument_names and name in axes.split(", "):
            return AXIS.format(name, argument, axes.split(", ").index(name))
    # A name that is not called may be a variable, such as `angle`, even if torch has a function with the same name.
    is_called = re.search(rf"(?<![\w.]){name}\(", line)
    home = next((home for home in (torch, F) if is_called and callable(getattr(home, name, None))), None)
    return IN_TORCH.format(name, "torch.nn.functional" if home is F else "torch") if home else ""


def _unknown_key(trial: Trial, key: str) -> str:
    if braces := re.search(r"\{[^}]*\}", key):
        return BRACES.format(braces[0])
    keys = [name for value in trial.case.args if isinstance(value, dict) for name in value if isinstance(name, str)]
    nearest = get_close_matches(key, keys, 1)
    return NEAREST.format(key, nearest[0]) if nearest else ""


def _unwritten(attempt: Callable[..., Any]) -> Iterator[str]:
    """Yield the names of functions that the attempt uses, but that are not written yet."""
    code = code_of(attempt)
    function = attempt.written.forward if isinstance(attempt, OnWeights) else attempt
    known = getattr(function, "__globals__", {})
    for name in (name for part in all_code(code) for name in part.co_names) if code else ():
        if isinstance(value := known.get(name), FunctionType) and _is_blank(value):
            yield name


def _is_blank(function: FunctionType) -> bool:
    return {step.opname for step in dis.get_instructions(function)} <= BLANK and not function.__code__.co_names
