"""The alignment view: reward and KL of a policy as it learns, and what it answers."""

from llmlib.widgets.alignment.view import AlignmentView

__all__ = ["AlignmentView"]
