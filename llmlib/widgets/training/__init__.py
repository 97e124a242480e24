"""The training dashboard: the curves of runs that are under way, buttons to pause them, samples as they improve."""

from llmlib.widgets.training.view import TrainingView

__all__ = ["TrainingView"]
