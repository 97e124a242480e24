"""Pack the cells of a logit lens as bytes; `unpack` in data.mjs reads them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

SHOWN = 5  # candidates per cell
PENDING = -1  # the rank in a cell that is not computed yet


@dataclass(frozen=True)
class Cells:
    """What each cell shows: the likeliest tokens, the rank of the final answer, and the entropy."""

    top: Int[np.ndarray, "layer seq k"]  # ids, the likeliest first
    probabilities: Float[np.ndarray, "layer seq k"]
    ranks: Int[np.ndarray, "layer seq"]  # how many tokens are likelier than the final answer
    entropy: Float[np.ndarray, "layer seq"]  # nats

    def pack(self) -> bytes:
        """Pack the cells in little-endian order.

        First come the ids and the ranks (u4), then the entropies (f4), and the square roots of the probabilities (u2,
        in 65535ths).
        """
        roots = np.sqrt(np.clip(np.nan_to_num(self.probabilities), 0, 1)) * 65535 + 0.5
        parts = (self.top.astype("<u4"), self.ranks.astype("<u4"), self.entropy.astype("<f4"), roots.astype("<u2"))
        return b"".join(part.tobytes() for part in parts)

    @staticmethod
    def unpack(packed: bytes, n_layers: int, seq: int, k: int) -> "Cells":
        n = n_layers * seq
        place, many = (n_layers, seq), (n_layers, seq, k)
        top = np.frombuffer(packed, "<u4", n * k).reshape(many)
        ranks = np.frombuffer(packed, "<u4", n, offset=4 * n * k).reshape(place)
        entropy = np.frombuffer(packed, "<f4", n, offset=4 * n * (k + 1)).reshape(place)
        roots = np.frombuffer(packed, "<u2", n * k, offset=4 * n * (k + 2)).reshape(many)
        return Cells(top.astype(int), (roots / 65535.0) ** 2, ranks.astype(int), entropy)


def cells_of(logits: Any) -> Cells:
    """Compute all cells of a grid from the complete logits.

    >>> cells = cells_of(np.log([[[0.2, 0.3, 0.5]], [[0.6, 0.3, 0.1]]]))
    >>> cells.top[:, 0, 0], cells.probabilities[:, 0, 0].round(3), cells.ranks[:, 0]
    (array([2, 0]), array([0.5, 0.6]), array([2, 0]))
    """
    scores = np.asarray(logits, dtype=np.float64)
    shifted = scores - scores.max(-1, keepdims=True)
    logprobs = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    probabilities = np.exp(logprobs)
    top = np.argsort(-logprobs, axis=-1, kind="stable")[..., : min(SHOWN, scores.shape[-1])]
    answers = np.broadcast_to(top[-1:, :, :1], (*scores.shape[:2], 1))
    ranks = (logprobs > np.take_along_axis(logprobs, answers, -1)).sum(-1)
    entropy = -(probabilities * np.where(probabilities > 0, logprobs, 0)).sum(-1)
    return Cells(top, np.take_along_axis(probabilities, top, -1), ranks, entropy)
