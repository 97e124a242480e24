"""The sampling lab: what each setting does to the next token's distribution, and the branches that were written."""

from llmlib.widgets.sampling_lab.view import SamplingLabView, sampling_lab_view

__all__ = ["SamplingLabView", "sampling_lab_view"]
