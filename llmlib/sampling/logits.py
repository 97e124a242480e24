"""Adjust logits before a token is drawn, with small pure functions from logits to logits.

A token that is ruled out gets a logit of −∞, so its probability is 0. Each setting is one number for all texts, or a
tensor with one number per text (`Float["batch"]` with logits of `"batch vocab"`).
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Setting = float | int | Tensor  # one number for all rows, or one per row


def _column(setting: Setting, logits: Tensor) -> Tensor | float | int:
    """Return a setting, with a last axis added if there is one number per row, so that it fits the logits."""
    return setting.to(logits.device)[..., None] if isinstance(setting, Tensor) and setting.ndim else setting


def scale_temperature(logits: Float[Tensor, "*batch vocab"], temperature: Setting) -> Float[Tensor, "*batch vocab"]:
    """Divide logits by the temperature.

    A temperature below 1 makes likely tokens likelier, and a temperature above 1 moves the probabilities closer
    together. The temperature is the T in Boltzmann's distribution, with −logit as the energy (Ackley, Hinton and
    Sejnowski, 1985). At a temperature of 0 only the most likely token is left (the first, if several are equally
    likely).

    >>> scale_temperature(torch.tensor([2.0, 1.0]), 0.5)  # the largest moves to 0; the probabilities stay the same
    tensor([ 0., -2.])
    """
    t = torch.as_tensor(_column(temperature, logits), device=logits.device)
    logits = logits - logits.amax(dim=-1, keepdim=True)  # so that dividing by a tiny temperature cannot overflow
    likeliest = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, logits.argmax(-1, keepdim=True), True)
    scaled = logits / torch.where(t > 0, t, 1.0)
    return torch.where((t > 0) | likeliest, scaled, float("-inf"))


def keep_top_k(logits: Float[Tensor, "*batch vocab"], k: Setting) -> Float[Tensor, "*batch vocab"]:
    """Keep the `k` most likely tokens (Fan et al., 2018, "Hierarchical Neural Story Generation").

    The function keeps exactly `k` tokens, even if several tokens tie for last place. (`transformers` keeps all tied
    tokens.)

    >>> keep_top_k(torch.tensor([1.0, 3.0, 2.0]), 2)
    tensor([-inf, 3., 2.])
    """
    most = min(int(k.max()) if isinstance(k, Tensor) else int(k), logits.shape[-1])
    values, tokens = logits.topk(most)
    rank = torch.arange(most, device=logits.device)
    values = values.masked_fill(rank >= _column(k, logits), float("-inf"))
    return torch.full_like(logits, float("-inf")).scatter_(-1, tokens, values)


def keep_top_p(logits: Float[Tensor, "*batch vocab"], p: Setting) -> Float[Tensor, "*batch vocab"]:
    """Keep the nucleus, which is the smallest set of most likely tokens whose probabilities add up to at least `p`.

    Source: Holtzman et al. (2020), "The Curious Case of Neural Text Degeneration".

    >>> keep_top_p(torch.tensor([0.6, 0.3, 0.1]).log(), 0.8).exp()
    tensor([0.6000, 0.3000, 0.0000])
    """
    probabilities, order = logits.softmax(dim=-1).sort(descending=True, stable=True)
    return _keep_until(logits, probabilities, order, p)


def keep_min_p(logits: Float[Tensor, "*batch vocab"], p: Setting) -> Float[Tensor, "*batch vocab"]:
    """Keep the tokens that are at least `p` times as likely as the most likely token.

    Source: Nguyen et al. (2024), "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs".

    >>> keep_min_p(torch.tensor([0.6, 0.3, 0.1]).log(), 0.25).exp()
    tensor([0.6000, 0.3000, 0.0000])
    """
    share = logits.softmax(dim=-1)
    return logits.masked_fill(share < _column(p, logits) * share.amax(dim=-1, keepdim=True), float("-inf"))


def keep_typical(logits: Float[Tensor, "*batch vocab"], mass: Setting) -> Float[Tensor, "*batch vocab"]:
    """Keep the tokens whose surprise is closest to the entropy.

    We start with the closest token, and stop once the probabilities of the kept tokens add up to at least `mass`. This
    setting drops tokens that are less surprising than usual as well as more surprising ones. Source: Meister et al.
    (2023), "Locally Typical Sampling".

    >>> keep_typical(torch.tensor([0.5, 0.2, 0.2, 0.1]).log(), 0.3).exp()
    tensor([0.0000, 0.2000, 0.2000, 0.0000])
    """
    log_p = logits.log_softmax(dim=-1)
    distance = (-log_p - entropy(logits)[..., None]).abs()
    order = distance.argsort(dim=-1, stable=True)
    return _keep_until(logits, log_p.exp().gather(-1, order), order, mass)


def _keep_until(logits: Tensor, probabilities: Tensor, order: Tensor, mass: Setting) -> Tensor:
    """Keep tokens in this order until the sum of their probabilities reaches `mass`; the first token is always kept."""
    before = probabilities.cumsum(dim=-1) - probabilities
    wanted = torch.as_tensor(_column(mass, logits), device=logits.device)
    kept = (before < wanted) | (wanted >= 1)  # a sum of many probabilities may round to 1 too early
    kept[..., 0] = True
    return logits.masked_fill(~torch.empty_like(kept).scatter_(-1, order, kept), float("-inf"))


def count_tokens(ids: Int[Tensor, "*batch seq"], vocab_size: int) -> Int[Tensor, "*batch vocab"]:
    """Count how often each token occurs in each text; ids below 0 are ignored."""
    counts = torch.zeros(*ids.shape[:-1], vocab_size, dtype=torch.long, device=ids.device)
    return counts.scatter_add_(-1, ids.clamp(min=0), (ids >= 0).long())


def penalise_repetition(
    logits: Float[Tensor, "*batch vocab"], counts: Int[Tensor, "*batch vocab"], penalty: Setting
) -> Float[Tensor, "*batch vocab"]:
    """Make a token less likely once it has occurred.

    A positive logit is divided by `penalty`, and a negative logit is multiplied by it. Source: Keskar et al. (2019),
    "CTRL". The result changes if you add a constant to all logits, although the softmax of the logits does not change.

    >>> penalise_repetition(torch.tensor([2.0, -2.0, 2.0]), torch.tensor([1, 5, 0]), 2.0)
    tensor([ 1., -4.,  2.])
    """
    factor = _column(penalty, logits)
    return torch.where(counts > 0, torch.where(logits > 0, logits / factor, logits * factor), logits)


def penalise_counts(
    logits: Float[Tensor, "*batch vocab"],
    counts: Int[Tensor, "*batch vocab"],
    frequency: Setting = 0.0,
    presence: Setting = 0.0,
) -> Float[Tensor, "*batch vocab"]:
    """Subtract `frequency` from a token's logit for each time it has occurred, and `presence` once if it has occurred.

    OpenAI's API defines its frequency and presence penalties in this way; negative penalties make repetition more
    likely.

    >>> penalise_counts(torch.tensor([2.0, 2.0]), torch.tensor([3, 0]), frequency=0.5, presence=0.1)
    tensor([0.4000, 2.0000])
    """
    return logits - counts * _column(frequency, logits) - (counts > 0) * _column(presence, logits)


def add_bias(logits: Float[Tensor, "*batch vocab"], bias: Mapping[int, float]) -> Float[Tensor, "*batch vocab"]:
    """Add the numbers in `bias` to the logits of individual tokens, in all texts; −∞ bans a token.

    >>> add_bias(torch.tensor([1.0, 1.0, 1.0]), {0: float("-inf"), 2: 3.0})
    tensor([-inf, 1., 4.])
    """
    tokens = torch.tensor(list(bias), device=logits.device)
    values = torch.tensor(list(bias.values()), device=logits.device, dtype=logits.dtype)
    return logits.index_add(-1, tokens, values.expand(*logits.shape[:-1], -1))


def keep_allowed(
    logits: Float[Tensor, "*batch vocab"], allowed: Bool[Tensor, "*batch vocab"]
) -> Float[Tensor, "*batch vocab"]:
    """Keep the tokens for which `allowed` is True.

    >>> keep_allowed(torch.tensor([1.0, 2.0]), torch.tensor([True, False]))
    tensor([1., -inf])
    """
    return logits.masked_fill(~allowed, float("-inf"))


def entropy(logits: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch"]:
    """Return the entropy of the softmax of the logits, −Σ p·ln p in nats, from 0 (certain) to ln vocab.

    Source: Shannon (1948), "A Mathematical Theory of Communication". A token with a logit of -inf has probability 0.

    >>> entropy(torch.tensor([[0.0, 0.0], [0.0, float("-inf")]]))
    tensor([0.6931, 0.0000])
    """
    return _entropy(logits.float().log_softmax(dim=-1))


def log_prob(logits: Float[Tensor, "*batch vocab"], ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return the log-probability ln p of each id (its surprise in nats, with a minus sign), in float32.

    >>> log_prob(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))  # ln 1/2
    tensor([-0.6931])
    """
    return _of_ids(logits.float().log_softmax(dim=-1), ids)


def entropy_and_log_prob(
    logits: Float[Tensor, "*batch vocab"], ids: Int[Tensor, "*batch"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Return `entropy` and `log_prob`, computed from a single softmax, because the softmax takes most of the time.

    >>> entropy_and_log_prob(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    (tensor([0.6931]), tensor([-0.6931]))
    """
    log_p = logits.float().log_softmax(dim=-1)
    return _entropy(log_p), _of_ids(log_p, ids)


def _entropy(log_p: Float[Tensor, "*batch vocab"]) -> Float[Tensor, "*batch"]:
    return (log_p.exp() * -log_p.clamp(min=torch.finfo(log_p.dtype).min)).sum(dim=-1)  # 0 · ln 0 counts as 0


def _of_ids(log_p: Float[Tensor, "*batch vocab"], ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    return log_p.gather(-1, ids[..., None]).squeeze(-1)
