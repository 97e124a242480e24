"""The long-context view shows the loss by position, and how often a model finds a needle in a haystack."""

from llmlib.widgets.long_context.view import LongContextView, long_context_view

__all__ = ["LongContextView", "long_context_view"]
