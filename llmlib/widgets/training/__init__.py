"""The training view shows live training curves, buttons to pause the runs, and samples as they improve."""

from llmlib.widgets.training.view import TrainingView

__all__ = ["TrainingView"]
