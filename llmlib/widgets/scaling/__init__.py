"""The scaling view: the loss that a scaling law predicts for a model, and what its training takes."""

from llmlib.widgets.scaling.view import ScalingView

__all__ = ["ScalingView"]
