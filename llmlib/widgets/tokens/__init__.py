"""The tokens view: a text, split into tokens by several tokenizers."""

from llmlib.widgets.tokens.view import TokensView

__all__ = ["TokensView"]
