"""Measure what heads do, by scoring well-known attention patterns and following attention through the layers.

Every score takes the patterns of one or more heads, `Float[Tensor, "*heads query key"]`, and returns one number per
head. The scores for well-known patterns are shares of attention, between 0 and 1. Each score says how much attention
fits the pattern, on average over the queries that could attend in this way.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def entropy(pattern: Float[Tensor, "*heads query key"]) -> Float[Tensor, "*heads"]:
    """Return how widely a head spreads its attention, as the mean entropy of its rows in nats.

    A head that attended evenly to n tokens would have an entropy of ln n, so you can read exp(entropy) as a number of
    tokens.

    >>> entropy(torch.tensor([[1.0, 0.0], [0.5, 0.5]])).exp()
    tensor(1.4142)
    """
    return torch.special.entr(pattern.float()).sum(-1).mean(-1)


def distance(pattern: Float[Tensor, "*heads query key"]) -> Float[Tensor, "*heads"]:
    """Return how far a head looks, as the mean of |query - key| in tokens, weighted by attention.

    The queries are at the last positions, as with a KV cache.

    >>> distance(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    tensor(0.2500)
    """
    query, key = _positions(pattern)
    return (pattern.float() * (query - key).abs()).sum(-1).mean(-1)


def previous_token_score(pattern: Float[Tensor, "*heads query key"]) -> Float[Tensor, "*heads"]:
    """Return the share of attention that goes to the previous token. The score is zero for a text of one token.

    >>> previous_token_score(torch.tensor([[1.0, 0.0], [0.75, 0.25]]))
    tensor(0.7500)
    """
    query, key = _positions(pattern)
    return _share(pattern, key == query - 1)


def first_token_score(pattern: Float[Tensor, "*heads query key"]) -> Float[Tensor, "*heads"]:
    """Return the share of attention that later tokens pay to the first token, an "attention sink" (Xiao et al., 2023).

    >>> first_token_score(torch.tensor([[1.0, 0.0], [0.75, 0.25]]))
    tensor(0.7500)
    """
    query, key = _positions(pattern)
    return _share(pattern, (key == 0) & (query > 0))


def duplicate_token_score(
    pattern: Float[Tensor, "*heads query key"], ids: Int[Tensor, " n_ids"]
) -> Float[Tensor, "*heads"]:
    """Return the share of attention that repeated tokens pay to their earlier occurrences (Wang et al., 2022).

    The score is zero for a text without repeated tokens. Raises `ValueError` unless there is one id per key.

    >>> duplicate_token_score(torch.tensor([[1.0, 0.0], [0.75, 0.25]]), torch.tensor([5, 5]))
    tensor(0.7500)
    """
    query, key = _positions(pattern)
    return _share(pattern, _same_token(pattern, ids) & (key < query))


def induction_score(pattern: Float[Tensor, "*heads query key"], ids: Int[Tensor, " n_ids"]) -> Float[Tensor, "*heads"]:
    """Return the share of attention that repeated tokens pay to the tokens after their earlier occurrences.

    In `A B … A`, the second A attends to B. Source: Olsson et al. (2022), "In-context Learning and Induction Heads".
    The score is zero for a text without repeated tokens. Raises `ValueError` unless there is one id per key.

    >>> pattern = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.125, 0.75, 0.125]])
    >>> induction_score(pattern, torch.tensor([5, 6, 5]))
    tensor(0.7500)
    """
    query, key = _positions(pattern)
    same = _same_token(pattern, ids)
    follows = torch.zeros_like(same)
    follows[:, 1:] = same[:, :-1]  # the token before this key is the same as the query's token
    return _share(pattern, follows & (key < query))


def rollout(
    patterns: Float[Tensor, "layer head query key"], residual_share: float = 0.5
) -> Float[Tensor, "layer query key"]:
    """Follow attention through the layers, to find how much of each input token reaches each position after each layer.

    Each layer mixes the mean of its heads with the token itself, because the residual stream carries the token around
    attention; `residual_share` is the weight of the token itself. The result shows only where information *could* flow,
    because rollout ignores values, MLPs, and heads that cancel each other out. Source: Abnar and Zuidema (2020),
    "Quantifying Attention Flow in Transformers".

    >>> even = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    >>> rollout(even.expand(2, 1, 2, 2))[-1]
    tensor([[1.0000, 0.0000],
            [0.4375, 0.5625]])
    """
    if patterns.shape[-1] != patterns.shape[-2]:
        n_queries, n_keys = patterns.shape[-2:]
        raise ValueError(f"Rollout needs as many queries as keys, got {n_queries} queries and {n_keys} keys.")
    if not 0 <= residual_share <= 1:
        raise ValueError(f"residual_share must be between 0 and 1, got {residual_share}.")
    itself = torch.eye(patterns.shape[-1], dtype=patterns.dtype, device=patterns.device)
    flow, flows = itself, []
    for pattern in patterns:
        flow = (residual_share * itself + (1 - residual_share) * pattern.mean(0)) @ flow
        flows.append(flow)
    return torch.stack(flows)


def _positions(pattern: Tensor) -> tuple[Tensor, Tensor]:
    """Return the queries' positions as a column and the keys' as a row; the queries are at the last positions."""
    n_query, n_key = pattern.shape[-2:]
    position = torch.arange(n_key, device=pattern.device)
    return position[n_key - n_query :, None], position[None, :]


def _same_token(pattern: Tensor, ids: Tensor) -> Bool[Tensor, "query key"]:
    if len(ids) != pattern.shape[-1]:
        raise ValueError(f"The pattern has {pattern.shape[-1]} keys, but there are {len(ids)} ids.")
    ids = ids.to(pattern.device)
    return ids[len(ids) - pattern.shape[-2] :, None] == ids[None, :]


def _share(pattern: Tensor, there: Bool[Tensor, "query key"]) -> Tensor:
    """Return the attention to the keys that `there` marks, averaged over the queries with at least one marked key."""
    could = there.any(-1)
    if not could.any():
        return torch.zeros(pattern.shape[:-2], device=pattern.device)
    return (pattern.float() * there).sum(-1)[..., could].mean(-1)
