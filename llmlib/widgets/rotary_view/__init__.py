"""The rotary view: rotary positions as dials."""

from llmlib.widgets.rotary_view.view import RotaryView

__all__ = ["RotaryView"]
