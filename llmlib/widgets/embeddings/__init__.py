"""The embeddings view shows a whole embedding table as a cloud of points, with neighbours and analogies."""

from llmlib.widgets.embeddings.view import EmbeddingsView, embeddings_view

__all__ = ["EmbeddingsView", "embeddings_view"]
