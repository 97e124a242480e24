"""Show how a query and a key rotate with their positions."""

from jaxtyping import Float
from torch import Tensor

from llmlib.embeddings import rotary_frequencies
from llmlib.widgets.rotary.view import RotaryView


def explore_rotary(
    d_head: int = 16,
    theta: float = 10_000.0,
    query: Float[Tensor, " d_head"] | None = None,
    key: Float[Tensor, " d_head"] | None = None,
    query_position: int = 20,
    key_position: int = 14,
    max_position: int = 200,
) -> RotaryView:
    """Show a query and a key that you can move, a dial for each pair of channels, and the dot product at each distance.

    Without `query` and `key`, each pair of channels is (1, 0). Raises `ValueError` for an odd `d_head`, for a vector
    whose length is not `d_head`, or unless 0 ≤ key position ≤ query position ≤ `max_position`. Source: Su et al.
    (2021), "RoFormer".

    >>> explore_rotary(d_head=4, theta=100.0)
    <RotaryView: Query at position 20, key at 14, distance 6, on 2 dials. Dot product 1.786; at distance 0 it is 2.000.>
    """
    return RotaryView(
        rotary_frequencies(d_head, theta).tolist(),
        query=None if query is None else query.detach().tolist(),
        key=None if key is None else key.detach().tolist(),
        query_position=query_position,
        key_position=key_position,
        max_position=max_position,
    )
