"""Looking inside a model and changing what happens there, from outside, through its hook points.

`trace` records, `ablate` switches heads off, `patch` brings in a value from another run; `head_scores` puts numbers on
patterns. Contexts act in the order in which they are opened: a `trace` inside an `ablate` records the ablated values,
and of two edits at one place the inner one has the last word.
"""

from llmlib.hooks import watching
from llmlib.interpret.intervening import ablate, patch
from llmlib.interpret.points import POINTS, Head
from llmlib.interpret.tracing import MemoryNotice, Trace, trace, trace_bytes

__all__ = ["POINTS", "Head", "MemoryNotice", "Trace", "ablate", "patch", "trace", "trace_bytes", "watching"]
