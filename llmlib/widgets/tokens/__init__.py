"""The tokens view: a text in tokens, by several tokenizers."""

from llmlib.widgets.tokens.view import TokensView

__all__ = ["TokensView"]
