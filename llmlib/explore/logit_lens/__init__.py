"""The logit lens on a live model: what it would say after each layer.

`controller` answers the reader; `reader` runs the model, and reads only what has changed.
"""

from llmlib.explore.logit_lens.controller import explore_logit_lens

__all__ = ["explore_logit_lens"]
