"""The threshold view: what a score lets through and what it loses, and whether it can be believed."""

from llmlib.widgets.threshold.view import ThresholdView, threshold_view

__all__ = ["ThresholdView", "threshold_view"]
