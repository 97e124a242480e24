"""Score documents by how close their vectors, taken from a language model, are to the vector of a query."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from llmlib.embeddings import cosine_similarity
from llmlib.interpret.points import checked_layer
from llmlib.interpret.tracing import trace
from llmlib.retrieval.bm25 import check_documents
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer


class EmbeddingIndex:
    """An index of documents by their vectors. A vector is the mean of the residual stream over a text, in one layer.

    `scores` returns the cosine between query and document, after the documents' mean vector has been subtracted from
    both, because most of a language model's vector is the same for all texts (Mu and Viswanath, 2018,
    "All-but-the-Top"). `layer` counts blocks, so 0 is the embedding, and the default is the middle layer. A language
    model is not trained for retrieval; models that are trained for retrieval find many more of the right documents.
    Raises `ValueError` if there are no documents, if a document has no tokens, or for a layer that does not exist.

    >>> from llmlib.pretrained import load_pretrained
    >>> model, tokenizer = load_pretrained("tinytales", dtype="float32")
    >>> index = EmbeddingIndex(model, tokenizer, ["The fox was hungry.", "It rained all day."])
    >>> scores = index.scores("It rained all night.")
    >>> scores[1] > scores[0]
    True
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer, documents: Sequence[str], layer: int | None = None):
        check_documents(documents, str.strip)
        self.model, self.tokenizer, self.documents = model, tokenizer, list(documents)
        middle = model.config.n_layers // 2
        self.layer = middle if layer is None else checked_layer(model, layer, extra=True)
        vectors = torch.stack([self._vector(document) for document in documents])
        self.mean = vectors.mean(dim=0) if len(vectors) > 1 else torch.zeros_like(vectors[0])
        self.vectors = vectors - self.mean

    def scores(self, query: str) -> list[float]:
        """Return one cosine per document.

        A cosine is 1 if the vectors of the query and the document point in the same direction. Raises `ValueError` for
        a query without tokens.
        """
        check_documents([query], str.strip)
        return cosine_similarity((self._vector(query) - self.mean)[None], self.vectors)[0].tolist()

    def _vector(self, text: str) -> Float[Tensor, " d_model"]:
        ids = torch.tensor([self.tokenizer.encode(text)], device=self.model.device)
        with torch.inference_mode(), trace(self.model, names=("residual",)) as seen:
            self.model(ids)
        # The first token's vector is huge and the same for all texts (an attention sink), so we leave it out.
        return seen.residual[self.layer][0, 1 if ids.shape[1] > 1 else 0 :].float().mean(dim=0).cpu()
