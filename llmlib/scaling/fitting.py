"""Fit a law to runs, estimate how certain the law is, and use it to predict losses."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmlib.scaling.laws import Allocation, Law, ScalingError, training_flops

Array = NDArray[np.float64]
DELTA = 1e-3  # as in Hoffmann et al.: above 0.1%, a deviation counts by its size, not by its square
FEWEST = 8  # distinct points needed for a fit: more than the five constants, so that some points are left to test it
EXPONENTS = (0.05, 0.15, 0.3, 0.5, 0.8, 1.2)  # starting values for both exponents
COARSE = (100, 10, 1)  # multiples of delta, used in this order: the problem is smooth at first, and robust at the end
STEPS, STALE = 100, 10  # at most STEPS steps for each delta; stop after STALE steps in a row that did not help
FLAT = 1e-4  # nats; a law counts as flat if the loss that it predicts varies by no more than this between the runs


def huber(deviation: ArrayLike, delta: float = DELTA) -> Array:
    """Return the Huber loss of each deviation: half its square up to `delta`, and a straight line beyond `delta`.

    Because of this line, a single run that went wrong cannot bend the whole fitted curve. Source: Huber (1964).

    >>> huber([0.5, 1, 3], delta=1).tolist()
    [0.125, 0.5, 2.5]
    """
    size = np.abs(np.asarray(deviation, dtype=float))
    return np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))


@dataclass(frozen=True)
class Prediction:
    """The predicted loss of a new run, with an interval, and how far the run is outside the range of the fitted runs.

    The interval contains the run's loss with probability `level`.
    """

    loss: float
    low: float
    high: float
    level: float
    outside: tuple[str, ...]

    def __str__(self) -> str:
        where = "; outside the data: " + ", ".join(self.outside) if self.outside else "; inside the data"
        return f"{self.loss:.3f} ({self.low:.3f} to {self.high:.3f} with {self.level:.0%}){where}"


@dataclass(frozen=True)
class Fit:
    """The result of `fit`: the law, the laws fitted to resampled runs, and the runs that the law was fitted to."""

    law: Law
    laws: tuple[Law, ...]  # one for each bootstrap sample that gives a valid law
    deviations: Array = field(repr=False)  # for each run: log of its loss minus log of the law's loss
    parameters: Array = field(repr=False)
    tokens: Array = field(repr=False)

    def interval(self, what: Callable[[Law], float], level: float = 0.9) -> tuple[float, float]:
        """Return the bootstrap interval of a number that the function `what` computes from a law.

        For example, `fit.interval(lambda law: law.alpha)` shows how certain the exponent is.
        """
        _check_level(level)
        if not self.laws:
            raise ScalingError("This fit has no bootstrap samples: fit again with bootstraps=200.")
        low, high = np.quantile([what(law) for law in self.laws], [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def optimum(self, compute: float) -> Allocation:
        """Return the best use of `compute` FLOPs according to the fitted law."""
        return self.law.optimum(compute)

    def predict(self, parameters: float, tokens: float, level: float = 0.9, seed: int = 0) -> Prediction:
        """Predict the loss of a new run, with an interval, and say how far the run is outside the fitted runs' range.

        The interval covers two kinds of error: the fitted law may be wrong (the bootstrap shows by how much), and a
        single run deviates from the law (its deviation is drawn at random from those of the fitted runs). The interval
        cannot account for a bend in the curve that none of the fitted runs shows.
        """
        _check_level(level)
        draws = np.random.default_rng(seed).choice(self.deviations, (25, max(1, len(self.laws))))
        laws = self.laws or (self.law,)
        losses = np.array([float(law.loss(parameters, tokens)) for law in laws]) * np.exp(draws)
        low, high = np.quantile(losses, [(1 - level) / 2, (1 + level) / 2])
        return Prediction(
            float(self.law.loss(parameters, tokens)), float(low), float(high), level, self._outside(parameters, tokens)
        )

    def _outside(self, parameters: float, tokens: float) -> tuple[str, ...]:
        measures = {
            "parameters": (parameters, self.parameters),
            "tokens": (tokens, self.tokens),
            "compute": (training_flops(parameters, tokens), training_flops(1, 1) * self.parameters * self.tokens),
        }
        said = []
        for name, (value, known) in measures.items():
            if value > known.max() * (1 + 1e-9):
                said.append(f"{value / known.max():.2g} times the most {name}")
            elif value < known.min() * (1 - 1e-9):
                said.append(
                    f"{value / known.min():.2g} times the fewest {name}".replace("fewest compute", "least compute")
                )
        return tuple(said)


def fit(
    parameters: ArrayLike,
    tokens: ArrayLike,
    losses: ArrayLike,
    *,
    delta: float = DELTA,
    bootstraps: int = 200,
    seed: int = 0,
) -> Fit:
    """Fit L(N, D) = E + A / N^alpha + B / D^beta to runs; the first three arguments have one number per run.

    The fit minimises the Huber loss between the logarithms of measured and predicted losses, from many starting points,
    as Hoffmann et al. (2022, section 3.3) do. With logarithms, a deviation of 1% counts the same for a high loss and a
    low loss. `bootstraps` is the number of fits to resampled runs; these fits show how certain the constants are. Runs
    with the same size and number of tokens are drawn as a group, since they share the same error. Raises `ScalingError`
    if there are too few runs, runs of too few sizes or token counts, or losses that do not fall as the size or the
    number of tokens grows.

    >>> law = Law(E=1.5, A=50, B=300, alpha=0.3, beta=0.4)
    >>> n, d = np.repeat([1e4, 1e5, 1e6], 3), np.tile([1e5, 1e6, 1e7], 3)
    >>> found = fit(n, d, law.loss(n, d), bootstraps=20)
    >>> f"{found.law.E:.2f} {found.law.alpha:.2f} {found.law.beta:.2f}"
    '1.50 0.30 0.40'
    >>> print(found.predict(1e6, 1e8))
    2.482 (2.482 to 2.482 with 90%); outside the data: 10 times the most tokens, 10 times the most compute
    """
    n, d, loss = (np.asarray(each, dtype=float) for each in (parameters, tokens, losses))
    places = _check(n, d, loss)
    if bootstraps < 0 or delta <= 0:
        raise ScalingError(
            f"bootstraps must be 0 or more, and delta must be greater than 0; got {bootstraps=} and {delta=}."
        )
    logs = np.log(n), np.log(d), np.log(loss)
    starts = _starts(n, d, loss)
    weights = np.ones((len(starts), len(n)))
    found, costs = _minimise(logs, weights, starts, delta)
    order = np.argsort(costs)
    law = _law(found[order[0]])
    falls = {
        "parameters": law and np.ptp(law.loss(n, d.max())) > FLAT,
        "tokens": law and np.ptp(law.loss(n.max(), d)) > FLAT,
    }
    if law is None or not all(falls.values()):
        raise ScalingError(
            f"In these runs the loss does not fall with more {next(name for name in falls if not falls[name])}, but a "
            "scaling law assumes a falling loss. Check the runs: did each run use its best learning rate, and did it "
            "reach the end of its schedule?"
        )

    # Fit each bootstrap sample from three starting points: the constants of the three best fits to all runs.
    near = found[order[:3]]
    generator = np.random.default_rng(seed)
    drawn = generator.integers(0, places.max() + 1, (bootstraps, places.max() + 1))
    times = np.stack([np.bincount(sample, minlength=places.max() + 1) for sample in drawn]) if bootstraps else drawn
    resampled = np.repeat(times[:, places].astype(float), len(near), axis=0)
    again, costs = _minimise(logs, resampled, np.tile(near, (bootstraps, 1)), delta)
    best = costs.reshape(bootstraps, len(near)).argmin(1) if bootstraps else np.zeros(0, dtype=int)
    laws = [_law(again[sample * len(near) + at]) for sample, at in enumerate(best)]
    return Fit(law, tuple(each for each in laws if each), logs[2] - np.log(law.loss(n, d)), n, d)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ScalingError(f"level must be a probability between 0 and 1, such as 0.9; got {level}.")


def _check(n: Array, d: Array, loss: Array) -> NDArray[np.intp]:
    """Give each distinct pair of size and token count a number, and return the number for each run.

    Raises `ScalingError` if no law can be fitted.
    """
    if not (n.shape == d.shape == loss.shape and n.ndim == 1):
        raise ScalingError(
            "Parameters, tokens and losses must be lists of the same length, with one entry per run; got shapes "
            f"{n.shape}, {d.shape} and {loss.shape}."
        )
    if not all(np.isfinite(each).all() and (each > 0).all() for each in (n, d, loss)):
        raise ScalingError(
            "Parameters, tokens and losses must be positive, finite numbers. Leave out runs that failed, and say so "
            "when you report the fit."
        )
    if not len(n):
        raise ScalingError(
            f"There are no runs. The scaling law has five constants, so you need at least {FEWEST} distinct runs."
        )
    points, places = np.unique(np.stack((n, d)), axis=1, return_inverse=True)
    if points.shape[1] < FEWEST:
        raise ScalingError(
            f"{points.shape[1]} distinct runs are too few: the scaling law has five constants, so you need {FEWEST} or "
            "more. (Runs that differ only in the seed do not count as distinct.)"
        )
    for name, values in (("sizes", n), ("token counts", d)):
        if len(np.unique(values)) < 3:
            raise ScalingError(
                f"The number of distinct {name} in these runs is {len(np.unique(values))}, but at least 3 are needed: "
                "one to tell how high the curve is, one to tell how steep it is, and one to tell how it bends."
            )
    return places.reshape(-1)


def _starts(n: Array, d: Array, loss: Array) -> Array:
    """Return the constants to start from, as an array with the shape (start, constant).

    For each pair of exponents, E, A and B come from least squares.
    """
    starts = []
    for alpha in EXPONENTS:
        for beta in EXPONENTS:
            columns = np.stack((np.ones_like(n), n**-alpha, d**-beta), axis=1) / loss[:, None]
            constants = np.linalg.lstsq(columns, np.ones_like(loss), rcond=None)[0]
            smallest = 0.01 * loss.min() / columns.max(0) / loss.max()
            e, a, b = np.log(np.maximum(constants, np.maximum(smallest, 1e-300)))
            starts.append((e, a, b, alpha, beta))
    return np.array(starts)


def _law(constants: Array) -> Law | None:
    """Return the law with these constants (log E, log A, log B, alpha, beta), or None if they are not valid."""
    e, a, b, alpha, beta = constants
    with np.errstate(over="ignore"):
        try:
            return Law(float(np.exp(e)), float(np.exp(a)), float(np.exp(b)), float(alpha), float(beta))
        except ScalingError:
            return None


def _minimise(logs: tuple[Array, Array, Array], weights: Array, starts: Array, delta: float) -> tuple[Array, Array]:
    """Minimise the Huber loss from each starting point; return the constants found, and the loss for these constants.

    This is the Levenberg–Marquardt method: each step solves a linear problem that approximates the real problem near
    the current constants, with more damping after a step that did not help. Runs that deviate by more than `delta` get
    a lower weight, so that their loss grows linearly instead of quadratically. `weights` has the shape (start, run),
    and `starts` has the shape (start, constant); all starting points take their steps in parallel.
    """
    log_n, log_d, log_loss = logs

    def terms(constants: Array) -> tuple[Array, Array]:
        """Return each term's share of the loss, shape (start, run, 3), and the deviations, shape (start, run)."""
        e, a, b, alpha, beta = (constants[:, [i]] for i in range(5))
        summands = np.stack(np.broadcast_arrays(e + 0 * log_n, a - alpha * log_n, b - beta * log_d), axis=-1)
        top = summands.max(-1, keepdims=True)
        total = top + np.log(np.exp(summands - top).sum(-1, keepdims=True))
        return np.exp(summands - total), log_loss - total[..., 0]

    now, cost = starts.copy(), np.zeros(len(starts))
    for delta in [times * delta for times in COARSE] if len(starts) else ():
        shares, deviations = terms(now)
        cost = (weights * huber(deviations, delta)).sum(1)
        damping, stale = np.full(len(starts), 1e-2), 0
        for _ in range(STEPS):
            slopes = np.concatenate((shares, -shares[..., 1:] * np.stack((log_n, log_d), axis=-1)), axis=-1)
            weighted = weights * np.minimum(1, delta / np.maximum(np.abs(deviations), 1e-15))
            matrix = np.einsum("spi,sp,spj->sij", slopes, weighted, slopes)
            target = np.einsum("spi,sp,sp->si", slopes, weighted, deviations)
            diagonal = np.einsum("sii->si", matrix)
            damped = matrix + np.eye(5) * (damping[:, None] * diagonal + 1e-12)[:, None]
            trial = now + np.clip(np.linalg.solve(damped, target[..., None])[..., 0], -2, 2)
            trial_shares, trial_deviations = terms(trial)
            trial_cost = (weights * huber(trial_deviations, delta)).sum(1)
            better = trial_cost < cost
            stale = 0 if (trial_cost < (1 - 1e-5) * cost).any() else stale + 1
            now[better], cost[better] = trial[better], trial_cost[better]
            shares[better], deviations[better] = trial_shares[better], trial_deviations[better]
            damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-9, 1e9)
            if stale == STALE:
                break
    return now, cost
