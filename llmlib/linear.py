"""Compute linear maps on all cores, even when a model generates text one token at a time."""

import math
import threading

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

WORTH_SHARING = 500_000  # with fewer weights, splitting saves microseconds, but can cost milliseconds if a core is busy


def linear(
    x: Float[Tensor, "*rows d_in"], weight: Float[Tensor, "d_out d_in"], bias: Float[Tensor, " d_out"] | None = None
) -> Float[Tensor, "*rows d_out"]:
    """Compute the same result as `F.linear`, but faster for a single row on the CPU.

    Generation sends one row at a time through every weight matrix, and most of the time is spent reading the weights.
    torch multiplies a float32 row by a matrix on one core. If we split the matrix into as many pieces as there are
    threads, the pieces form a batch of smaller matrices, which all cores read at the same time. By default, torch
    passes a bfloat16 or float16 row to oneDNN, which rearranges all the weights before each product; we use torch's own
    kernel, which reads the weights as they are.

    >>> linear(torch.ones(1, 3), torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]]))
    tensor([[6., 1.]])
    """
    if x.device.type != "cpu" or x.numel() != x.shape[-1]:
        return F.linear(x, weight, bias)
    if x.dtype in (torch.bfloat16, torch.float16):
        with _without_onednn:
            return F.linear(x, weight, bias)
    pieces = _pieces(x, weight)
    if pieces == 1:
        return F.linear(x, weight, bias)
    rows = x.reshape(1, 1, -1).expand(pieces, 1, -1)  # every piece gets the same row
    y = torch.bmm(rows, weight.unflatten(0, (pieces, -1)).mT).reshape(*x.shape[:-1], -1)
    return y if bias is None else y + bias


class Linear(nn.Linear):
    """An `nn.Linear` that calls `linear`; it is filled with zeros until `llmlib.layers.initialise` draws weights."""

    def reset_parameters(self) -> None:
        """Fill the layer with zeros; torch's version uses the global random state, and is slow on the meta device."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "*rows d_in"]) -> Float[Tensor, "*rows d_out"]:
        return linear(x, self.weight, self.bias)


def _pieces(x: Tensor, weight: Tensor) -> int:
    if weight.numel() >= WORTH_SHARING and x.dtype == torch.float32:
        return math.gcd(weight.shape[0], torch.get_num_threads())
    return 1


class _WithoutOneDNN:
    """Switches oneDNN off for the whole process while any thread is inside the `with` block.

    When the last thread leaves the block, the earlier setting is restored. If an interrupt keeps a thread from
    leaving the block properly, the thread stays in `inside` until it next enters and leaves a block.
    """

    def __init__(self) -> None:
        self.lock, self.inside, self.before = threading.Lock(), set[int](), True

    def __enter__(self) -> None:
        with self.lock:
            if not self.inside:
                self.before = bool(torch.backends.mkldnn.enabled)
            self.inside.add(threading.get_ident())
            torch.backends.mkldnn.enabled = False  # type: ignore[assignment]  # torch declares a descriptor

    def __exit__(self, *_: object) -> None:
        with self.lock:
            if self.inside <= {threading.get_ident()}:
                torch.backends.mkldnn.enabled = self.before  # type: ignore[assignment]
            self.inside.discard(threading.get_ident())


_without_onednn = _WithoutOneDNN()
