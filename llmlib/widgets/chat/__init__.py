"""The chat view: a conversation with one or several models."""

from llmlib.widgets.chat.view import ChatView

__all__ = ["ChatView"]
