"""The rotary view shows rotary position embeddings as dials."""

from llmlib.widgets.rotary.view import RotaryView

__all__ = ["RotaryView"]
