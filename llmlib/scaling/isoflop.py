"""Find the best size among models trained with the same compute, and fit a power law to the best sizes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llmlib.scaling.laws import ScalingError


@dataclass(frozen=True)
class Minimum:
    """The lowest point of the loss curve for one compute budget.

    `inside` says whether the size at this point is within the range of the trained models' sizes.
    """

    parameters: float
    loss: float
    inside: bool


@dataclass(frozen=True)
class PowerLaw:
    """The curve y = factor * x^exponent."""

    factor: float
    exponent: float

    def __call__(self, x: ArrayLike) -> np.ndarray:
        return self.factor * np.asarray(x, dtype=float) ** self.exponent


def isoflop_minimum(parameters: ArrayLike, losses: ArrayLike) -> Minimum:
    """Return the lowest point of a parabola fitted to the losses as a function of log size.

    Raises `ScalingError` for fewer than three sizes, or if the parabola does not bend upwards and so has no lowest
    point. Source: Hoffmann et al. (2022), section 3.2.

    >>> isoflop_minimum([1e5, 1e6, 1e7], [3.1, 3.0, 3.1])
    Minimum(parameters=1000000.0, loss=3.0, inside=True)
    """
    sizes, values = np.asarray(parameters, dtype=float), np.asarray(losses, dtype=float)
    if sizes.shape != values.shape or sizes.ndim != 1:
        raise ScalingError(f"Pass one loss for each size; got shapes {sizes.shape} and {values.shape}.")
    if len(np.unique(sizes)) < 3:
        raise ScalingError(
            f"A parabola needs at least 3 sizes; got {len(np.unique(sizes))}. Train models of other sizes too."
        )
    middle = np.log(sizes).mean()  # centring avoids large numbers that cancel
    bend, slope, height = np.polyfit(np.log(sizes) - middle, values, 2)
    if bend <= 0:
        raise ScalingError(
            "The curve through these losses does not bend upwards, so it has no lowest point. Train smaller models if "
            "the loss rises with size, and larger models if it falls."
        )
    lowest = -slope / (2 * bend)
    size = float(np.exp(middle + lowest))
    inside = bool(sizes.min() <= size <= sizes.max())
    return Minimum(round(size, 6), round(float(height - slope**2 / (4 * bend)), 12), inside)


def power_law(x: ArrayLike, y: ArrayLike) -> PowerLaw:
    """Return the power law that best fits the points: a straight line on logarithmic axes.

    Raises `ScalingError` for fewer than two distinct values of `x`, or for numbers that are not positive.

    >>> law = power_law([1, 10, 100], [2, 20, 200])
    >>> f"{law.factor:.2f} x^{law.exponent:.2f}"
    '2.00 x^1.00'
    """
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if xs.shape != ys.shape or len(np.unique(xs)) < 2 or not ((xs > 0).all() and (ys > 0).all()):
        raise ScalingError("A power law needs at least two distinct values of x, and all numbers must be positive.")
    exponent, log_factor = np.polyfit(np.log(xs), np.log(ys), 1)
    return PowerLaw(float(np.exp(log_factor)), float(exponent))
