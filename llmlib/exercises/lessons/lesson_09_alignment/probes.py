"""A property that several losses of lesson 09 share."""

import math

from llmlib.exercises.engine.exercise import Probe

SURPRISE = math.log(1 + math.e)  # at a distance of 1, where nothing can be held down yet
NEAR = 0.05


def no_ceiling(distances, arguments, note):
    """Check that a surprise grows with the distance; `arguments(case, distance)` make a result that is that far off."""

    def broken(call, case):
        if not case.note.startswith(note):
            return None
        if abs(abs(call(*arguments(case, 1.0)).item()) - SURPRISE) > NEAR:
            return None  # nothing has to be held down there: something else is wrong
        near, far = (abs(call(*arguments(case, distance)).item()) for distance in distances)
        if not 0.01 < far < 1.1 * near:
            return None
        return (
            f"The surprise should be {distances[0]:g} at one distance and {distances[1]:g} at the next. Yours are "
            f"{near:.3g} and {far:.3g}. What keeps ln 0 away (a small number added, a `clamp`, a limit within torch's "
            "own loss) also limits the result: however wrong the model is, the loss does not grow, and nothing "
            "pulls the model back."
        )

    return Probe("The surprise has no limit, however unlikely the answer is.", broken)
