"""The alignment view: reward and KL of a policy as it learns, and the answers that it samples."""

from llmlib.widgets.alignment.view import AlignmentView

__all__ = ["AlignmentView"]
