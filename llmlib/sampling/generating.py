"""Generate text by drawing the next token, again and again, until the text ends."""

import inspect
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from llmlib.sampling.arguments import LARGEST_SEED, check_count, ends_of, mask_of, tensor_of
from llmlib.sampling.constraint import Constraint
from llmlib.sampling.continuation import Continuation
from llmlib.sampling.sampler import Sampler
from llmlib.transformer import Cache, Transformer

Reason = Literal["end token", "max_new_tokens", "context full", "constraint", "stop string"]


class GenerationWarning(UserWarning):
    """Warns that a text was cut off before its end; the message says why."""


WITHIN = ("llmlib", "collections", "torch", "jaxtyping")  # packages whose frames we skip to find the user's own line


def warn(message: str) -> None:
    """Warn every time, and point to the line of the user's own code that asked for the text.

    `warnings.warn` would show the same message only once per session, and point to a line in this file.
    """
    frame = inspect.currentframe()
    while frame and frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in WITHIN:
        frame = frame.f_back
    place = (frame.f_code.co_filename, frame.f_lineno) if frame else ("llmlib", 0)
    warnings.warn_explicit(message, GenerationWarning, *place)


@dataclass(frozen=True)
class SampledToken:
    """A token that was drawn, with its log-probability from the model itself, before any sampler settings."""

    id: int
    log_prob: float
    top: tuple[tuple[int, float], ...] = ()  # the most likely ids and their log-probabilities, in descending order


class Generation(Generator):
    """Yields generated text piece by piece; at the end, `ended_by` says why the text ended (a tuple for a batch)."""

    def __init__(self, start: Callable[["Generation"], Iterator]):
        self.ended_by: Any = None
        self._steps: Any = start(self)

    def __repr__(self) -> str:
        ended = f"ended by {self.ended_by}" if self.ended_by else "written as you loop over it"
        return f"Generation({ended}; for the whole text use ''.join(…), for all ids list(…))"

    def send(self, value: Any) -> Any:
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        return self._steps.throw(*error)


def generate(
    model: Transformer,
    ids: Int[Tensor, "batch seq"] | Int[Tensor, " seq"] | Sequence[int],
    max_new_tokens: int = 100,
    sampler: Sampler | None = None,
    seed: int | None = None,
    *,
    attention_mask: Bool[Tensor, "batch seq"] | Int[Tensor, "batch seq"] | None = None,
    end_ids: Sequence[int] | None = None,
    constraint: Constraint | Sequence[Constraint | None] | None = None,
    top_log_probs: int | None = None,
    when_full: str = "stop",
    samples: int = 1,
) -> Generation:
    """Continue a text, yielding each token as soon as it is drawn.

    For one text (a list or a 1-D tensor), each step yields an `int`, and the text ends before the end token. For a
    batch (2-D, padded on the left, with `attention_mask` False at the padding), each step yields an `Int[Tensor,
    "batch"]`. Rows that have ended repeat their end token until all rows have ended; after a while, the model no longer
    reads the ended rows (a hook then sees fewer rows). Generation stops at an end token (`end_ids`, by default the end
    ids in the model's config), after `max_new_tokens` tokens, when a `constraint` (one for all, or one per text) is met
    and allows no more tokens, or when the context is full; the result's `ended_by` says why. If the context is full,
    `when_full="slide"` drops the older half and continues, and "stop" issues a `GenerationWarning`. With
    `top_log_probs=k`, each step yields a `SampledToken` (a tuple of them for a batch) with the id, its log-probability
    and the k most likely tokens. With `samples=n`, each text is read once and continued n times, so the result is a
    batch with n rows for the first text, then n for the next, and so on. `seed=None` uses a fresh, random seed. Raises
    `ValueError` right away for ids that the model does not accept, and for padding that is not on the left.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> writing = generate(model, [1, 2, 3], max_new_tokens=4, seed=0)
    >>> len(list(writing)), writing.ended_by
    (4, 'max_new_tokens')
    """
    prompt = tensor_of(ids)
    single = prompt.ndim == 1
    prompt = prompt[None] if single else prompt
    if prompt.ndim != 2:
        raise ValueError(
            f"ids must be one text (a list or a 1-D tensor) or a batch (2-D), got shape {tuple(prompt.shape)}."
        )
    max_new_tokens, samples = check_count("max_new_tokens", max_new_tokens, 0), check_count("samples", samples, 1)
    if seed is not None:
        seed = check_count("seed", seed, 0, LARGEST_SEED)
    if not isinstance(sampler, Sampler | None):
        raise ValueError(
            f"sampler must be a Sampler, got {sampler!r}. To set a temperature, write Sampler(temperature=0.8)."
        )
    if when_full not in ("stop", "slide"):
        raise ValueError(f"when_full must be 'stop' or 'slide', got {when_full!r}.")
    if top_log_probs is not None and check_count("top_log_probs", top_log_probs, 0) > model.config.vocab_size:
        raise ValueError(
            f"top_log_probs must be between 0 and {model.config.vocab_size} (the vocabulary size), got {top_log_probs}."
        )
    model.check_ids(prompt.cpu())
    constraints = list(constraint) if isinstance(constraint, Sequence) else [constraint] * len(prompt)
    if len(constraints) != len(prompt):
        raise ValueError(f"There are {len(constraints)} constraints for {len(prompt)} texts: pass one per text.")
    for one in constraints:
        if one is not None and one.vocab_size > model.config.vocab_size:
            raise ValueError(
                f"The constraint's tokenizer has {one.vocab_size:,} tokens, but the model has only "
                f"{model.config.vocab_size:,}. Make the constraint with the model's own tokenizer."
            )
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    ends = ends_of(end_ids, model.config)
    if single and isinstance(attention_mask, Tensor) and attention_mask.ndim == 1:
        attention_mask = attention_mask[None]
    writer = _Writer(
        model,
        prompt.long().to(model.device),
        mask_of(attention_mask, prompt),
        max_new_tokens=max_new_tokens,
        sampler=sampler or Sampler(),
        generator=generator,
        ends=ends.to(model.device),
        constraints=[one for one in constraints for _ in range(samples)],
        top_log_probs=top_log_probs,
        slides=when_full == "slide",
        samples=samples,
    )
    alone = single and samples == 1
    return Generation(lambda generation: _one_text(writer, generation) if alone else _batch(writer, generation))


class _Writer:
    """Writes a batch, and keeps track of the text so far, the model's cache, and which rows have ended and why."""

    def __init__(
        self,
        model: Transformer,
        prompt: Tensor,
        attention_mask: Tensor | None,
        *,
        max_new_tokens: int,
        sampler: Sampler,
        generator: torch.Generator | None,
        ends: Tensor,
        constraints: Sequence[Constraint | None],
        top_log_probs: int | None,
        slides: bool,
        samples: int,
    ):
        self.model, self.sampler, self.generator = model, sampler, generator
        self.ends, self.top_log_probs, self.slides = ends, top_log_probs, slides
        self.max_new_tokens, self.samples, end_ids = max_new_tokens, samples, set(ends.tolist())
        texts, self.length = prompt.shape
        batch = texts * samples
        self.cache: Cache = model.new_cache(texts, max_seq_len=self.length + max_new_tokens)
        room = max_new_tokens if slides else self.cache.max_seq_len - self.length + 1
        self.written = torch.zeros(batch, self.length + room, dtype=torch.long, device=prompt.device)
        self.real = torch.ones_like(self.written, dtype=torch.bool)
        self.written[:, : self.length] = prompt.repeat_interleave(samples, dim=0)
        if attention_mask is not None:
            self.real[:, : self.length] = attention_mask.repeat_interleave(samples, dim=0)
        self.read = 0  # how many tokens of each row are in the cache
        self.masked = attention_mask is not None
        self.held = torch.arange(batch, device=prompt.device)  # the rows that are in the cache
        self.rows = [Continuation.begin(end_ids, constraint) for constraint in constraints]
        self.reasons: list[Reason | None] = [row.ended or None for row in self.rows]

    def steps(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield the tokens of each step, and the model's own log-probabilities if they were asked for."""
        for _ in range(self.max_new_tokens):
            if all(self.reasons):
                return
            if self.cache.length + self.length - self.read > self.cache.max_seq_len:
                if not self.slides:
                    self._end_all("context full")
                    return
                self._slide()
            logits = self._next_logits()
            tokens = self._draw(logits)
            self.written[:, self.length] = tokens
            self.length += 1
            yield tokens, logits.float().log_softmax(dim=-1) if self.top_log_probs is not None else None
        self._end_all("max_new_tokens")

    def _next_logits(self) -> Float[Tensor, "batch vocab"]:
        """Return the logits for the next token, and zeros for rows that the model no longer reads."""
        if self.read == 0 and self.samples > 1:
            return self._first_logits()
        self._let_go()
        new = slice(self.read, self.length)
        mask = self.real[self.held, new] if self.masked else None
        logits = _last_logits(self.model, self.written[self.held, new], self.cache, mask)
        self.read, self.masked = self.length, False
        if len(self.held) == len(self.written):
            return logits
        return logits.new_zeros(len(self.written), logits.shape[-1]).index_copy(0, self.held, logits)

    def _first_logits(self) -> Float[Tensor, "batch vocab"]:
        """Read each text once, and give each of its samples a copy of what the model remembers of the text."""
        new = slice(0, self.length)
        mask = self.real[:: self.samples, new] if self.masked else None
        logits = _last_logits(self.model, self.written[:: self.samples, new], self.cache, mask)
        texts = torch.arange(len(logits), device=logits.device)
        self.cache.reorder(texts.repeat_interleave(self.samples))
        self.read, self.masked = self.length, False
        return logits.repeat_interleave(self.samples, dim=0)

    def _let_go(self) -> None:
        """Drop ended rows from the cache, but only once they fill half of it, because copying takes time.

        If the caller asked for log-probabilities, they are needed even for rows that have ended, so all rows stay.
        """
        going_on = [place for place, row in enumerate(self.held.tolist()) if self.reasons[row] is None]
        if self.top_log_probs is None and 2 * len(going_on) <= len(self.held):
            places = torch.tensor(going_on, device=self.held.device)
            self.cache.reorder(places)
            self.held = self.held[places]

    def _slide(self) -> None:
        """Start again with the newer half of the context, and drop the older half."""
        self.cache = self.model.new_cache(len(self.held), self.cache.max_seq_len)
        self.read = self.length - max(1, self.cache.max_seq_len // 2)
        self.masked = not bool(self.real[self.held, self.read : self.length].all())

    def _draw(self, logits: Float[Tensor, "batch vocab"]) -> Int[Tensor, " batch"]:
        so_far = None
        if self.sampler.looks_back:
            so_far = self.written[:, : self.length].masked_fill(~self.real[:, : self.length], -1)
        allowed = self._allowed(logits) if any(row.constraint for row in self.rows) else None
        tokens = self.sampler(logits, self.generator, ids=so_far, allowed=allowed)
        ended = torch.tensor([reason is not None for reason in self.reasons], device=tokens.device)
        tokens = torch.where(ended, self._last_tokens(), tokens)
        for row, token in enumerate(tokens.tolist()):
            if self.reasons[row] is None:
                self.rows[row] = self.rows[row].after(token)
                self.reasons[row] = self.rows[row].ended or None
        return tokens

    def _last_tokens(self) -> Int[Tensor, " batch"]:
        """Return the token that each ended row repeats: its last token if that is in `ends`, else the first of `ends`.

        If `ends` is empty, the row repeats its last token.
        """
        last = self.written[:, self.length - 1]
        return last if not len(self.ends) else torch.where(torch.isin(last, self.ends), last, self.ends[0])

    def _allowed(self, logits: Tensor) -> Bool[Tensor, "batch vocab"]:
        allowed = torch.ones_like(logits, dtype=torch.bool)
        for number, (row, reason) in enumerate(zip(self.rows, self.reasons)):
            if row.constraint and reason is None:
                allowed[number] = row.allowed(logits.shape[-1]).to(logits.device)
        return allowed

    def _end_all(self, reason: Reason) -> None:
        unfulfilled = False
        for number, row in enumerate(self.rows):
            if self.reasons[number] is None:
                self.reasons[number] = reason
                unfulfilled |= not row.is_complete
        if reason == "context full":
            warn(
                f"The context of {self.cache.max_seq_len:,} tokens is full, so the text stops there. "
                'With when_full="slide" the older half is forgotten and the text continues.'
            )
        elif unfulfilled:
            warn(
                f"After {self.max_new_tokens:,} tokens the text does not meet the constraint yet: it is unfinished. "
                "Increase max_new_tokens."
            )


@torch.inference_mode()
def _last_logits(model: Transformer, ids: Tensor, cache: Cache, attention_mask: Tensor | None) -> Tensor:
    # This is a separate function so that inference mode does not leak to the caller while the generator is paused.
    return model(ids, cache=cache, attention_mask=attention_mask, last_only=True)[:, -1]


def _batch(writer: _Writer, generation: Generation) -> Iterator:
    for tokens, log_probs in writer.steps():
        yield tokens if log_probs is None else tuple(_sampled(tokens, log_probs, writer.top_log_probs))
    generation.ended_by = tuple(writer.reasons)


def _one_text(writer: _Writer, generation: Generation) -> Iterator:
    for tokens, log_probs in writer.steps():
        if writer.reasons[0] == "end token":
            break
        yield int(tokens) if log_probs is None else next(_sampled(tokens, log_probs, writer.top_log_probs))
    generation.ended_by = writer.reasons[0]


def _sampled(tokens: Tensor, log_probs: Tensor, k: int | None) -> Iterator[SampledToken]:
    for token, row in zip(tokens.tolist(), log_probs):
        values, ids = row.topk(k or 0)
        yield SampledToken(token, row[token].item(), tuple(zip(ids.tolist(), values.tolist())))
