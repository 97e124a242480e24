"""Find names for the sizes in a case: for example, which number is `d_head`, and which is the number of queries."""

import inspect
import math
from collections.abc import Iterator

from torch import Tensor

from llmlib.exercises.engine.exercise import Exercise
from llmlib.exercises.engine.trials import Trial

CONSTANTS = {
    "2": 2.0,
    "½": 0.5,
    "3": 3.0,
    "⅓": 1 / 3,
    "4": 4.0,
    "¼": 0.25,
    "10": 10.0,
    "1/10": 0.1,
    "100": 100.0,
    "ln 2": math.log(2),
    "1/ln 2 (another base of the logarithm)": 1 / math.log(2),
    "√2": 2**0.5,
    "1/√2": 0.5**0.5,
    "ln 10": math.log(10),
    "1/ln 10 (another base of the logarithm)": 1 / math.log(10),
    "π": math.pi,
    "2π": 2 * math.pi,
    "1/2π": 0.5 / math.pi,
    "π/180 (degrees and radians)": math.pi / 180,
}


def sizes(exercise: Exercise, trial: Trial) -> dict[str, int]:
    """Return the sizes of axes, the integer arguments and the lengths of sequences, keyed by the reference's names."""
    found: dict[str, int] = {}
    parameters = list(inspect.signature(inspect.unwrap(exercise.reference)).parameters.values())
    for name, parameter, arg in zip(exercise.argument_names, parameters, trial.case.args):
        if isinstance(arg, Tensor):
            names = str(getattr(parameter.annotation, "dim_str", "")).replace("#", "").split()
            for axis, size in zip(reversed(names), reversed(arg.shape)):
                if axis.isidentifier():
                    found.setdefault(axis, size)
        elif isinstance(arg, int):
            found.setdefault(name, arg)
        elif isinstance(arg, (list, tuple, str)):
            found.setdefault(f"len({name})", len(arg))
    if isinstance(trial.expected, Tensor):
        for axis, size in zip(exercise.axes, trial.expected.shape):
            found.setdefault(axis, size)
    return found


def argument_axes(exercise: Exercise, trial: Trial) -> Iterator[tuple[str, list[str]]]:
    """Yield each argument's name, along with the names of its axes if it is a tensor."""
    parameters = list(inspect.signature(inspect.unwrap(exercise.reference)).parameters.values())
    for name, parameter, arg in zip(exercise.argument_names, parameters, trial.case.args):
        axes = str(getattr(parameter.annotation, "dim_str", "")).replace("#", "").split()
        if not isinstance(arg, Tensor):
            yield name, []
        else:
            yield name, axes if len(axes) == arg.ndim else [f"axis {i}" for i in range(arg.ndim)]


def factors(sizes: dict[str, int]) -> Iterator[tuple[str, float]]:
    """Yield factors by which a result could be too large, with the most likely ones first."""
    for name, n in sizes.items():
        if n > 0:
            yield from (
                (f"√{name}", n**0.5),
                (f"1/√{name}", n**-0.5),
                (f"{name} (a sum instead of a mean, or the other way round)", n),
                (f"1/{name} (a mean instead of a sum, or the other way round)", 1 / n),
                (f"{name}²", n**2),
                (f"1/{name}²", n**-2),
            )
    yield from CONSTANTS.items()
    for name, n in sizes.items():
        if n > 1:
            yield f"{name} / ({name} − 1)", n / (n - 1)
            yield f"({name} − 1) / {name}", (n - 1) / n
            yield f"{name} − 1", n - 1
            yield f"1 / ({name} − 1)", 1 / (n - 1)
            yield f"({name} + 1) / {name}", (n + 1) / n
            yield f"{name} / ({name} + 1)", n / (n + 1)


def axis_names(exercise: Exercise, value: Tensor) -> list[str]:
    if len(exercise.axes) == value.ndim:
        return [f"the axis {name}" for name in exercise.axes]
    return ["the only axis"] if value.ndim == 1 else [f"axis {i}" for i in range(value.ndim)]
