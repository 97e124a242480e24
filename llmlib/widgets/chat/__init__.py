"""The chat view shows a conversation with one or more models."""

from llmlib.widgets.chat.view import ChatView

__all__ = ["ChatView"]
