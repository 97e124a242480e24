"""Encode attention patterns as bytes; data.mjs explains what a code means."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

TOP, NAN_CODE = 254, 255
TOLERANCE = 0.02  # a row's sum may differ from 1 by this much; a half-precision softmax comes close to this limit


class Coded(NamedTuple):
    """Attention patterns with one byte for each weight: code c means scale · (c / 254)², and 255 means NaN."""

    codes: bytes
    causal: bool  # `codes` holds only the lower triangle of each head, row by row
    scale: float
    notes: list[str]  # remarks about the patterns, to show to the user


def as_array(patterns: Any) -> Float[np.ndarray, "layer head query key"]:
    """Turn patterns in any of the usual forms into one float32 array.

    `patterns` may be an array with the axes `layer head query key` (the first axes may be missing), or a sequence with
    one array per layer, as `transformers` returns with `output_attentions=True`; if each of these arrays begins
    with a batch axis, the length of this axis must be 1. Raises `ValueError` for anything else.
    """
    if isinstance(patterns, list | tuple) and patterns:
        layers = [_numbers(layer) for layer in patterns]
        if any(layer.shape[0] != 1 for layer in layers if layer.ndim == 4):
            raise ValueError(
                f"These patterns are for a batch of {layers[0].shape[0]} texts, but a view shows only one text. "
                "Choose one text: [layer[:1] for layer in attentions]."
            )
        layers = [layer[0] if layer.ndim == 4 else layer for layer in layers]
        if any(layer.shape != layers[0].shape for layer in layers):
            raise ValueError(
                "All layers must have the same number of heads and tokens; got the shapes "
                f"{', '.join(str(layer.shape) for layer in layers)}. If you use a KV cache, run the whole text at once."
            )
        array = np.stack(layers)
    else:
        array = _numbers(patterns)
    if not 2 <= array.ndim <= 4:
        raise ValueError(
            f"Patterns must have the axes (layer, head, query, key); got {array.ndim} axes: {array.shape}."
        )
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def _numbers(value: Any) -> np.ndarray:
    """Detach a torch tensor, move it to the CPU, and turn it into a numpy array, without importing torch."""
    if hasattr(value, "detach"):
        value = value.detach().float().cpu().numpy()
    return np.asarray(value, dtype=np.float32)


def check(patterns: Float[np.ndarray, "layer head query key"], n_tokens: int) -> None:
    """Raise `ValueError` unless the patterns are attention weights between `n_tokens` tokens."""
    if n_tokens == 0:
        raise ValueError("There are no tokens to show; an attention view needs at least one token.")
    n_layers, n_heads, n_query, n_key = patterns.shape
    if n_layers == 0 or n_heads == 0:
        raise ValueError(f"There are no heads to show: the patterns have the shape {patterns.shape}.")
    if (n_query, n_key) != (n_tokens, n_tokens):
        raise ValueError(
            f"There are {n_tokens} tokens, but the patterns have {n_query} queries × {n_key} keys. "
            "Both must come from the same text. Does only one of the two include a begin-of-text token?"
        )
    low, high = np.fmin.reduce(patterns, axis=None), np.fmax.reduce(patterns, axis=None)
    if low < 0 or np.isinf(high):
        raise ValueError(
            f"Attention weights must be between 0 and 1; got values from {low:.3g} to {high:.3g}. "
            "Are these the scores before the softmax?"
        )


def encode(patterns: Float[np.ndarray, "layer head query key"]) -> Coded:
    """Encode patterns as bytes, and add notes on the patterns for the user.

    >>> coded = encode(np.array([[[[1.0, 0.0], [0.25, 0.75]]]], dtype=np.float32))
    >>> list(coded.codes), coded.causal, coded.scale
    ([254, 127, 220], True, 1.0)
    """
    n = patterns.shape[-1]
    causal = not patterns[..., *np.triu_indices(n, 1)].any() if n <= 64 else _is_causal(patterns)
    largest = float(np.fmax.reduce(patterns, axis=None, initial=0.0))
    scale = largest if largest > 1 + TOLERANCE else 1.0
    weights = patterns[..., *np.tril_indices(n)] if causal else patterns.reshape(*patterns.shape[:2], -1)
    return Coded(quantise(weights, scale).tobytes(), causal, scale, remarks(patterns))


def quantise(weights: Float[np.ndarray, "*shape"], scale: float = 1.0) -> UInt8[np.ndarray, "*shape"]:
    """Find the code nearest to each weight.

    A decoded weight w is off by at most scale · √(w / scale) / 254: by 0.004 at w = 1, and by 0.0002 at w = 0.002.
    """
    roots = np.sqrt(np.minimum(weights / np.float32(scale), np.float32(1)))
    roots *= TOP
    roots += np.float32(0.5)
    missing = np.isnan(roots)
    codes = np.where(missing, 0, roots).astype(np.uint8) if missing.any() else roots.astype(np.uint8)
    codes[missing] = NAN_CODE
    return codes


def decode(codes: UInt8[np.ndarray, "*shape"], scale: float = 1.0) -> Float[np.ndarray, "*shape"]:
    """Turn codes back into weights."""
    weights = (scale * (codes / TOP) ** 2).astype(np.float32)
    weights[codes == NAN_CODE] = np.nan
    return weights


def _is_causal(patterns: np.ndarray) -> bool:
    """Return whether patterns are causal.

    The rows are checked one by one, because an index for a long text's whole upper triangle would be large.
    """
    return not any(patterns[..., i, i + 1 :].any() for i in range(patterns.shape[-1]))


def remarks(patterns: Float[np.ndarray, "layer head query key"]) -> list[str]:
    """Write one sentence if there are NaN values, and another if there are rows that do not sum to one."""
    sums = patterns.sum(-1)
    notes = []
    for wrong, what in (
        (np.isnan(sums), "contain NaN"),
        (np.abs(sums - 1) > TOLERANCE, "have rows that do not sum to 1"),
    ):
        if wrong.any():
            layer, head, query = np.argwhere(wrong)[0]
            number, total = int(wrong.any(-1).sum()), wrong.shape[0] * wrong.shape[1]
            value = sums[layer, head, query]
            example = "" if np.isnan(value) else f": {value:.3g}"
            notes.append(
                f"{number} of {total} heads {what}, for example layer {layer}, head {head}, query {query}{example}."
            )
    return notes
