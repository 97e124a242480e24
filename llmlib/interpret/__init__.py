"""Look inside a model through its hook points, and change what happens there.

`trace` records values, `ablate` switches heads off, `patch` inserts a value from another run, and `head_scores` scores
attention patterns. `logit_lens` shows what a model would predict after each layer, `direct_logit_attribution` shows
which parts contribute to a logit, and `neurons` shows which texts activate a unit most strongly. Context managers act
in the order in which you open them. For example, a `trace` inside an `ablate` records the ablated values. If two
context managers edit the same value, the inner one edits the value last.
"""

from llmlib.hooks import hooked
from llmlib.interpret.attribution import Attribution, NormNotFoldedWarning, direct_logit_attribution, head_contributions
from llmlib.interpret.intervening import ablate, patch
from llmlib.interpret.lens import LogitLens, logit_lens
from llmlib.interpret.neurons import Excitation, neurons
from llmlib.interpret.points import POINTS, Head
from llmlib.interpret.tracing import MemoryWarning, Trace, trace, trace_bytes

__all__ = [
    "POINTS",
    "Attribution",
    "Excitation",
    "Head",
    "LogitLens",
    "MemoryWarning",
    "NormNotFoldedWarning",
    "Trace",
    "ablate",
    "direct_logit_attribution",
    "head_contributions",
    "hooked",
    "logit_lens",
    "neurons",
    "patch",
    "trace",
    "trace_bytes",
]
