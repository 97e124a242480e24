"""From logits to text: choosing the next token, again and again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.transformer import Cache, Transformer


@dataclass(frozen=True)
class Sampler:
    """How a next token is drawn from logits.

    `temperature` divides the logits: below 1 the likely become likelier, 0 always takes the likeliest.
    `top_k` keeps the k likeliest tokens; `top_p` keeps the fewest whose probabilities reach p together
    (Holtzman et al., 2020, "The Curious Case of Neural Text Degeneration").
    Raises `ValueError` for values out of range.

    >>> Sampler(temperature=0.5).probabilities(torch.tensor([[0.0, 1.0]]))
    tensor([[0.1192, 0.8808]])
    >>> Sampler(top_k=1).probabilities(torch.tensor([[0.0, 1.0, 0.5]]))
    tensor([[0., 1., 0.]])
    """

    temperature: int | float = 1.0
    top_k: int | None = None
    top_p: int | float | None = None

    def __post_init__(self):
        if not self.temperature >= 0:
            raise ValueError(f"temperature must be 0 or more, got {self.temperature}.")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, got {self.top_k}.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie above 0 and at most at 1, got {self.top_p}.")

    def probabilities(self, logits: Float[Tensor, "batch vocab"]) -> Float[Tensor, "batch vocab"]:
        """The distribution that tokens are drawn from, in float32. Raises `ValueError` if a logit is NaN."""
        logits = logits.float()
        if logits.isnan().any():
            raise ValueError("The logits contain NaN. Did training diverge, or a hook divide by zero?")
        if self.temperature == 0:
            return torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
        logits = logits - logits.max(dim=-1, keepdim=True).values  # so that a tiny temperature cannot overflow
        probabilities = (logits / self.temperature).softmax(dim=-1)
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            kept = probabilities.topk(self.top_k).indices
            probabilities = torch.zeros_like(probabilities).scatter_(-1, kept, probabilities.gather(-1, kept))
        if self.top_p is not None and self.top_p < 1:
            falling, order = probabilities.sort(descending=True)
            mass = falling.sum(dim=-1, keepdim=True)
            before = (falling.cumsum(dim=-1) - falling) / mass  # mass of the likelier tokens
            probabilities = torch.zeros_like(probabilities).scatter_(-1, order, falling * (before < self.top_p))
        return probabilities / probabilities.sum(dim=-1, keepdim=True)

    def __call__(
        self, logits: Float[Tensor, "batch vocab"], generator: torch.Generator | None = None
    ) -> Int[Tensor, " batch"]:
        """Draw one id per row. `generator` lives on the CPU, so that a seed means the same on every device."""
        if self.temperature == 0:
            return logits.argmax(dim=-1)
        cumulative = self.probabilities(logits).cumsum(dim=-1)
        drawn = torch.rand(logits.shape[0], 1, generator=generator).to(logits.device) * cumulative[:, -1:]
        # The first id whose cumulative probability exceeds the drawn number; an id of probability 0 never is.
        return torch.searchsorted(cumulative, drawn, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)


def entropy(logits: Float[Tensor, "*axes vocab"]) -> Float[Tensor, "*axes"]:
    """How uncertain a distribution is, −Σ p·ln p of the softmax of the logits, in nats: 0 (certain) to ln vocab.

    Source: Shannon (1948), "A Mathematical Theory of Communication". A logit of -inf is a token that cannot come.

    >>> entropy(torch.tensor([[0.0, 0.0], [0.0, float("-inf")]]))
    tensor([0.6931, 0.0000])
    """
    log_p = logits.float().log_softmax(dim=-1)
    return (log_p.exp() * -log_p.clamp(min=torch.finfo(log_p.dtype).min)).sum(dim=-1)  # 0 · ln 0 counts as 0


def generate(
    model: Transformer,
    ids: Int[Tensor, "batch seq"] | Int[Tensor, " seq"] | Sequence[int],
    max_new_tokens: int = 100,
    sampler: Sampler | None = None,
    seed: int | None = None,
    *,
    attention_mask: Bool[Tensor, "batch seq"] | Int[Tensor, "batch seq"] | None = None,
    end_ids: Sequence[int] | None = None,
) -> Iterator:
    """Continue a text, yielding each token as it comes.

    One text (a list or a 1-D tensor) yields an `int` a step and ends before the end token. A batch
    (2-D, padded on the left, `attention_mask` False at the padding) yields an `Int[Tensor, "batch"]` a step;
    rows that have ended repeat their end token until all have. Stops at an end token (`end_ids`, default those
    of the model's config), after `max_new_tokens`, or when the context is full. `seed=None` draws a fresh one.
    Raises `ValueError` at once for ids that the model cannot take.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> len(list(generate(model, [1, 2, 3], max_new_tokens=4, seed=0)))
    4
    """
    prompt = ids if isinstance(ids, Tensor) else _tensor_of(ids)
    single = prompt.ndim == 1
    prompt = prompt[None] if single else prompt
    if prompt.ndim != 2:
        raise ValueError(f"ids must be one text (a list or 1-D) or a batch (2-D), got shape {tuple(prompt.shape)}.")
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens must be 0 or more, got {max_new_tokens}.")
    model.check_ids(prompt.cpu())
    prompt = prompt.long()
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    ends = torch.tensor(model.config.end_ids if end_ids is None else tuple(end_ids), dtype=torch.long)
    steps = _steps(
        model, prompt.to(model.device), attention_mask, max_new_tokens, sampler or Sampler(), generator, ends
    )
    return _one_text(steps, set(ends.tolist())) if single else steps


def _tensor_of(ids: Sequence[int]) -> Tensor:
    if isinstance(ids, str):
        raise ValueError(
            "ids is a text. Turn it into ids first, with the model's own tokenizer: tokenizer.encode(text)."
        )
    try:
        return torch.tensor(list(ids)) if len(ids) else torch.zeros(0, dtype=torch.long)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ValueError(f"ids must be whole numbers, each the id of a token ({error}).") from None


def _steps(model, prompt, attention_mask, max_new_tokens, sampler, generator, ends) -> Iterator[Int[Tensor, " batch"]]:
    ends = ends.to(model.device)
    batch, length = prompt.shape
    cache = model.new_cache(batch, max_seq_len=length + max_new_tokens)
    ended = torch.zeros(batch, dtype=torch.bool, device=model.device)
    tokens = torch.zeros(batch, dtype=torch.long, device=model.device)
    for step in range(min(max_new_tokens, cache.max_seq_len - length + 1)):
        new, mask = (prompt, attention_mask) if step == 0 else (tokens[:, None], None)
        logits = _next_logits(model, new, cache, mask)
        tokens = torch.where(ended, tokens, sampler(logits, generator))
        ended = ended | torch.isin(tokens, ends)
        yield tokens
        if ended.all():
            return


@torch.inference_mode()
def _next_logits(model: Transformer, ids: Tensor, cache: Cache, attention_mask: Tensor | None) -> Tensor:
    # A function of its own: inference mode must not leak to the caller while the generator is paused.
    return model(ids, cache=cache, attention_mask=attention_mask, last_only=True)[:, -1]


def _one_text(steps: Iterator[Tensor], ends: set[int]) -> Iterator[int]:
    for tokens in steps:
        token = int(tokens)
        if token in ends:
            return
        yield token
