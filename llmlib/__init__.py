"""llmlib: the library beneath the course on how large language models work.

Names are loaded on first use, so that `import llmlib` is quick and a part that needs no torch stays free of it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmlib.chat import chat as chat
    from llmlib.exercises import check as check
    from llmlib.exercises import hint as hint
    from llmlib.exercises import predict as predict
    from llmlib.exercises import progress as progress
    from llmlib.exercises import quiz as quiz
    from llmlib.exercises import solution as solution
    from llmlib.exercises import task as task
    from llmlib.interpret import ablate as ablate
    from llmlib.interpret import patch as patch
    from llmlib.interpret import trace as trace
    from llmlib.pretrained import load_pretrained as load_pretrained
    from llmlib.sampling import Sampler as Sampler
    from llmlib.sampling import generate as generate
    from llmlib.tokenization import load_tokenizer as load_tokenizer
    from llmlib.transformer import Transformer as Transformer
    from llmlib.transformer import TransformerConfig as TransformerConfig
    from llmlib.widgets.attention_explorer import attention_view as attention_view

__version__ = "0.1.0"

_HOME = {
    "load_tokenizer": "tokenization",
    "load_pretrained": "pretrained",
    "Transformer": "transformer",
    "TransformerConfig": "transformer",
    "generate": "sampling",
    "Sampler": "sampling",
    "chat": "chat",
    "trace": "interpret",
    "ablate": "interpret",
    "patch": "interpret",
    "attention_view": "widgets.attention_explorer",
    **dict.fromkeys(("check", "hint", "predict", "progress", "quiz", "solution", "task"), "exercises"),
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"llmlib has no attribute {name!r}; it offers: {', '.join(sorted(_HOME))}")
    value = getattr(importlib.import_module(f"llmlib.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
