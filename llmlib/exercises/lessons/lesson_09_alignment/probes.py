"""A property shared by several losses in lesson 09."""

import math

from llmlib.exercises.engine.exercise import Probe

SURPRISE = math.log(1 + math.e)  # the surprise at a distance of 1, where no guard against ln 0 can limit it yet
NEAR = 0.05


def no_ceiling(distances, arguments, note):
    """Make a probe that checks whether the surprise keeps growing with the distance.

    `arguments(case, distance)` makes the arguments for a call.
    """

    def broken(call, case):
        if not case.note.startswith(note):
            return None
        if abs(abs(call(*arguments(case, 1.0)).item()) - SURPRISE) > NEAR:
            return None  # no guard against ln 0 can limit the loss at a distance of 1, so something else is wrong
        near, far = (abs(call(*arguments(case, distance)).item()) for distance in distances)
        if not 0.01 < far < 1.1 * near:
            return None
        return (
            f"The surprise should be {distances[0]:g} at one distance and {distances[1]:g} at the next. Your results "
            f"are {near:.3g} and {far:.3g}. Whatever prevents ln 0 here (a small number added, a `clamp`, a limit in "
            "torch's own loss) also limits the result. So beyond some point the loss no longer grows, however "
            "wrong the model is, and no gradient corrects the model."
        )

    return Probe("The surprise has no limit, however unlikely the answer is.", broken)
