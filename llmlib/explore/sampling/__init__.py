"""Show in the sampling view how settings affect a live model's next token, how a text branches, and how texts compare.

`controller` carries out the user's actions, `rules` says which token may come next, and `lanes` writes several texts in
one batch.
"""

from llmlib.explore.sampling.controller import explore_sampling

__all__ = ["explore_sampling"]
