"""The alignment view shows the reward and KL divergence of a policy as it learns, and its sampled answers."""

from llmlib.widgets.alignment.view import AlignmentView

__all__ = ["AlignmentView"]
