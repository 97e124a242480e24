"""The tuning view shows how much more or less likely each token of a conversation has become through tuning."""

from llmlib.widgets.tuning.view import TuningView, tuning_view

__all__ = ["TuningView", "tuning_view"]
