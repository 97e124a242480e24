"""Use `trace` to record what passes through a model."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import psutil
import torch
import torch.nn.functional as F
from torch import Tensor

from llmlib.hooks import HookFunction, HookPoint, hooked
from llmlib.interpret.points import POINTS, before_each_run, known, point_at
from llmlib.transformer import Transformer

LARGE = 200 * 10**6  # in bytes; a trace warns before it keeps more than this


class Trace:
    """Holds the values that passed through a model, one tensor per layer: `t.pattern[layer]`, for example.

    `residual` has one more entry than there are layers: `residual[layer]` is the input to that layer, and
    `residual[-1]` is the output of the last layer. The tensors are detached from autograd. Each run replaces what the
    previous run recorded. With a KV cache, chunks that continue a text are joined along their positions (keys that came
    after a chunk count as 0 in `pattern` and -inf in `scores`).
    """

    def __init__(self, model: Transformer, names: Sequence[str]):
        self.names = tuple(names)
        self.n_layers = model.config.n_layers
        self._start = 0
        # For each name and layer: the chunks of one text, each with its start position.
        self._parts: dict[tuple[str, int], list[tuple[int, Tensor]]] = {}

    def _begin(self, start: int) -> None:
        """Begin a run at the position `start`, and forget what was recorded from `start` on."""
        self._start = start
        self._parts = {place: [part for part in parts if part[0] < start] for place, parts in self._parts.items()}

    def _keep(self, name: str, layer: int, value: Tensor) -> None:
        self._parts.setdefault((name, layer), []).append((self._start, value.detach()))

    def __getattr__(self, name: str) -> tuple[Tensor, ...]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self.names:
            hint = f"Ask for it: trace(model, names=({name!r}, …))." if name in POINTS else ""
            raise AttributeError(f"This trace keeps {', '.join(self.names)}, but not {name!r}. {hint}".strip())
        places = [(name, layer) for layer in range(self.n_layers + (name == "residual"))]
        parts = [[value for _, value in self._parts.get(place, [])] for place in places]
        if not all(parts):
            raise RuntimeError(
                f"This trace does not have {name!r} for every layer: no run finished inside its `with` block. Call "
                "model(ids) inside the block."
            )
        return tuple(_joined(name, chunks) for chunks in parts)

    def __repr__(self) -> str:
        kept = sum(value.nbytes for parts in self._parts.values() for _, value in parts)
        return f"<Trace of {', '.join(self.names)}: {_in_words(kept)}>"


def _joined(name: str, chunks: list[Tensor]) -> Tensor:
    """Join the chunks of one text along its positions, the second-to-last axis."""
    if name in ("pattern", "scores"):
        n_key = chunks[-1].shape[-1]
        never = float("-inf") if name == "scores" else 0.0
        chunks = [F.pad(chunk, (0, n_key - chunk.shape[-1]), value=never) for chunk in chunks]
    return chunks[0] if len(chunks) == 1 else torch.cat(chunks, dim=-2)


@contextlib.contextmanager
def trace(model: Transformer, names: Iterable[str] | None = None) -> Iterator[Trace]:
    """Record what passes through the model while the `with` block runs (by default, everything in `POINTS`).

    If a run would record more than 200 MB, a `MemoryWarning` first says how much; if the tensors would not fit into
    free memory, you get a `MemoryError` before anything is recorded. `trace_bytes` calculates the size in advance. If
    you name the values that you need, only those are kept; without `scores` and `pattern`, attention also stays on its
    fast path. Raises `ValueError` for an unknown name.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> with trace(model, names=("pattern", "residual")) as t:
    ...     _ = model(torch.tensor([[1, 2, 3]]))
    >>> t.pattern[0].shape, len(t.residual)
    (torch.Size([1, 4, 3, 3]), 3)
    """
    names = known(names)
    record = Trace(model, names)
    hooks: list[tuple[HookPoint, HookFunction]] = [
        (point_at(model, name, layer), partial(record._keep, name, layer))
        for name in names
        for layer in range(model.config.n_layers + (name == "residual"))
    ]

    def before(ids: Tensor, start: int, _keywords: dict) -> None:
        _announce(model, names, ids.shape[0], ids.shape[1], start)
        record._begin(start)

    with before_each_run(model, before), hooked(hooks):
        yield record


def trace_bytes(
    model: Transformer, batch: int, seq: int, names: Iterable[str] | None = None, start: int = 0
) -> dict[str, int]:
    """Return how many bytes a trace keeps for each name, for `batch` texts of `seq` tokens after `start` cached tokens.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> trace_bytes(model, batch=1, seq=3, names=("pattern", "residual"))
    {'residual': 576, 'pattern': 288}
    """
    c = model.config
    sizes = {"batch": batch, "seq": seq, "query": seq, "key": start + seq, "head": c.n_heads, "kv_head": c.n_kv_heads}
    sizes |= {"d_head": c.d_head, "d_model": c.d_model, "d_mlp": c.d_mlp}
    bytes_of = {}
    for name in known(names):
        number = c.n_layers + (name == "residual")
        for axis in POINTS[name][1].split():
            number *= sizes[axis]
        bytes_of[name] = number * model.dtype.itemsize
    return bytes_of


def _announce(model: Transformer, names: Sequence[str], batch: int, seq: int, start: int) -> None:
    bytes_of = trace_bytes(model, batch, seq, names, start)
    total = sum(bytes_of.values())
    if total <= LARGE:
        return
    largest = sorted(bytes_of, key=bytes_of.__getitem__, reverse=True)[:3]
    said = (
        f"A trace of {batch} × {seq} tokens takes {_in_words(total)} ("
        + ", ".join(f"{name} {_in_words(bytes_of[name])}" for name in largest)
        + (", …)." if len(names) > 3 else ").")
        + " To keep less, pass names=(…)."
    )
    free = _free_bytes(model.device)
    if free is not None and total > free:
        raise MemoryError(f"{said} Only {_in_words(free)} is free.")
    warnings.warn(said, MemoryWarning, stacklevel=2)


class MemoryWarning(UserWarning):
    """Warns that a trace is about to use a lot of memory."""


def _free_bytes(device: torch.device) -> int | None:
    if device.type == "cpu":
        return psutil.virtual_memory().available
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def _in_words(n_bytes: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes} bytes"
