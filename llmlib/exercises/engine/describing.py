"""Describe values to a learner in a few words that are the same in every run."""

import math
from collections.abc import Sequence
from dataclasses import is_dataclass
from typing import Any

import torch
from torch import Tensor

FEW = 9  # tensors with at most this many values are shown in full


def describe(value: Any, length: int = 70) -> str:
    """Describe a value briefly and in the same way in every run, without addresses or very long lists.

    >>> describe(torch.zeros(20, 3))
    'tensor of shape 20 × 3, float32'
    >>> describe(torch.tensor([[1, 2]])), describe([1, 2, 3])
    ('[[1, 2]], int64', '[1, 2, 3]')
    """
    if isinstance(value, Tensor):
        if value.layout == torch.strided and value.device.type == "cpu" and 0 < value.numel() <= FEW:
            return f"{nested(value.tolist())}, {dtype_of(value)}"
        return f"tensor of shape {shape(value.shape)}, {dtype_of(value)}"
    if isinstance(value, (list, tuple, dict)) and holds_tensors(value):
        return _short(value)
    if is_dataclass(value) and "__str__" in vars(type(value)):  # its class defines how to describe it
        return str(value)
    if isinstance(value, (str, bytes, bool, int, float, list, tuple, dict, set, type(None))):
        try:
            text = repr(value)
        except Exception:  # an object inside has a faulty __repr__
            return kind(value)
        if " at 0x" not in text:
            return text if len(text) <= length else text[: length - 2] + " …"
    return kind(value)


def _short(value: Any) -> str:
    """Describe a collection that contains tensors, giving the values of small tensors and the shapes of large ones."""
    if isinstance(value, Tensor):
        return nested(value.tolist()) if 0 < value.numel() <= 6 else shape(value.shape)
    if isinstance(value, dict):
        name, first = next(iter(value.items()))
        return f"{len(value)} entries; the first is {name!r}: {_short(first)}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(_short, value[:3])) + ", …" * (len(value) > 3)
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    return number(value) if isinstance(value, (int, float)) else describe(value, 20)


def kind(value: Any) -> str:
    """Name the type of a value in words that a beginner knows.

    >>> kind(None), kind(torch.zeros(2)), kind([1])
    ('None', 'torch.Tensor', 'list')
    """
    if value is None:
        return "None"
    name = type(value).__name__
    known = {"Tensor": "torch.Tensor", "ndarray": "numpy.ndarray", "Counter": "dictionary", "dict": "dictionary"}
    return known.get(name, name)


def holds_tensors(item: Any) -> bool:
    if isinstance(item, dict):
        item = list(item.values())
    return isinstance(item, Tensor) or (isinstance(item, (list, tuple)) and any(map(holds_tensors, item)))


def plain(item: Any) -> Any:
    """Turn numpy and torch numbers into Python numbers, and lists into tuples, at any depth."""
    if isinstance(item, (list, tuple)):
        return tuple(plain(x) for x in item)
    if type(item).__module__ in ("numpy", "torch") and getattr(item, "ndim", None) == 0:
        return item.item()
    return item


def number(x: Any) -> str:
    if isinstance(x, bool):
        return str(x)
    if isinstance(x, float):
        if math.isinf(x):
            return "∞" if x > 0 else "−∞"
        return f"{x + 0.0:.4g}"  # + 0.0 turns -0.0 into 0.0
    return str(x)


def distinctly(one: Any, other: Any) -> tuple[str, str]:
    """Format two different numbers with enough digits to show that they differ.

    >>> distinctly(1.5, 1.4998), distinctly(2, 2.5)
    (('1.5', '1.4998'), ('2', '2.5'))
    """
    words = number(one), number(other)
    for digits in range(5, 17):
        if words[0] != words[1]:
            break
        words = f"{one:.{digits}g}", f"{other:.{digits}g}"
    return words


def by_how_much(expected: Any, got: Any) -> str:
    """Say in brackets how far a number is from the expected one, or return "" if that would not help."""
    if isinstance(expected, bool):
        return ""
    if math.isnan(got):
        return " (not a number; it comes from 0/0, 0 · ∞, ∞ − ∞, or the softmax of a row of −∞)"
    if not math.isfinite(got) or not math.isfinite(expected):
        return ""
    whole = isinstance(expected, int) and isinstance(got, int)  # one id is not a multiple of another id
    if not whole and expected and abs(got / expected - 1) > 1e-3 and got / expected > 0:
        return f" ({number(got / expected)} times as much)"
    return f" ({number(abs(got - expected))} too {'large' if got > expected else 'small'})"


def nested(values: Any) -> str:
    return f"[{', '.join(map(nested, values))}]" if isinstance(values, list) else number(values)


def shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "() (a single number)"


def dtype_of(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def with_article(name: str) -> str:
    if name == "None":
        return name
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
