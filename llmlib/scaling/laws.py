"""Use a scaling law to predict a loss from parameter and token counts, and to find the best use of a compute budget."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

PETAFLOP_DAY = 1e15 * 24 * 60 * 60  # Kaplan et al. count compute in petaFLOP-days
GOLDEN = (5**0.5 - 1) / 2


class ScalingError(ValueError):
    """Raised when there is no answer for the numbers that were passed; the message says why."""


@dataclass(frozen=True)
class Allocation:
    """A model size, a number of training tokens, and the loss that a scaling law predicts for them."""

    parameters: float
    tokens: float
    loss: float
    training_flops: float
    inference_flops: float = 0.0

    @property
    def tokens_per_parameter(self) -> float:
        return self.tokens / self.parameters

    @property
    def flops(self) -> float:
        """The total FLOPs for training and inference."""
        return self.training_flops + self.inference_flops


def training_flops(parameters: float, tokens: float) -> float:
    """Return the FLOPs for training (6 per parameter per token).

    A forward pass multiplies and adds once for each parameter, which makes 2 FLOPs, and a backward pass takes twice as
    many, which makes 4. The result leaves out the attention scores, whose cost grows with the length of the text;
    `llmlib.costs.count` counts them too. Source: Kaplan et al. (2020), section 2.1.

    >>> f"{training_flops(175e9, 300e9):.2e}"  # GPT-3
    '3.15e+23'
    """
    return 6 * parameters * tokens


def inference_flops(parameters: float, tokens: float) -> float:
    """Return the FLOPs that a trained model takes to read and write `tokens` tokens, at 2 per parameter per token."""
    return 2 * parameters * tokens


@dataclass(frozen=True)
class Law:
    """Holds the five constants of L(N, D) = E + A / N^alpha + B / D^beta, with N parameters and D tokens; L is in nats.

    E is the loss that no model can avoid, the second term is the price of too few parameters, and the third is the
    price of too few tokens. Raises `ScalingError` for constants that are not positive. Source: Hoffmann et al. (2022),
    equation 2.

    >>> law = Law(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
    >>> f"{law.loss(70e9, 1.4e12):.3f}"  # Chinchilla
    '1.937'
    >>> best = law.optimum(5.76e23)
    >>> f"{best.parameters / 1e9:.0f} billion parameters, {best.tokens / 1e12:.1f} trillion tokens"
    '32 billion parameters, 3.0 trillion tokens'
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    name: str = ""
    source: str = ""
    fitted_parameters: tuple[float, float] | None = None  # the fewest and the most parameters in the fitted runs
    fitted_tokens: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("E", "A", "B", "alpha", "beta"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ScalingError(f"{name}={value}: all five constants of the scaling law must be positive numbers.")

    def loss(self, parameters: ArrayLike, tokens: ArrayLike) -> NDArray[np.float64]:
        """Return the loss of models of these sizes trained on `tokens` tokens (numbers or arrays of the same shape)."""
        n, d = np.asarray(parameters, dtype=float), np.asarray(tokens, dtype=float)
        return self.E + self.A * n**-self.alpha + self.B * d**-self.beta

    @property
    def size_exponent(self) -> float:
        """The exponent in the formula for the best model size, which is proportional to compute^exponent."""
        return self.beta / (self.alpha + self.beta)

    def optimum(self, compute: float) -> Allocation:
        """Return the model size and number of tokens that give the lowest loss for `compute` training FLOPs.

        Given 6 N D = compute, the loss is lowest where alpha A / N^alpha = beta B / D^beta. Source: Hoffmann et
        al. (2022), equation 4. Raises `ScalingError` if `compute` is not positive.
        """
        if not compute > 0:
            raise ScalingError(f"compute must be a positive number of FLOPs, got {compute}.")
        balance = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        parameters = balance * (compute / 6) ** self.size_exponent
        tokens = compute / 6 / parameters
        return Allocation(parameters, tokens, float(self.loss(parameters, tokens)), compute)

    def tokens_for(self, parameters: float, loss: float) -> float:
        """Return how many tokens it takes to train a model of this size to this loss.

        Raises `ScalingError` if the model is so small that no number of tokens is enough.
        """
        gap = loss - self.E - self.A * parameters**-self.alpha
        if gap <= 0:
            floor = self.E + self.A * parameters**-self.alpha
            raise ScalingError(
                f"A model with {parameters:.3g} parameters never reaches a loss of {loss:.4g}: even with unlimited "
                f"tokens, this law predicts {floor:.4g}. Choose a larger model or a higher loss."
            )
        return float((self.B / gap) ** (1 / self.beta))

    def cheapest(self, loss: float, answered_tokens: float = 0.0) -> Allocation:
        """Return the model that reaches `loss` with the fewest total FLOPs for training and inference.

        `answered_tokens` is how many tokens the model will read and write in its lifetime. With more answered tokens,
        the best model is smaller and trains for longer. Raises `ScalingError` for a loss that is not above E, or for a
        negative number of tokens. The idea is from Sardana et al. (2024), "Beyond Chinchilla-Optimal".

        >>> law = Law(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
        >>> [f"{law.cheapest(2.0, answered).tokens_per_parameter:.0f}" for answered in (0, 1e12, 1e14)]
        ['79', '143', '3942']
        """
        if not loss > self.E:
            raise ScalingError(f"No model reaches a loss of {loss:.4g}: this law always stays above E = {self.E:.4g}.")
        if answered_tokens < 0:
            raise ScalingError(f"answered_tokens must be 0 or more, got {answered_tokens}.")

        def made_of(log_odds: float) -> Allocation:
            """Return the model whose small size causes this share of loss − E; too few tokens cause the rest."""
            share = 1 / (1 + np.exp(-log_odds))
            parameters = float((self.A / (share * (loss - self.E))) ** (1 / self.alpha))
            tokens = float((self.B / ((1 - share) * (loss - self.E))) ** (1 / self.beta))
            return Allocation(
                parameters,
                tokens,
                loss,
                training_flops(parameters, tokens),
                inference_flops(parameters, answered_tokens),
            )

        low, high = -30.0, 30.0  # there is only one minimum, so use golden-section search
        for _ in range(90):
            left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
            low, high = (low, right) if made_of(left).flops < made_of(right).flops else (left, high)
        return made_of((low + high) / 2)


@dataclass(frozen=True)
class KaplanLaw:
    """Holds the law of Kaplan et al. (2020): L = ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D, with no constant E.

    The number of parameters does not include embeddings. `optimum` does not follow from this formula, but from training
    curves: according to the paper, N = 1.3e9 (C / petaFLOP-day)^0.73 is best at the critical batch size. Sources:
    equation 1.5 and table 2 for the loss, table 6 for the optimum.
    """

    alpha_n: float
    alpha_d: float
    n_c: float
    d_c: float
    best_size: float  # the best size at one petaFLOP-day
    size_exponent: float
    name: str = ""
    source: str = ""
    fitted_parameters: tuple[float, float] | None = None  # the fewest and the most parameters in the fitted runs
    fitted_tokens: tuple[float, float] | None = None

    def loss(self, parameters: ArrayLike, tokens: ArrayLike) -> NDArray[np.float64]:
        """Return the loss of models of these sizes (without embeddings), trained on `tokens` tokens."""
        n, d = np.asarray(parameters, dtype=float), np.asarray(tokens, dtype=float)
        return ((self.n_c / n) ** (self.alpha_n / self.alpha_d) + self.d_c / d) ** self.alpha_d

    def optimum(self, compute: float) -> Allocation:
        """Return the best model size for `compute` FLOPs according to the paper, and how many tokens to train it on."""
        if not compute > 0:
            raise ScalingError(f"compute must be a positive number of FLOPs, got {compute}.")
        parameters = self.best_size * (compute / PETAFLOP_DAY) ** self.size_exponent
        tokens = compute / 6 / parameters
        return Allocation(parameters, tokens, float(self.loss(parameters, tokens)), compute)
