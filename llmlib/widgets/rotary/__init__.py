"""The rotary view: rotary positions as dials."""

from llmlib.widgets.rotary.view import RotaryView

__all__ = ["RotaryView"]
