"""The attention-steps view shows one query's attention, step by step."""

from llmlib.widgets.attention_steps.view import AttentionStepsView, attention_steps_view

__all__ = ["AttentionStepsView", "attention_steps_view"]
