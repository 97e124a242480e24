"""Find the texts that activate an MLP unit most strongly."""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from tqdm.auto import tqdm

from llmlib.hooks import hooked
from llmlib.interpret.points import checked_layer, point_at
from llmlib.transformer import Transformer

Unit = tuple[int, int]  # (layer, unit)


@runtime_checkable
class Encoder(Protocol):
    """A tokenizer with the one method that `neurons` needs."""

    def encode(self, text: str, /) -> list[int]: ...


@dataclass(frozen=True, order=True)
class Excitation:
    """Says how strongly one position in a text activated a unit."""

    value: float
    text: str
    ids: tuple[int, ...]
    position: int  # where `value` occurs: an index into `ids`
    values: tuple[float, ...]  # the unit's activation at every id


def neurons(
    model: Transformer,
    tokenizer: Encoder,
    texts: Iterable[str],
    units: Sequence[Unit],
    k: int = 10,
    progress: bool = True,
) -> dict[Unit, list[Excitation]]:
    """Find the `k` texts that activate each unit most strongly, strongest first; a unit is given as `(layer, unit)`.

    The activation is what the unit passes on to the MLP's output matrix (after GELU, or gate times value in SwiGLU).
    Each text counts once, at the position with the highest activation. A text that is longer than the model's context
    is read in separate parts. The model reads one text at a time, and only the best texts are kept. Raises `ValueError`
    for a unit that does not exist, for a model without MLPs, or if there are no texts. Source: Geva et al. (2021),
    "Transformer Feed-Forward Layers Are Key-Value Memories".

    >>> from llmlib import CharTokenizer, Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=3, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> best = neurons(model, CharTokenizer("abc"), ["abc", "ccc"], units=[(1, 5)], k=1, progress=False)
    >>> len(best[1, 5]), best[1, 5][0].value == max(best[1, 5][0].values)
    (1, True)
    """
    for layer, unit in units:
        checked_layer(model, layer)
        if not 0 <= unit < model.config.d_mlp:
            what = f"units 0 to {model.config.d_mlp - 1}" if model.config.d_mlp else "no MLPs"
            raise ValueError(f"There is no unit {unit} in layer {layer}: this model has {what}.")
    best: dict[Unit, list[Excitation]] = {(layer, unit): [] for layer, unit in units}
    by_layer = {layer: torch.tensor([u for at, u in best if at == layer]) for layer in {layer for layer, _ in best}}
    seen: dict[int, torch.Tensor] = {}  # activations for each layer, [seq, unit]

    def keep(layer: int, value: torch.Tensor) -> None:
        seen[layer] = value[0][:, by_layer[layer].to(value.device)].float().cpu()

    hooks = [(point_at(model, "mlp", layer), lambda value, layer=layer: keep(layer, value)) for layer in by_layer]
    read = 0
    with torch.inference_mode(), hooked(hooks):
        for text in tqdm(texts, desc="reading", unit="text", disable=not progress):
            ids = tokenizer.encode(text)
            for start in range(0, len(ids), model.config.max_seq_len):
                part = tuple(ids[start : start + model.config.max_seq_len])
                model(torch.tensor([part], device=model.device), last_only=True)
                read += 1
                for layer, which in by_layer.items():
                    for column, unit in enumerate(which.tolist()):
                        _note(best[layer, unit], seen[layer][:, column], text, part, k)
    if not read:
        raise ValueError("There are no texts to read.")
    return {unit: sorted(kept, reverse=True) for unit, kept in best.items()}


def _note(kept: list[Excitation], values: torch.Tensor, text: str, ids: tuple[int, ...], k: int) -> None:
    """Put a text into the heap if it is among the `k` best, unless the heap already holds it with a higher value."""
    value, position = values.max(0)
    if len(kept) == k and value.item() <= kept[0].value:
        return
    found = Excitation(value.item(), text, ids, int(position), tuple(values.tolist()))
    same = next((number for number, other in enumerate(kept) if other.text == text), None)
    if same is not None:
        kept[same] = max(kept[same], found)
        heapq.heapify(kept)
    elif len(kept) < k:
        heapq.heappush(kept, found)
    else:
        heapq.heapreplace(kept, found)
