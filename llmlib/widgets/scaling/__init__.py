"""The scaling view shows the loss that a scaling law predicts for a model, and what it costs to train the model."""

from llmlib.widgets.scaling.view import ScalingView

__all__ = ["ScalingView"]
