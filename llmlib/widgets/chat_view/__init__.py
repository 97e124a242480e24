"""The chat view: a conversation."""

from llmlib.widgets.chat_view.view import ChatView

__all__ = ["ChatView"]
