"""The sampling view shows what each setting does to the next token's distribution, and the branches of a text."""

from llmlib.widgets.sampling.view import SamplingView, sampling_view

__all__ = ["SamplingView", "sampling_view"]
