"""The tokens view shows how several tokenizers split a text into tokens."""

from llmlib.widgets.tokens.view import TokensView

__all__ = ["TokensView"]
