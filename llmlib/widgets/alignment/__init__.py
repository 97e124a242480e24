"""The alignment view shows a policy's reward and KL divergence as it learns, and its sampled answers."""

from llmlib.widgets.alignment.view import AlignmentView

__all__ = ["AlignmentView"]
