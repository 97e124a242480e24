"""The logit lens: what a model would say if it stopped after some layer, and who wrote a logit."""

from llmlib.widgets.logit_lens.view import LogitLensView, logit_lens_view

__all__ = ["LogitLensView", "logit_lens_view"]
