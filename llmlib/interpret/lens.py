"""Apply the logit lens: what would a model predict if it stopped after a certain layer?"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llmlib.interpret.tracing import trace
from llmlib.linear import linear
from llmlib.sampling import entropy
from llmlib.transformer import Transformer


class LogitLens(Sequence):
    """Holds the logits after each layer: `lens[0]` comes from the embedding, and `lens[-1]` is the model's output.

    The logits are computed only when you ask for them, because there are so many of them (31 × 128 × 49,152 numbers for
    SmolLM2 and 128 tokens). Usually people look only at `top`, `rank` and `entropy`, which are small.
    """

    def __init__(self, model: Transformer, residual: Sequence[Float[Tensor, "batch seq d_model"]]):
        self.model, self.residual = model, residual

    def __len__(self) -> int:
        return len(self.residual)

    def __getitem__(self, layer: Any) -> Any:  # layer is an int or a slice
        if isinstance(layer, slice):
            return [self[number] for number in range(len(self))[layer]]
        if not -len(self) <= layer < len(self):
            raise IndexError(
                f"There is no layer {layer}: layers go from 0 (the embedding) to {len(self) - 1} (the model's output)."
            )
        with torch.inference_mode():
            final = self.model.final_norm(self.residual[layer])
            return linear(final, self.model.unembedding)

    def __iter__(self) -> Iterator[Float[Tensor, "batch seq vocab"]]:
        return (self[layer] for layer in range(len(self)))

    def top(self, k: int = 1) -> tuple[Int[Tensor, "layer batch seq k"], Float[Tensor, "layer batch seq k"]]:
        """Return the `k` most likely next tokens at each position, and their probabilities."""
        best = [logits.float().softmax(-1).topk(k) for logits in self]
        return torch.stack([b.indices for b in best]), torch.stack([b.values for b in best])

    def rank(self, ids: Int[Tensor, "batch seq"]) -> Int[Tensor, "layer batch seq"]:
        """Return how many tokens are more likely than the token in `ids` at each position (0 for the top token)."""
        ids = ids.to(self.residual[0].device)[..., None]
        return torch.stack([(logits > logits.gather(-1, ids)).sum(-1) for logits in self])

    def entropy(self) -> Float[Tensor, "layer batch seq"]:
        """Return the entropy of the prediction at each position, in nats: how uncertain the model is."""
        return torch.stack([entropy(logits) for logits in self])


def logit_lens(model: Transformer, ids: Int[Tensor, "batch seq"]) -> LogitLens:
    """Return the model's prediction after each layer, as if only the final norm and the output layer followed.

    The result makes sense because directions in the residual stream mean much the same in all layers, though not in
    every model: early layers of some models use other directions (Belrose et al., 2023, "Eliciting Latent
    Predictions from Transformers with the Tuned Lens"). Source: nostalgebraist (2020), "interpreting GPT: the logit
    lens". Raises `ValueError` for ids that the model does not accept.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> lens = logit_lens(model, torch.tensor([[1, 2, 3]]))
    >>> len(lens), lens[0].shape, torch.equal(lens[-1], model(torch.tensor([[1, 2, 3]])))
    (3, torch.Size([1, 3, 10]), True)
    """
    with torch.inference_mode(), trace(model, names=("residual",)) as t:
        model(ids)
    return LogitLens(model, [t.residual[layer] for layer in range(model.config.n_layers + 1)])
