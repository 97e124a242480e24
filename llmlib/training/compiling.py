"""torch.compile, where a compiler is at hand: the operations of a model fused into fewer and larger ones."""

import os
import shutil
import sys

import torch
from torch import nn

from llmlib.transformer import Transformer


def compiled(model: nn.Module, device: torch.device) -> nn.Module:
    """The model as `torch.compile` makes it quicker; the model itself stays as it is, and they share their weights.

    The first call takes from seconds to minutes, for the compiler. Raises `ValueError` where there is none.
    """
    require_compiler(device)
    return torch.compile(model)  # type: ignore[return-value]  # a module, says its type at run time


def compile_blocks(model: Transformer) -> None:
    """Compile each block in place, for a model that will be cut into them (`llmlib.training.sharding`)."""
    require_compiler(model.device)
    for block in model.blocks:
        block.compile()


def require_compiler(device: torch.device) -> None:
    """Raise `ValueError` if `torch.compile` has no compiler for that kind of device here."""
    if device.type == "cuda":
        try:
            import triton  # noqa: F401  # torch generates programs in its language for GPUs
        except ImportError:
            raise ValueError(
                "compile=True needs the package triton on a GPU, and it is not installed. Use compile=False."
            ) from None
        return
    asked, usual = os.environ.get("CXX"), ("cl",) if sys.platform == "win32" else ("g++", "clang++")
    if not any(shutil.which(name) for name in ([asked] if asked else usual)):
        raise ValueError(
            f"compile=True needs a C++ compiler on a CPU, and there is no {asked or ' or '.join(usual)} here. "
            "Install one, or use compile=False."
        )
