"""Turn weights that are stored in 4 or 8 bits back into float32.

The `gguf` package can dequantise weights of every kind, but works on only sixteen rows at a time, which accounted for
half of the time that it took to load a model. This module handles the two kinds that the course's language model uses,
and gives the same results. We process the weights in numpy, piece by piece, because each piece fits into the
processor's cache, numpy releases Python's lock, and nothing has to wait for a busy core. (In torch, the same work took
0.3 s on free cores, but 12 s while another program was running, because torch's threads wait for the slowest one.)
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, UInt8

PER_BLOCK = 32  # how many weights share one scale
PIECE = 1 << 15  # how many blocks to convert at once


def from_q4_1(data: UInt8[np.ndarray, "*rows row_bytes"]) -> Float32[np.ndarray, "*rows width"]:
    """Dequantise blocks of 20 bytes to weights d · q + m.

    Each block holds a scale d and an offset m as float16, and then 32 numbers q of 4 bits each. The low halves of the
    last 16 bytes are the first 16 numbers, and the high halves are the last 16.

    >>> block = np.array([0, 60, 0, 56, *[0x21] * 16], dtype=np.uint8)  # d = 1, m = 0.5
    >>> from_q4_1(block)[[0, 31]].tolist()
    [1.5, 2.5]
    """
    blocks = data.reshape(-1, 4 + PER_BLOCK // 2)
    weights = np.empty((len(blocks), 2, PER_BLOCK // 2), dtype=np.float32)
    for start in range(0, len(blocks), PIECE):
        piece, out = blocks[start : start + PIECE], weights[start : start + PIECE]
        scale_offset = piece[:, :4].copy().view("<f2").astype(np.float32)  # Float32[ndarray, "block 2"]
        packed = piece[:, 4:]
        out[:, 0], out[:, 1] = packed & 15, packed >> 4
        out *= scale_offset[:, :1, None]
        out += scale_offset[:, 1:, None]
    return weights.reshape(*data.shape[:-1], -1)


def from_q8_0(data: UInt8[np.ndarray, "*rows row_bytes"]) -> Float32[np.ndarray, "*rows width"]:
    """Dequantise blocks of 34 bytes to weights d · q.

    Each block holds a scale d as float16, and then 32 signed bytes q.

    >>> from_q8_0(np.array([0, 56, *[2] * 31, 255], dtype=np.uint8))[[0, 31]].tolist()  # d = 0.5
    [1.0, -0.5]
    """
    blocks = data.reshape(-1, 2 + PER_BLOCK)
    weights = np.empty((len(blocks), PER_BLOCK), dtype=np.float32)
    for start in range(0, len(blocks), PIECE):
        piece = blocks[start : start + PIECE]
        scale = piece[:, :2].copy().view("<f2").astype(np.float32)  # Float32[ndarray, "block 1"]
        np.multiply(piece[:, 2:].view(np.int8), scale, out=weights[start : start + PIECE])
    return weights.reshape(*data.shape[:-1], -1)


DEQUANTISE: dict[str, Callable[[np.ndarray], np.ndarray]] = {"Q4_1": from_q4_1, "Q8_0": from_q8_0}
