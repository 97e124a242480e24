"""The attention view: all heads at a glance, then one head, then one token; two runs side by side."""

from llmlib.widgets.attention.view import AttentionView, AttentionWarning, attention_view

__all__ = ["AttentionView", "AttentionWarning", "attention_view"]
