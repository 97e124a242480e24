"""The logit-lens view: what a model would predict if it stopped after some layer, and which parts wrote a logit."""

from llmlib.widgets.logit_lens.view import LogitLensView, logit_lens_view

__all__ = ["LogitLensView", "logit_lens_view"]
