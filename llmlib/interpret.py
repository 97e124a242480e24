"""Looking inside a model and changing what happens there, from outside, through its hook points.

Contexts act in the order in which they are opened: a `trace` inside an `ablate` records the ablated values,
and of two edits at one place the inner one has the last word.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Literal

import psutil
import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from llmlib.hooks import HookPoint, Watcher, watching
from llmlib.transformer import Transformer

# Where in a block each name is found, and the shape of one value.
POINTS = {
    "residual": ("hook_residual_pre", "batch seq d_model"),
    "q": ("attention.hook_q", "batch head seq d_head"),
    "k": ("attention.hook_k", "batch kv_head seq d_head"),
    "v": ("attention.hook_v", "batch kv_head seq d_head"),
    "scores": ("attention.hook_scores", "batch head query key"),
    "pattern": ("attention.hook_pattern", "batch head query key"),
    "z": ("attention.hook_z", "batch head seq d_head"),
    "attention_out": ("hook_attention_out", "batch seq d_model"),
    "residual_mid": ("hook_residual_mid", "batch seq d_model"),
    "mlp": ("mlp.hook_activation", "batch seq d_mlp"),
    "mlp_out": ("hook_mlp_out", "batch seq d_model"),
}
LARGE = 200 * 10**6  # bytes: a trace that keeps more says so first

Head = tuple[int, int]  # (layer, head)


class Trace:
    """What passed through a model: `t.pattern[layer]` and so on, one tensor for each layer.

    `residual` has one entry more than there are layers: `residual[layer]` is what enters that layer, and
    `residual[-1]` is what leaves the last. The tensors are detached from autograd. A run replaces the one before;
    with a KV cache, chunks that continue a text are joined along their positions (a later key than any query of its
    chunk could see counts 0 in `pattern` and -inf in `scores`).
    """

    def __init__(self, model: Transformer, names: Sequence[str]):
        self.names = tuple(names)
        self.n_layers = model.config.n_layers
        self._start = 0
        # For each place the chunks of one text, each with the position that it starts at.
        self._parts: dict[tuple[str, int], list[tuple[int, Tensor]]] = {}

    def _begin(self, start: int) -> None:
        """A pass over the positions from `start` on: whatever was known of them is forgotten."""
        self._start = start
        self._parts = {place: [part for part in parts if part[0] < start] for place, parts in self._parts.items()}

    def _keep(self, name: str, layer: int, value: Tensor) -> None:
        self._parts.setdefault((name, layer), []).append((self._start, value.detach()))

    def __getattr__(self, name: str) -> tuple[Tensor, ...]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self.names:
            hint = f"Ask for it: trace(model, names=({name!r}, …))." if name in POINTS else ""
            raise AttributeError(f"This trace keeps {', '.join(self.names)}; not {name!r}. {hint}".strip())
        places = [(name, layer) for layer in range(self.n_layers + (name == "residual"))]
        parts = [[value for _, value in self._parts.get(place, [])] for place in places]
        if not all(parts):
            raise RuntimeError(
                f"This trace has no {name!r} of every layer: no run has been completed inside its `with` block. "
                "Call model(ids) there."
            )
        return tuple(_joined(name, chunks) for chunks in parts)

    def __repr__(self) -> str:
        kept = sum(value.nbytes for parts in self._parts.values() for _, value in parts)
        return f"<Trace of {', '.join(self.names)}: {_in_words(kept)}>"


def _joined(name: str, chunks: list[Tensor]) -> Tensor:
    """Chunks of one text along its positions, which are the last axis but one."""
    if name in ("pattern", "scores"):
        n_key = chunks[-1].shape[-1]
        never = float("-inf") if name == "scores" else 0.0
        chunks = [F.pad(chunk, (0, n_key - chunk.shape[-1]), value=never) for chunk in chunks]
    return chunks[0] if len(chunks) == 1 else torch.cat(chunks, dim=-2)


@contextlib.contextmanager
def trace(model: Transformer, names: Iterable[str] | None = None) -> Iterator[Trace]:
    """Record what passes through the model while the `with` block runs; the default is everything in `POINTS`.

    Before a run whose record takes more than 200 MB it says how much (a `MemoryNotice`, a warning), and if that is
    more than is free, it raises `MemoryError` before anything is kept; `trace_bytes` tells beforehand. Name what you
    need and the rest is not kept: without `scores` and `pattern`, attention also stays on its fast path. Raises
    `ValueError` for an unknown name.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> with trace(model, names=("pattern", "residual")) as t:
    ...     _ = model(torch.tensor([[1, 2, 3]]))
    >>> t.pattern[0].shape, len(t.residual)
    (torch.Size([1, 4, 3, 3]), 3)
    """
    names = _known(names)
    record = Trace(model, names)
    watchers: list[tuple[HookPoint, Watcher]] = [
        (_point(model, name, layer), partial(record._keep, name, layer))
        for name in names
        for layer in range(model.config.n_layers + (name == "residual"))
    ]

    def before(ids: Tensor, start: int, _keywords: dict) -> None:
        _announce(model, names, ids.shape[0], ids.shape[1], start)
        record._begin(start)

    with _before_each_run(model, before), watching(watchers):
        yield record


def trace_bytes(
    model: Transformer, batch: int, seq: int, names: Iterable[str] | None = None, start: int = 0
) -> dict[str, int]:
    """How many bytes a trace keeps of each name, for `batch` texts of `seq` tokens after `start` cached ones.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> trace_bytes(model, batch=1, seq=3, names=("pattern", "residual"))
    {'residual': 576, 'pattern': 288}
    """
    c = model.config
    sizes = {"batch": batch, "seq": seq, "query": seq, "key": start + seq, "head": c.n_heads, "kv_head": c.n_kv_heads}
    sizes |= {"d_head": c.d_head, "d_model": c.d_model, "d_mlp": c.d_mlp}
    bytes_of = {}
    for name in _known(names):
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
        f"A trace of {batch} × {seq} tokens keeps {_in_words(total)} ("
        + ", ".join(f"{name} {_in_words(bytes_of[name])}" for name in largest)
        + (", …)." if len(names) > 3 else ").")
        + " Keep less with names=(…)."
    )
    free = _free_bytes(model.device)
    if free is not None and total > free:
        raise MemoryError(f"{said} Only {_in_words(free)} are free.")
    warnings.warn(said, MemoryNotice, stacklevel=2)


class MemoryNotice(UserWarning):
    """A trace is about to take much memory."""


def _free_bytes(device: torch.device) -> int | None:
    if device.type == "cpu":
        return psutil.virtual_memory().available
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


def _in_words(n_bytes: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes} bytes"


@contextlib.contextmanager
def ablate(
    model: Transformer,
    heads: Iterable[Sequence[int]],
    how: Literal["zero", "mean"] = "zero",
    reference: Int[Tensor, "batch seq"] | None = None,
) -> Iterator[None]:
    """Take heads, given as `(layer, head)`, out of the model while the `with` block runs.

    The output z of such a head becomes zero, or with `how="mean"` its mean: over all positions of the `reference`
    ids, or, without them, over all positions of the very text that runs (which lets a little of later tokens through,
    and cannot be had for padded texts or with a KV cache: these raise `ValueError`). Zero is a value that the rest of
    the model may never have met; the mean removes what the head says about this text and keeps what it says about
    every text. Raises `ValueError` for a head that does not exist.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> with ablate(model, heads=[(1, 3)]), trace(model, names=("z",)) as t:
    ...     _ = model(torch.tensor([[1, 2, 3]]))
    >>> t.z[1].abs().sum(dim=(0, 2, 3)) > 0
    tensor([ True,  True,  True, False])
    """
    if how not in ("zero", "mean"):
        raise ValueError(f"how must be 'zero' or 'mean', got {how!r}.")
    chosen = _checked_heads(model, heads)
    means: dict[Head, Tensor] = {}  # each Float[Tensor, "d_head"]
    if how == "mean" and reference is not None:
        with torch.no_grad(), trace(model, names=("z",)) as seen:
            model(reference)
        means = {(layer, head): seen.z[layer][:, head].mean(dim=(0, 1)) for layer, head in chosen}

    def edit(layer: int, of_layer: list[int], z: Tensor) -> Tensor:
        z = z.clone()
        for head in of_layer:
            if how == "zero":
                z[:, head] = 0
            else:
                z[:, head] = means.get((layer, head), z[:, head].mean(dim=(0, 1)))
        return z

    def before(_ids: Tensor, _start: int, keywords: dict) -> None:
        mask = keywords.get("attention_mask")
        if how == "mean" and reference is None and (keywords.get("cache") or (mask is not None and not mask.all())):
            raise ValueError(
                "The mean over the running text is not known with a KV cache or with padding. "
                "Give the text to take it from: ablate(…, how='mean', reference=ids)."
            )

    layers = sorted({layer for layer, _ in chosen})
    watchers: list[tuple[HookPoint, Watcher]] = [
        (_point(model, "z", layer), partial(edit, layer, [head for at, head in chosen if at == layer]))
        for layer in layers
    ]
    with _before_each_run(model, before), watching(watchers):
        yield


@contextlib.contextmanager
def patch(
    model: Transformer,
    source: Trace,
    name: str,
    layer: int,
    heads: Sequence[int] | None = None,
    positions: Sequence[int] | None = None,
) -> Iterator[None]:
    """Replace a value with the one from another run, the `source`, while the `with` block runs: activation patching.

    `heads` limits it to some heads (for `q`, `k`, `v`, `scores`, `pattern` and `z`), `positions` to some positions
    (queries). `residual` at layer `n_layers` is what leaves the last layer. A source of one text serves every text of
    a batch. Raises `ValueError` for a name, layer, head or position that is not there, and if the source's shape does
    not fit the run. Source: Vig et al. (2020), "Investigating Gender Bias in Language Models Using Causal Mediation
    Analysis"; Meng et al. (2022), "Locating and Editing Factual Associations in GPT".

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> with trace(model) as clean:
    ...     logits = model(torch.tensor([[1, 2, 3]]))
    >>> with patch(model, clean, "residual", layer=1):
    ...     patched = model(torch.tensor([[7, 8, 9]]))
    >>> torch.allclose(logits, patched, atol=1e-5)
    True
    """
    _known([name])
    given: Tensor = getattr(source, name)[_checked_layer(model, layer, extra=name == "residual")]
    n_positions, n_heads = given.shape[-2], given.shape[1] if given.ndim == 4 else 0
    if heads is not None and not n_heads:
        raise ValueError(f"{name!r} has no heads; its axes are: {POINTS[name][1]}.")
    for what, asked, limit in (("heads", heads, n_heads), ("positions", positions, n_positions)):
        if asked is not None and not all(0 <= number < limit for number in asked):
            raise ValueError(f"{what} must lie in 0 … {limit - 1} for this source's {name!r}, got {list(asked)}.")
    start, cached = 0, False

    def before(_ids: Tensor, at: int, keywords: dict) -> None:
        nonlocal start, cached
        start, cached = at, keywords.get("cache") is not None

    def edit(value: Tensor) -> Tensor:
        end = start + value.shape[-2]
        new = given[..., :end] if name in ("pattern", "scores") else given  # keys that this chunk can see
        if positions is None and (end > n_positions or (end < n_positions and not cached)):
            raise ValueError(
                f"The source has {n_positions} positions and this run has {end}. "
                "Use texts of equal length, or say which positions=… to replace."
            )
        if new.shape[0] not in (1, value.shape[0]) or new.shape[-1] != value.shape[-1]:
            raise ValueError(
                f"The source's {name!r} of shape {tuple(new.shape)} does not fit this run's {tuple(value.shape)}."
            )
        here = torch.tensor([p for p in positions or range(n_positions) if start <= p < end], dtype=torch.long)
        value = value.clone()
        if not n_heads:
            value[:, here - start] = new[:, here]
        else:
            rows = torch.tensor(range(n_heads) if heads is None else heads, dtype=torch.long)[:, None]
            value[:, rows, here - start] = new[:, rows, here]
        return value

    with _before_each_run(model, before), watching([(_point(model, name, layer), edit)]):
        yield


@contextlib.contextmanager
def _before_each_run(model: Transformer, function: Callable[[Tensor, int, dict], None]) -> Iterator[None]:
    """Call `function(ids, start, keywords)` before each forward pass; `start` is the number of cached positions."""

    def hook(_model: Any, args: tuple, keywords: dict) -> None:
        ids = args[0] if args else keywords["ids"]
        cache = keywords.get("cache")
        function(ids, cache.length if cache else 0, keywords)

    try:
        model.register_forward_pre_hook(hook, with_kwargs=True)
        yield
    finally:
        for key in [key for key, other in model._forward_pre_hooks.items() if other is hook]:
            del model._forward_pre_hooks[key]
            model._forward_pre_hooks_with_kwargs.pop(key, None)


def _known(names: Iterable[str] | None) -> tuple[str, ...]:
    asked = tuple(POINTS) if names is None else (names,) if isinstance(names, str) else tuple(names)
    if unknown := [name for name in asked if name not in POINTS]:
        raise ValueError(f"A model has no {unknown[0]!r} to look at; it has: {', '.join(POINTS)}.")
    return tuple(name for name in POINTS if name in asked)


def _point(model: Transformer, name: str, layer: int) -> HookPoint:
    at_the_end = layer == model.config.n_layers  # only the residual has this place
    path = "hook_residual_post" if at_the_end else POINTS[name][0]
    return attrgetter(path)(model.blocks[layer - at_the_end])


def _checked_layer(model: Transformer, layer: int, extra: bool = False) -> int:
    last = model.config.n_layers - 1 + extra
    if not 0 <= layer <= last:
        raise ValueError(f"There is no layer {layer}; this model has layers 0 … {last}.")
    return layer


def _checked_heads(model: Transformer, heads: Iterable[Sequence[int]]) -> list[Head]:
    c = model.config
    chosen = [(int(layer), int(head)) for layer, head in heads]
    for layer, head in chosen:
        if not (0 <= layer < c.n_layers and 0 <= head < c.n_heads):
            raise ValueError(
                f"There is no head {head} in layer {layer}: this model has layers 0 … {c.n_layers - 1}, "
                f"each with heads 0 … {c.n_heads - 1}."
            )
    return chosen
