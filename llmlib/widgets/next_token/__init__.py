"""The next-token view: a text so far, and how probable each continuation is."""

from llmlib.widgets.next_token.view import NextTokenView

__all__ = ["NextTokenView"]
