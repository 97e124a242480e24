"""The attention stepper: one query's attention, step by step."""

from llmlib.widgets.attention_stepper.view import AttentionStepper, attention_stepper

__all__ = ["AttentionStepper", "attention_stepper"]
