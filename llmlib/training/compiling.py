"""Use torch.compile, if there is a compiler, to fuse a model's operations into fewer, larger operations."""

import os
import shutil
import sys

import torch
from torch import nn

from llmlib.transformer import Transformer


def compiled(model: nn.Module, device: torch.device) -> nn.Module:
    """Return a faster version of the model, made by `torch.compile`, that shares the model's weights.

    The first call takes anywhere from seconds to minutes, because it compiles the model. Raises `ValueError` if there
    is no compiler.
    """
    require_compiler(device)
    return torch.compile(model)  # type: ignore[return-value]  # at run time, the result is a module


def compile_blocks(model: Transformer) -> None:
    """Compile each block in place. Do this before the model is split across processes (`llmlib.training.sharding`)."""
    require_compiler(model.device)
    for block in model.blocks:
        block.compile()


def require_compiler(device: torch.device) -> None:
    """Raise `ValueError` if `torch.compile` has no compiler for this kind of device on this machine."""
    if device.type == "cuda":
        try:
            import triton  # noqa: F401  # torch.compile writes GPU programs in Triton
        except ImportError:
            raise ValueError(
                "On a GPU, compile=True needs the package triton, which is not installed. Use compile=False."
            ) from None
        return
    asked, usual = os.environ.get("CXX"), ("cl",) if sys.platform == "win32" else ("g++", "clang++")
    if not any(shutil.which(name) for name in ([asked] if asked else usual)):
        raise ValueError(
            f"On a CPU, compile=True needs a C++ compiler, but there is no {asked or ' or '.join(usual)} here. "
            "Install one, or use compile=False."
        )
