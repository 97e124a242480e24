"""The sampling view: what each setting does to the next token's distribution, and the branches that were written."""

from llmlib.widgets.sampling.view import SamplingView, sampling_view

__all__ = ["SamplingView", "sampling_view"]
