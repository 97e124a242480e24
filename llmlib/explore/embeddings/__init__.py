"""Show all tokens of a live embedding table as points, with neighbours and analogies.

`controller` carries out the user's actions; `neighbour_map` makes the second map, with t-SNE.
"""

from llmlib.explore.embeddings.controller import explore_embeddings

__all__ = ["explore_embeddings"]
