"""The training view: live curves of runs, buttons to pause them, and samples as they improve."""

from llmlib.widgets.training.view import TrainingView

__all__ = ["TrainingView"]
