"""The attention view: all heads at a glance, one head, or one token; also two runs side by side."""

from llmlib.widgets.attention.view import AttentionView, AttentionWarning, attention_view

__all__ = ["AttentionView", "AttentionWarning", "attention_view"]
