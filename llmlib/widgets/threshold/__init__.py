"""The threshold view shows which answers a score lets through or holds back, and whether the score can be trusted."""

from llmlib.widgets.threshold.view import ThresholdView, threshold_view

__all__ = ["ThresholdView", "threshold_view"]
