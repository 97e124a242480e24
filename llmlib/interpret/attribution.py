"""Split a logit into the contributions of each head, each MLP and the embedding, which sum to the logit."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from llmlib.interpret.tracing import trace
from llmlib.layers import RMSNorm
from llmlib.transformer import Transformer


class NormNotFoldedWarning(UserWarning):
    """Warns that the final norm is not a LayerNorm or RMSNorm, so we used its derivative instead of a fixed scale."""


@dataclass(frozen=True)
class Attribution:
    """Holds what each part of the model adds to a logit (or to the difference between two logits), for each text."""

    embedding: Float[Tensor, " batch"]  # of the token, and of its position if the model embeds positions
    heads: Float[Tensor, "batch layer head"]
    mlps: Float[Tensor, "batch layer"]
    biases: Float[Tensor, "batch layer"]  # the bias of the attention output
    norm_bias: Float[Tensor, " batch"]  # the bias of the final norm, or the remainder if we could not fold the norm
    logit: Float[Tensor, " batch"]  # the logit (or difference) itself

    def sum(self) -> Float[Tensor, " batch"]:
        """Return the sum of all contributions, which equals `logit` up to rounding."""
        parts = self.heads.flatten(1).sum(1) + self.mlps.sum(1) + self.biases.sum(1)
        return self.embedding + parts + self.norm_bias

    def ranked(self, row: int = 0) -> list[tuple[str, float]]:
        """Return the parts ("embedding", "head 3.2", "MLP 5", …) and their contributions, with the largest first.

        Contributions are ordered by absolute value, and those that are exactly 0 are left out.
        """
        parts = {"embedding": self.embedding[row].item(), "final norm's bias": self.norm_bias[row].item()}
        parts |= {f"MLP {layer}": value for layer, value in enumerate(self.mlps[row].tolist())}
        parts |= {f"attention bias {layer}": value for layer, value in enumerate(self.biases[row].tolist())}
        for layer, heads in enumerate(self.heads[row].tolist()):
            parts |= {f"head {layer}.{head}": value for head, value in enumerate(heads)}
        return sorted(((name, value) for name, value in parts.items() if value), key=lambda part: -abs(part[1]))


def direct_logit_attribution(
    model: Transformer,
    ids: Int[Tensor, "batch seq"],
    token: Int[Tensor, " batch"] | int,
    against: Int[Tensor, " batch"] | int | None = None,
    position: int = -1,
) -> Attribution:
    """Return how much each part of a model adds *directly* to the logit of `token`, or to its lead over `against`.

    The last residual is a sum over all parts, and a logit is a dot product with this sum, so the logit splits into one
    term per part. The final norm, which comes in between, divides by the size of the whole sum. We take the size from
    this run and hold it fixed, so the terms add up exactly. The terms do not capture how a part changes the size, or
    how the part acts through later layers. If the final norm is neither LayerNorm nor RMSNorm, we cannot hold the size
    fixed; we use the norm's derivative, and a `NormNotFoldedWarning` says so. Raises `ValueError` for a token or
    position that does not exist. Sources: Elhage et al. (2021), "A Mathematical Framework for Transformer Circuits";
    Wang et al. (2022), "Interpretability in the Wild", section 3.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> parts = direct_logit_attribution(model, torch.tensor([[1, 2, 3]]), token=7)
    >>> parts.heads.shape, torch.allclose(parts.sum(), parts.logit, atol=1e-5)
    (torch.Size([1, 2, 4]), True)
    """
    seq_len, vocab_size = ids.shape[1], model.config.vocab_size
    if not -seq_len <= position < seq_len:
        raise ValueError(f"There is no position {position}: this text has positions 0 to {seq_len - 1}.")
    with torch.inference_mode(), trace(model, names=("residual", "z", "mlp_out", "attention_out")) as t:
        logits = model(ids)[:, position].float()
        direction, logit = torch.zeros_like(logits[:, :1]), torch.zeros_like(logits[:, 0])
        for chosen, sign in ((token, 1), (against, -1)):
            if chosen is not None:
                row = _checked(chosen, len(ids), vocab_size).to(logits.device)
                direction = direction + sign * model.unembedding[row].float()  # Float[Tensor, "batch d_model"]
                logit = logit + sign * logits.gather(1, row[:, None])[:, 0]
        pulled, rest = _through_the_norm(model, t.residual[-1][:, position].float(), direction)

        def share(written: Float[Tensor, "batch *parts d_model"]) -> Float[Tensor, "batch *parts"]:
            return einsum(written, pulled, "batch ... d_model, batch d_model -> batch ...")

        heads, biases = [], []
        for layer in range(model.config.n_layers):
            output = model.get_parameter(f"blocks.{layer}.attention.output.weight")
            written = written_by_heads(t.z[layer][:, :, position].float(), output.float())
            heads.append(share(written))
            biases.append(share(t.attention_out[layer][:, position].float() - written.sum(1)))
        return Attribution(
            embedding=share(t.residual[0][:, position].float()),
            heads=torch.stack(heads, dim=1),
            mlps=torch.stack([share(out[:, position].float()) for out in t.mlp_out], dim=1),
            biases=torch.stack(biases, dim=1),
            norm_bias=rest,
            logit=logit,
        )


def written_by_heads(
    z: Float[Tensor, "batch head d_head"], output: Float[Tensor, "d_model width"]
) -> Float[Tensor, "batch head d_model"]:
    """Return what each head writes into the residual stream: the head's z times its columns of the output weight."""
    matrix = rearrange(output, "d_model (head d_head) -> head d_head d_model", head=z.shape[1])
    return einsum(z, matrix, "batch head d_head, head d_head d_model -> batch head d_model")


def head_contributions(
    z: Float[Tensor, "batch head d_head"],
    output: Float[Tensor, "d_model width"],
    direction: Float[Tensor, "batch d_model"],
) -> Float[Tensor, "batch head"]:
    """Return how much each head adds along a direction.

    If the direction is a token's unembedding, this is how much each head adds to the token's logit, apart from the
    final norm. `z` is the heads' output at one position, and `output` is the weight matrix of the attention output
    layer. Source: Elhage et al. (2021), "A Mathematical Framework for Transformer Circuits".

    >>> z, output = torch.tensor([[[1.0], [2.0]]]), torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    >>> head_contributions(z, output, direction=torch.tensor([[1.0, 1.0]]))
    tensor([[1., 6.]])
    """
    return einsum(written_by_heads(z, output), direction, "batch head d_model, batch d_model -> batch head")


def _through_the_norm(
    model: Transformer, residual: Float[Tensor, "batch d_model"], direction: Float[Tensor, "batch d_model"]
) -> tuple[Float[Tensor, "batch d_model"], Float[Tensor, " batch"]]:
    """Return the direction pulled back through the final norm, and what the norm itself adds.

    With the scale held fixed, both norms that a config can name are linear, apart from LayerNorm's bias.
    """
    if not isinstance(model.final_norm, (nn.LayerNorm, RMSNorm)):
        return _by_derivative(model.final_norm, residual, direction, model.dtype)
    norm: Any = model.final_norm
    centres = isinstance(model.final_norm, nn.LayerNorm)
    centred = residual - residual.mean(-1, keepdim=True) if centres else residual
    scale = (centred.square().mean(-1, keepdim=True) + norm.eps).rsqrt()  # [batch, 1]
    pulled = direction * scale * (1 if norm.weight is None else norm.weight.float())
    if not centres:
        return pulled, torch.zeros_like(pulled[:, 0])
    rest = torch.zeros_like(pulled[:, 0]) if norm.bias is None else direction @ norm.bias.float()
    return pulled - pulled.mean(-1, keepdim=True), rest


def _by_derivative(norm: nn.Module, residual: Tensor, direction: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    warnings.warn(
        f"The final norm is a {type(norm).__name__}, which cannot be folded into the output: only LayerNorm and "
        "RMSNorm can. Its derivative at this residual was used instead; norm_bias contains the remainder.",
        NormNotFoldedWarning,
        stacklevel=4,
    )
    with torch.inference_mode(False), torch.enable_grad():
        at, towards = residual.clone().requires_grad_(), direction.clone()
        value = (norm(at.to(dtype)).float() * towards).sum(-1)
        (pulled,) = torch.autograd.grad(value.sum(), at)
    return pulled, value.detach() - (residual * pulled).sum(-1)


def _checked(token: Tensor | int, batch: int, vocab_size: int) -> Tensor:
    rows = torch.as_tensor(token).long().expand(batch)
    if (wrong := rows[(rows < 0) | (rows >= vocab_size)]).numel():
        raise ValueError(f"There is no token with the id {wrong[0].item()}: ids go from 0 to {vocab_size - 1}.")
    return rows
