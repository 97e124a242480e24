"""What tuning changed: how much each token of a conversation has become likelier or less likely."""

from llmlib.widgets.tuning.view import TuningView, tuning_view

__all__ = ["TuningView", "tuning_view"]
