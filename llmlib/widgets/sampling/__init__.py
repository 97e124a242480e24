"""The sampling view shows how each setting changes the next token's distribution, and how a text branches."""

from llmlib.widgets.sampling.view import SamplingView, sampling_view

__all__ = ["SamplingView", "sampling_view"]
