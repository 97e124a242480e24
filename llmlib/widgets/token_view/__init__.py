"""The token view: a text in tokens, by several tokenizers."""

from llmlib.widgets.token_view.view import TokenView

__all__ = ["TokenView"]
