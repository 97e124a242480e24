"""The alignment view shows a policy's reward, KL divergence and sampled answers while the policy learns."""

from llmlib.widgets.alignment.view import AlignmentView

__all__ = ["AlignmentView"]
