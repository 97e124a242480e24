"""Find where a result differs from the expected one, first in its type, shape or dtype, and then in its values."""

import cmath
import itertools
import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from llmlib.exercises.engine.axes import aligned, plain_axes
from llmlib.exercises.engine.describing import (
    by_how_much,
    describe,
    distinctly,
    dtype_of,
    holds_tensors,
    kind,
    number,
    plain,
    shape,
    with_article,
)
from llmlib.exercises.engine.report import Part, Prose, Table

# Relative and absolute tolerances: wide enough for other orders of summation, too narrow for wrong formulas.
TOLERANCES = {torch.float64: (1e-6, 1e-7), torch.float32: (1e-4, 1e-5)}
LOOSE = (1e-2, 1e-2)  # for half precision
NOTHING = "(nothing)"
WINDOW = 6  # a table that shows a difference has at most this many rows and columns


@dataclass(frozen=True)
class Difference:
    """A difference in "form" (type, shape, dtype) or in "value", with the parts of a report that show it.

    A report shows only one of the cases that differ, so the parts are created on demand. `advice` names the usual cause
    of a wrong form, for reports in which the reason is unknown.
    """

    what: str
    show: Callable[[], tuple[Part, ...]]
    advice: tuple[Part, ...] = ()

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        return self.show()


def find_difference(expected: Any, got: Any, axes: Sequence[str] = (), place: str = "") -> Difference | None:
    """Return the first difference between `expected` and `got`, or None if there is none.

    `place` names the part being compared, such as "item 0 of the result".
    """
    if isinstance(expected, Tensor):
        return _of_tensors(expected, got, axes, place)
    if isinstance(expected, bool) or expected is None:
        return None if type(got) is type(expected) and got == expected else _wrong_type(expected, got, place)
    if isinstance(expected, (int, float)):
        return _of_numbers(expected, got, place)
    if isinstance(expected, complex):  # only a misconception returns complex numbers
        return None if isinstance(got, complex) and cmath.isclose(expected, got) else _wrong_type(expected, got, place)
    if isinstance(expected, (str, bytes)):
        return _of_texts(expected, got, place)
    if isinstance(expected, (list, tuple)):
        return _of_sequences(expected, got, axes, place)
    return _of_mappings(expected, got, place)


def equal(expected: Any, got: Any) -> bool:
    """Return whether a learner's result counts as equal to the expected one. This is faster than `find_difference`."""
    if isinstance(expected, Tensor):
        alike = isinstance(got, Tensor) and _same_device_and_dense(expected, got) and got.shape == expected.shape
        return alike and _dtypes_match(expected, got) and bool(values_agree(expected, got.detach()).all())
    if isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)) and any(map(holds_tensors, expected)):
        alike = isinstance(got, list) == isinstance(expected, list) and len(got) == len(expected)
        return alike and all(map(equal, expected, got))
    return find_difference(expected, got) is None


def _of_tensors(expected: Tensor, got: Any, axes: Sequence[str], place: str) -> Difference | None:
    if not isinstance(got, Tensor):
        return _wrong_type(expected, got, place)
    if not _same_device_and_dense(expected, got):
        where = f"{str(got.layout).removeprefix('torch.')} tensor on {got.device}"
        return _form(f"Expected a dense tensor on {expected.device}, got a {where}.", place)
    if got.shape != expected.shape:
        parts = _wrong_shape(expected, got, axes, place)
        return Difference("form", lambda: parts)
    if not _dtypes_match(expected, got):
        return _wrong_dtype(expected, got, place)
    got = got.detach()
    wrong = ~values_agree(expected, got)
    if not wrong.any():
        return None
    then = got.clone()  # the attempt may change this tensor in its next call
    return Difference("value", lambda: _wrong_values(expected, then, wrong, axes, place))


def _same_device_and_dense(expected: Tensor, got: Tensor) -> bool:
    """Return whether the result is a dense tensor on the same device as the expected one."""
    return got.layout == torch.strided and got.device == expected.device


SORTS = ({torch.float32, torch.float64}, {torch.int16, torch.int32, torch.int64})


def _dtypes_match(expected: Tensor, got: Tensor) -> bool:
    """Return whether the dtypes are equal or interchangeable: float32 and float64, or any of int16, int32 and int64."""
    return got.dtype == expected.dtype or any({expected.dtype, got.dtype} <= sort for sort in SORTS)


def float_dtypes(expected: Any, got: Any) -> set[tuple[torch.dtype, torch.dtype]]:
    """Return the (expected, got) pairs of floating-point dtypes that differ, for one result or several."""
    if isinstance(expected, tuple) and isinstance(got, (tuple, list)):
        return set().union(*map(float_dtypes, expected, got))
    if not isinstance(expected, Tensor) or not isinstance(got, Tensor) or expected.dtype == got.dtype:
        return set()
    return {(expected.dtype, got.dtype)} if expected.is_floating_point() else set()


def values_agree(expected: Tensor, got: Tensor) -> Tensor:
    """Return True where two tensors of the same shape agree, up to rounding from a different order of summation."""
    if expected.dtype == got.dtype and torch.equal(expected, got):  # takes a tenth of the time of the comparison below
        return torch.ones_like(expected, dtype=torch.bool)
    if not expected.is_floating_point():
        return expected == got
    relative, absolute = max(TOLERANCES.get(t.dtype, LOOSE) for t in (expected, got))
    return torch.isclose(got.to(expected.dtype), expected, rtol=relative, atol=absolute, equal_nan=True)


def _wrong_type(expected: Any, got: Any, place: str) -> Difference:
    advice = ""
    if got is None:
        advice = " Does the last line `return` your result?"
        if isinstance(expected, (list, dict)):
            advice += " (Methods such as `sort` and `append` change a list in place and return None.)"
        else:
            advice += " `print` shows a value, but does not return it."
    elif hasattr(got, "__next__"):
        advice = " A function with `yield` returns a generator. Collect the generator's items, and `return` them."
    elif isinstance(expected, Tensor) and kind(got) == "numpy.ndarray":
        advice = " `torch.from_numpy(...)` turns an array into a tensor."
    elif isinstance(expected, Tensor) and isinstance(got, (list, tuple, int, float)):
        advice = _one_tensor(expected, got)
    elif isinstance(expected, (tuple, list)) and isinstance(got, (tuple, list)):
        advice = f" `{kind(expected)}(...)` converts your result."
    elif isinstance(got, Tensor) and got.numel() == 1 and isinstance(expected, (int, float)):
        advice = " `.item()` takes the number out of a tensor."
    elif isinstance(expected, str) and isinstance(got, bytes):
        advice = " `.decode(...)` turns bytes into text."
    elif isinstance(expected, str) and isinstance(got, list):
        advice = ' `"".join(...)` joins several strings into one. Should you join before decoding, or after it?'
    elif isinstance(expected, dict) and isinstance(got, (list, tuple)):
        advice = " `dict(...)` turns a list of (key, value) pairs into a dictionary."
    elif callable(got):
        advice = " You return the function itself. Did you forget the brackets that call it?"
    if expected is None:
        return _form(f"Expected None here, got {describe(got)}.", place)
    return _form(f"Expected {with_article(kind(expected))}, got {with_article(kind(got))}.", place, advice)


def _one_tensor(expected: Tensor, got: Any) -> str:
    """Say how to turn a list of tensors or numbers into the single tensor that is expected."""
    if isinstance(got, float) and expected.is_floating_point():
        return " If you use `.item()`, leave it out. Then the result stays a tensor, and gradients can flow back."
    if isinstance(got, (list, tuple)) and any(isinstance(item, (list, tuple)) and holds_tensors(item) for item in got):
        return (
            " `torch.stack(...)` makes one tensor out of several. Stack each of your inner lists first, then stack "
            "the results."
        )
    items = [item for item in got if isinstance(item, Tensor)] if isinstance(got, (list, tuple)) else []
    if not items:
        return " `torch.tensor(...)` turns numbers into a tensor."
    name = "stack" if all(item.ndim == expected.ndim - 1 for item in items) else "cat"
    return f" `torch.{name}(...)` joins several tensors into one."


def _form(sentence: str, place: str, advice: str = "") -> Difference:
    advised = (Prose(advice.strip()),) if advice else ()
    return Difference("form", lambda: (Prose(f"In {place}: {sentence}" if place else sentence),), advised)


def _wrong_shape(expected: Tensor, got: Tensor, axes: Sequence[str], place: str) -> tuple[Part, ...]:
    where = f"In {place}: expected" if place else "Expected"
    parts: list[Part] = [Prose(f"{where} shape {shape(expected.shape)}, got {shape(got.shape)}.")]
    if len(axes) == expected.ndim:
        rows = [
            (name, str(size), str(found) + ("" if size == found else "  ≠"))
            for name, size, found in zip(axes, expected.shape, aligned(expected.shape, got.shape))
        ]
        rows += [("(extra axis)", "none", f"{size}  ≠") for size in got.shape[expected.ndim :]]
        marked = {(i, 2) for i, row in enumerate(rows) if row[2].endswith("≠")}
        parts.append(Table(("axis", "expected", "yours"), tuple(rows), frozenset(marked)))
    if swapped := _swapped_axes(expected, got):
        one, other = (axes[axis] if len(axes) == expected.ndim else f"axis {axis}" for axis in swapped)
        parts.append(Prose(f"The values are right, but {one} and {other} are swapped."))
    elif sorted(got.shape) == sorted(expected.shape):
        parts.append(Prose("The sizes are right, but in the wrong order."))
    elif got.numel() == expected.numel() and got.ndim:  # a result without axes is probably a mean or a sum
        parts.append(Prose("The number of values is right, but the values are arranged along different axes."))
    return tuple(parts)


def _swapped_axes(expected: Tensor, got: Tensor) -> tuple[int, int] | None:
    """Find two axes of `got` such that swapping them gives `expected`; return None if there are none."""
    if got.ndim != expected.ndim:
        return None
    for one, other in itertools.combinations(range(got.ndim), 2):
        turned = got.transpose(one, other)
        if turned.shape == expected.shape and bool(values_agree(expected, turned).all()):
            return one, other
    return None


def _wrong_dtype(expected: Tensor, got: Tensor, place: str) -> Difference:
    advice = ""
    if expected.is_floating_point() and got.is_floating_point():
        advice = " Which line creates a new tensor, or converts a tensor to another dtype?"
    elif expected.dtype == torch.bool:
        advice = " A comparison such as `a <= b` returns `bool` values; `.bool()` converts other dtypes."
    elif expected.dtype == torch.int64:
        advice = " Ids and counts are `torch.long`, which is int64."
    return _form(f"Expected dtype {dtype_of(expected)}, got {dtype_of(got)}.", place, advice)


def _wrong_values(expected: Tensor, got: Tensor, wrong: Tensor, axes: Sequence[str], place: str) -> tuple[Part, ...]:
    first = tuple(wrong.nonzero()[0].tolist())
    names = axes if len(axes) == len(first) else plain_axes(len(first))
    at = ", ".join(f"{name} {i}" for name, i in zip(names, first))
    mine, theirs = expected[first].item(), got[first].item()
    count = int(wrong.sum())
    sentence = f"{count} of {wrong.numel()} values {'differs' if count == 1 else 'differ'}"
    sentence += f" in {place}" if place else ""
    sentence += f". The first is at {at}: " if at else ": "
    how_much = by_how_much(mine, theirs) if expected.is_floating_point() else ""  # ids are names, not quantities
    right, yours = distinctly(mine, theirs)
    sentence += f"expected {right}, got {yours}{how_much}."
    parts: list[Part] = [Prose(sentence)]
    if wrong.ndim:
        parts.append(_grid(expected, got, wrong, first, names))
    return tuple(parts)


def _grid(expected: Tensor, got: Tensor, wrong: Tensor, first: tuple[int, ...], names: Sequence[str]) -> Table:
    """Show a table of the last two axes around the first difference. Wrong cells show "yours ≠ expected"."""
    if wrong.ndim == 1:
        expected, got, wrong, first, names = expected[None], got[None], wrong[None], (0, *first), ("", *names)
    plane = first[:-2]
    top, left = (max(0, min(i - WINDOW // 2, n - WINDOW)) for i, n in zip(first[-2:], wrong.shape[-2:]))
    expected, got, wrong = (t[plane][top : top + WINDOW, left : left + WINDOW] for t in (expected, got, wrong))
    rows, marked = [], set()
    for r in range(wrong.shape[0]):
        row = [f"{names[-2]} {top + r}".strip() if names[-2] else "values"]
        for c in range(wrong.shape[1]):
            mine, other = got[r, c].item(), expected[r, c].item()
            row.append(" ≠ ".join(distinctly(mine, other)) if wrong[r, c] else number(mine))
            if wrong[r, c]:
                marked.add((r, c + 1))
        rows.append(tuple(row))
    header = ("", *(f"{names[-1]} {left + c}" for c in range(wrong.shape[1])))
    within = ", ".join(f"{name} {i}" for name, i in zip(names, plane))
    caption = f"Yours ≠ expected{f', at {within}' if within else ''}"
    return Table(header, tuple(rows), frozenset(marked), caption)


def _of_numbers(expected: int | float, got: Any, place: str) -> Difference | None:
    if not isinstance(got, numbers.Real) or isinstance(got, bool):
        return _wrong_type(expected, got, place)
    if isinstance(expected, int) and got == expected and not isinstance(got, numbers.Integral):
        advice = "`/` always returns a float. `//` keeps whole numbers whole, and `int(...)` converts a float."
        return _form(f"Expected a whole number, got the float {got!r}.", place, advice)
    close = got == expected if isinstance(expected, int) else math.isclose(got, expected, rel_tol=1e-4, abs_tol=1e-5)
    if close or (got != got and expected != expected):
        return None
    where = f"In {place}: expected" if place else "Expected"
    how_much = by_how_much(expected, got if isinstance(expected, int) else float(got))
    right, yours = distinctly(expected, got)
    return Difference("value", lambda: (Prose(f"{where} {right}, got {yours}{how_much}."),))


def _of_texts(expected: str | bytes, got: Any, place: str) -> Difference | None:
    if not isinstance(got, type(expected)):
        return _wrong_type(expected, got, place)
    if got == expected:
        return None
    i = _first_difference(expected, got)
    start = max(0, i - 8)
    prefix = "…" if start else ""
    rows = (
        ("expected", prefix + describe(expected[start : i + 12])),
        ("yours", prefix + describe(got[start : i + 12])),
    )
    where = f"In {place}: the" if place else "The"
    unit = "character" if isinstance(expected, str) else "byte"
    sentence = f"{where} texts differ from {unit} {i} on (expected length {len(expected)}, got {len(got)})."
    return Difference("value", lambda: (Prose(sentence), Table(("", "near this position"), rows, frozenset({(1, 1)}))))


def _of_sequences(expected: Any, got: Any, axes: Sequence[str], place: str) -> Difference | None:
    if not isinstance(got, (list, tuple)) or isinstance(got, list) != isinstance(expected, list):
        return _wrong_type(expected, got, place)
    if any(map(holds_tensors, expected)):
        return _of_several_tensors(expected, got, axes, place)
    right = [plain(item) for item in expected]
    pairs = itertools.zip_longest(right[: len(got)], map(plain, got))
    items = [float(item) if isinstance(a, float) and type(item) is int else item for a, item in pairs]  # e.g. max(0, x)
    if len(items) == len(right) and all(_items_equal(a, b) for a, b in zip(right, items)):
        return None
    for i, (a, b) in enumerate(zip(right, items)):
        if kind(a) != kind(b):
            return _form(
                f"Expected {with_article(kind(expected[i]))} at index {i}, got {with_article(kind(got[i]))}.", place
            )
    return Difference("value", lambda: _wrong_items(expected, right, items, place))


def _wrong_items(expected: Any, right: list[Any], items: list[Any], place: str) -> tuple[Part, ...]:
    i = _first_difference(right, items)
    where = f"In {place}: the" if place else "The"
    several = {"list": "lists", "tuple": "tuples"}.get(kind(expected), "results")
    sentence = f"{where} {several} differ from index {i} on (expected length {len(right)}, got {len(items)})."
    rows: list[tuple[str, ...]] = []
    marked = set()
    for j in range(max(0, i - 2), min(max(len(right), len(items)), i + 4)):
        pair = [values[j] if j < len(values) else NOTHING for values in (right, items)]
        a, b = _side_by_side(pair[0], pair[1])
        differ = not _items_equal(*pair)
        if a == b and differ and isinstance(pair[0], tuple):  # the difference is after the part that is shown
            at = _first_difference(*pair)
            a, b = (f"… index {at}: {describe(v[at], 24) if at < len(v) else NOTHING}" for v in pair)
        if differ:
            marked.add((len(rows), 2))
        rows.append((str(j), a, b + ("  ≠" if differ else "")))
    return Prose(sentence), Table(("index", "expected", "yours"), tuple(rows), frozenset(marked))


def _side_by_side(one: Any, other: Any, length: int = 40) -> Sequence[str]:
    if isinstance(one, float) and isinstance(other, float):
        return distinctly(one, other)
    return [NOTHING if value is NOTHING else describe(value, length) for value in (one, other)]


def _of_several_tensors(expected: Any, got: Any, axes: Sequence[str], place: str) -> Difference | None:
    if len(got) != len(expected):
        return _form(f"Expected {len(expected)} results, got {len(got)}.", place)
    differences = [
        find_difference(a, b, axes, f"{place}, item {i}" if place else f"item {i} of the result")
        for i, (a, b) in enumerate(zip(expected, got))
    ]
    wrong = [d for d in differences if d]
    return next((d for d in wrong if d.what == "form"), wrong[0] if wrong else None)


def _of_mappings(expected: Any, got: Any, place: str) -> Difference | None:
    if not isinstance(got, dict):
        return _wrong_type(expected, got, place)
    if holds_tensors(expected):  # only a misconception returns a dictionary of tensors
        alike = expected.keys() == got.keys() and all(equal(expected[key], got[key]) for key in expected)
        return None if alike else _wrong_type(expected, got, place)
    found = {plain(key): plain(value) for key, value in got.items()}
    if found == dict(expected):
        return next(
            filter(None, (_of_kinds(expected[plain(key)], value, describe(key)) for key, value in got.items())), None
        )
    keys = [*expected, *(key for key in found if key not in expected)]
    rows = [
        (describe(key), right, f"{yours}  ≠")
        for key in keys
        if key not in found or expected.get(key) != found[key]
        for right, yours in [_side_by_side(expected.get(key, NOTHING), found.get(key, NOTHING), 70)]
    ]
    sentence = (
        f"{len(rows)} of {len(keys)} entries {'differs' if len(rows) == 1 else 'differ'}. The first is {rows[0][0]}."
    )
    table = Table(("key", "expected", "yours"), tuple(rows[:WINDOW]), frozenset((i, 2) for i in range(len(rows))))
    return Difference("value", lambda: (Prose(sentence), table))


def _of_kinds(expected: Any, got: Any, place: str) -> Difference | None:
    """Report equal values of different types: a float instead of a whole number, or a list instead of a tuple."""
    if type(expected) is int:
        return _of_numbers(expected, got, place)
    return _wrong_type(expected, got, place) if isinstance(expected, tuple) and isinstance(got, list) else None


def _items_equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_items_equal, a, b))
    return type(a) is type(b) and bool(a == b)


def _first_difference(a: Any, b: Any) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b)) if not _items_equal(x, y)), min(len(a), len(b)))
