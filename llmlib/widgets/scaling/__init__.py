"""The scaling view: what parameters, tokens and machines give, by a scaling law."""

from llmlib.widgets.scaling.view import ScalingView

__all__ = ["ScalingView"]
