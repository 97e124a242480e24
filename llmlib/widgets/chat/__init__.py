"""The chat view: a conversation."""

from llmlib.widgets.chat.view import ChatView

__all__ = ["ChatView"]
