"""Looking inside a model and changing what happens there, from outside, through its hook points.

`trace` records, `ablate` switches heads off, `patch` brings in a value from another run; `head_scores` puts numbers on
patterns. `logit_lens` tells what a model would say after each layer, `direct_logit_attribution` who wrote a logit,
`neurons` what excites a unit. Contexts act in the order in which they are opened: a `trace` inside an `ablate` records
the ablated values, and of two edits at one place the inner one has the last word.
"""

from llmlib.hooks import watching
from llmlib.interpret.attribution import Attribution, NormNotFolded, direct_logit_attribution, head_contributions
from llmlib.interpret.intervening import ablate, patch
from llmlib.interpret.lens import LogitLens, logit_lens
from llmlib.interpret.neurons import Excitation, neurons
from llmlib.interpret.points import POINTS, Head
from llmlib.interpret.tracing import MemoryNotice, Trace, trace, trace_bytes

__all__ = [
    "POINTS",
    "Attribution",
    "Excitation",
    "Head",
    "LogitLens",
    "MemoryNotice",
    "NormNotFolded",
    "Trace",
    "ablate",
    "direct_logit_attribution",
    "head_contributions",
    "logit_lens",
    "neurons",
    "patch",
    "trace",
    "trace_bytes",
    "watching",
]
