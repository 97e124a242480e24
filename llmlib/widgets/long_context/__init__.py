"""The long context view: loss by position, and where a needle in a haystack is found."""

from llmlib.widgets.long_context.view import LongContextView, long_context_view

__all__ = ["LongContextView", "long_context_view"]
