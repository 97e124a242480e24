"""The next-token view shows a text so far, and how probable each continuation is."""

from llmlib.widgets.next_token.view import NextTokenView

__all__ = ["NextTokenView"]
