"""The embedding explorer: a whole table as a cloud of points, with neighbours and analogies."""

from llmlib.widgets.embedding_explorer.view import EmbeddingView, embedding_view

__all__ = ["EmbeddingView", "embedding_view"]
