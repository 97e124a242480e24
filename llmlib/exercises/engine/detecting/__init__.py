"""What is the matter with a wrong result, for any exercise: found by computing, never by guessing.

A `Guess` says how the result may have come about ("it is √d_head times as large", "as if `k` were one larger"). It is
only told if it gives what the attempt gave, in every case. `results` guesses from the expected value, `inputs` runs
the reference on changed arguments, `influence` changes an argument and runs the attempt again, `places` looks where
and when it is wrong, `infinity` at what stands for −∞, `aliases` for a second name that is taken for a copy.
"""

from llmlib.exercises.engine.detecting.aliases import no_copy
from llmlib.exercises.engine.detecting.guess import Finding
from llmlib.exercises.engine.detecting.infinity import about_infinity
from llmlib.exercises.engine.detecting.influence import ANOTHER_TYPE, always_the_same, idle
from llmlib.exercises.engine.detecting.search import detect, detect_beyond, lead, one_step

__all__ = [
    "ANOTHER_TYPE",
    "Finding",
    "about_infinity",
    "always_the_same",
    "detect",
    "detect_beyond",
    "idle",
    "lead",
    "no_copy",
    "one_step",
]
