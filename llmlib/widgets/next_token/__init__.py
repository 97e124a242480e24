"""The next-token view shows the text so far, and how probable each continuation is."""

from llmlib.widgets.next_token.view import NextTokenView

__all__ = ["NextTokenView"]
