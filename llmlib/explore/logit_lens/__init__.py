"""Apply the logit lens to a live model, to show what the model would say after each layer.

`controller` carries out the user's actions; `reader` runs the model, and rereads only what has changed.
"""

from llmlib.explore.logit_lens.controller import explore_logit_lens

__all__ = ["explore_logit_lens"]
