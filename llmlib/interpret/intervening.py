"""Change what passes through a model: `ablate` switches heads off, and `patch` inserts a value from another run."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from llmlib.hooks import HookFunction, HookPoint, hooked
from llmlib.interpret.points import POINTS, Head, before_each_run, checked_heads, checked_layer, known, point_at
from llmlib.interpret.tracing import Trace, trace
from llmlib.transformer import Transformer


@contextlib.contextmanager
def ablate(
    model: Transformer,
    heads: Iterable[Sequence[int]],
    how: Literal["zero", "mean"] = "zero",
    reference: Int[Tensor, "batch seq"] | None = None,
) -> Iterator[None]:
    """Switch off heads, given as `(layer, head)`, while the `with` block runs.

    A head's output z becomes zero or, with `how="mean"`, the mean of z over all positions of the `reference` ids.
    Without a reference, we take the mean over the current text; such a mean lets a little information from later tokens
    through. Zero may be a value that the rest of the model has never seen. The mean removes what is particular to
    this text, but keeps what the head adds in every text. Raises `ValueError` for a head that does not exist, and for
    padding or a KV cache if we take the mean over the current text.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> with ablate(model, heads=[(1, 3)]), trace(model, names=("z",)) as t:
    ...     _ = model(torch.tensor([[1, 2, 3]]))
    >>> t.z[1].abs().sum(dim=(0, 2, 3)) > 0
    tensor([ True,  True,  True, False])
    """
    if how not in ("zero", "mean"):
        raise ValueError(f"how must be 'zero' or 'mean', got {how!r}.")
    chosen = checked_heads(model, heads)
    means: dict[Head, Tensor] = {}  # each mean is a Float[Tensor, "d_head"]
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
                "With a KV cache or padding, ablate cannot compute the mean over the current text. Say which text to "
                "average over: ablate(…, how='mean', reference=ids)."
            )

    layers = sorted({layer for layer, _ in chosen})
    hooks: list[tuple[HookPoint, HookFunction]] = [
        (point_at(model, "z", layer), partial(edit, layer, [head for at, head in chosen if at == layer]))
        for layer in layers
    ]
    with before_each_run(model, before), hooked(hooks):
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
    """Replace the value `name` in a layer with the value from another run, the `source`, inside the `with` block.

    This is called activation patching. `heads` limits the patch to specific heads (for `q`, `k`, `v`, `scores`,
    `pattern` and `z`), and `positions` limits it to specific positions (queries). `residual` at layer `n_layers` is the
    output of the last layer. A source with a single text is used for every text in a batch. Raises `ValueError` for a
    name, layer, head or position that does not exist, or if the source's shape does not fit the run. Sources: Vig et
    al. (2020), "Investigating Gender Bias in Language Models Using Causal Mediation Analysis"; Meng et al. (2022),
    "Locating and Editing Factual Associations in GPT".

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> with trace(model) as clean:
    ...     logits = model(torch.tensor([[1, 2, 3]]))
    >>> with patch(model, clean, "residual", layer=1):
    ...     patched = model(torch.tensor([[7, 8, 9]]))
    >>> torch.allclose(logits, patched, atol=1e-5)
    True
    """
    known([name])
    given: Tensor = getattr(source, name)[checked_layer(model, layer, extra=name == "residual")]
    n_positions, n_heads = given.shape[-2], given.shape[1] if given.ndim == 4 else 0
    if heads is not None and not n_heads:
        raise ValueError(f"{name!r} has no heads; its axes are: {POINTS[name][1]}.")
    for what, asked, limit in (("heads", heads, n_heads), ("positions", positions, n_positions)):
        if asked is not None and not all(0 <= number < limit for number in asked):
            raise ValueError(f"{what} must be between 0 and {limit - 1} in this source's {name!r}, got {list(asked)}.")
    start, cached = 0, False

    def before(_ids: Tensor, at: int, keywords: dict) -> None:
        nonlocal start, cached
        start, cached = at, keywords.get("cache") is not None

    def edit(value: Tensor) -> Tensor:
        end = start + value.shape[-2]
        new = given[..., :end] if name in ("pattern", "scores") else given  # keep only the keys that this chunk can see
        if positions is None and (end > n_positions or (end < n_positions and not cached)):
            raise ValueError(
                f"The source has {n_positions} positions, but this run has {end}. "
                "Use texts of the same length, or use positions=… to choose what to replace."
            )
        if new.shape[0] not in (1, value.shape[0]) or new.shape[-1] != value.shape[-1]:
            raise ValueError(
                f"The source's {name!r} has shape {tuple(new.shape)}, which does not fit this run's "
                f"{tuple(value.shape)}."
            )
        here = torch.tensor([p for p in positions or range(n_positions) if start <= p < end], dtype=torch.long)
        value = value.clone()
        if not n_heads:
            value[:, here - start] = new[:, here]
        else:
            rows = torch.tensor(range(n_heads) if heads is None else heads, dtype=torch.long)[:, None]
            value[:, rows, here - start] = new[:, rows, here]
        return value

    with before_each_run(model, before), hooked([(point_at(model, name, layer), edit)]):
        yield
