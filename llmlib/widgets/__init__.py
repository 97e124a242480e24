"""Interactive views. They take plain arrays and strings and know nothing of models, so they serve anybody's."""

import importlib
from typing import Any

try:
    import anywidget  # noqa: F401
except ImportError as error:
    raise ImportError(
        f'The interactive views need the course\'s packages ({error}): pip install "llmlib[course]"'
    ) from error

_HOME = {
    "NextTokenView": "next_token",
    "ChatView": "chat_view",
    "BPEStepper": "bpe_stepper",
    "TokenView": "token_view",
    "RotaryView": "rotary_view",
    "AttentionView": "attention_explorer",
    "attention_view": "attention_explorer",
    "AttentionStepper": "attention_stepper",
    "EmbeddingView": "embedding_explorer",
    "embedding_view": "embedding_explorer",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"llmlib.widgets has no {name!r}; it offers: {', '.join(__all__)}")
    return getattr(importlib.import_module(f"llmlib.widgets.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__  # so that the Tab key offers what can be used
