"""Describe an architecture as plain data: nested boxes and their tensors."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any, Literal

Axis = tuple[str, int]  # the axis's name and length

KINDS = ("embedding", "norm", "attention", "mlp", "stream", "output", "group")


@dataclass(frozen=True)
class SourceLine:
    """A statement in the source code, and where to find it."""

    file: str
    number: int
    text: str


@dataclass(frozen=True)
class BoxTensor:
    """A weight, or a value that passes through a box. A value's axes `seq` and `query` run over a text's tokens."""

    name: str
    axes: tuple[Axis, ...]
    is_weight: bool

    @property
    def parameters(self) -> int:
        return prod(length for _, length in self.axes) if self.is_weight else 0

    @property
    def numbers_per_token(self) -> int:
        """How many numbers a value needs per token, or 0 for weights."""
        return 0 if self.is_weight else prod(length for name, length in self.axes if name not in ("seq", "query"))


@dataclass(frozen=True)
class Box:
    """A part of a model.

    The costs are those of one copy of the box, without the boxes inside it. To turn a count of numbers into
    bytes, multiply it by the number of bytes that each number takes up.
    """

    id: str
    title: str
    words: str  # one sentence that says what the box does
    kind: str
    tensors: tuple[BoxTensor, ...] = ()
    lines: tuple[SourceLine, ...] = ()
    flops: int = 0  # matrix products only, for one token
    read: int = 0  # weights that one token needs (only one row of a table)
    before: str = ""  # the box whose value this box receives
    repeat: int = 1  # how many copies come one after another
    boxes: tuple["Box", ...] = field(default=())

    def total(self, what: Literal["parameters", "flops", "read", "written"]) -> int:
        """Add up one of the costs over all copies of this box and all boxes inside it.

        >>> inside = Box("a", "A", "", "mlp", (BoxTensor("weight", (("d_mlp", 4), ("d_model", 2)), True),), flops=16)
        >>> Box("model", "Model", "", "group", repeat=3, boxes=(inside,)).total("parameters")
        24
        """
        own = {
            "parameters": sum(tensor.parameters for tensor in self.tensors),
            "flops": self.flops,
            "read": self.read,
            "written": sum(tensor.numbers_per_token for tensor in self.tensors),
        }[what]
        return self.repeat * (own + sum(box.total(what) for box in self.boxes))

    def walk(self) -> Iterator["Box"]:
        """Yield this box and all boxes inside it, in the order in which they are computed."""
        yield self
        for box in self.boxes:
            yield from box.walk()

    def as_json(self, width: int) -> dict[str, Any]:
        """Describe the boxes and their total costs for the browser; each number takes up `width` bytes."""
        costs = {what: self.total(what) // self.repeat for what in ("parameters", "flops", "read", "written")}
        return {
            "id": self.id,
            "title": self.title,
            "words": self.words,
            "kind": self.kind,
            "before": self.before,
            "repeat": self.repeat,
            "lines": [asdict(line) for line in self.lines],
            "parameters": costs["parameters"],
            "flops": costs["flops"],
            "read": costs["read"] * width,
            "written": costs["written"] * width,
            "tensors": [
                {
                    "name": t.name,
                    "axes": [list(axis) for axis in t.axes],
                    "weight": t.is_weight,
                    "parameters": t.parameters,
                    "bytes": (t.parameters or t.numbers_per_token) * width,
                }
                for t in self.tensors
            ],
            "boxes": [box.as_json(width) for box in self.boxes],
        }
