"""The logit-lens view shows what a model would predict after each layer, and which parts contributed to a logit."""

from llmlib.widgets.logit_lens.view import LogitLensView, logit_lens_view

__all__ = ["LogitLensView", "logit_lens_view"]
