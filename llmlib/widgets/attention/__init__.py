"""The attention view shows all heads at a glance, one head, or one token, and can show two runs side by side."""

from llmlib.widgets.attention.view import AttentionView, AttentionWarning, attention_view

__all__ = ["AttentionView", "AttentionWarning", "attention_view"]
