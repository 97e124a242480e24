"""An embedding table in its view: all tokens as points, with neighbours and analogies.

`controller` answers the reader; `neighbour_map` makes the second map, with t-SNE.
"""

from llmlib.explore.embeddings.controller import explore_embeddings

__all__ = ["explore_embeddings"]
