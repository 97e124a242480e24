"""Run beam search, which follows several continuations in parallel to find the one that is most likely as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from llmlib.sampling.arguments import check_count, ends_of, tensor_of
from llmlib.sampling.generating import warn
from llmlib.transformer import Transformer

STEEPEST = 50  # the largest length penalty: length^50 is still finite


@dataclass(frozen=True)
class Beam:
    """A continuation: its ids, the sum of their log-probabilities, and a score.

    The score is the sum divided by length^`length_penalty`.
    """

    ids: tuple[int, ...]
    log_prob: float
    score: float


@torch.inference_mode()
def beam_search(
    model: Transformer,
    ids: Int[Tensor, " seq"] | Sequence[int],
    n_beams: int = 4,
    max_new_tokens: int = 50,
    length_penalty: float = 1.0,
    end_ids: Sequence[int] | None = None,
) -> list[Beam]:
    """Return the best continuations that the search finds (at most `n_beams`), with the best first. Nothing is random.

    Each step extends every continuation by every token and keeps the `n_beams` most likely continuations. A
    continuation is finished when it ends with an end token (which counts as part of it). The score of a continuation is
    its log-probability divided by length^`length_penalty`, so a penalty of 0 favours short texts, and a penalty above 1
    favours long texts. The search ends when there are `n_beams` finished continuations and no unfinished continuation
    has a higher score so far. It also ends after `max_new_tokens` tokens, or when the context is full (then you get a
    `GenerationWarning`). Source: Sutskever et al. (2014), "Sequence to Sequence Learning with Neural Networks"; the
    length penalty comes from Wu et al. (2016), in the simple form that today's libraries use. Raises `ValueError` for
    ids that the model does not accept, for fewer than 1 beam or token, and for a length penalty outside −50 to 50.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=1, n_heads=2))
    >>> [len(beam.ids) for beam in beam_search(model, [1, 2], n_beams=2, max_new_tokens=3)]
    [3, 3]
    """
    n_beams, max_new_tokens = check_count("n_beams", n_beams, 1), check_count("max_new_tokens", max_new_tokens, 1)
    if not isinstance(length_penalty, int | float) or not abs(length_penalty) <= STEEPEST:
        raise ValueError(f"length_penalty must be a number from -{STEEPEST} to {STEEPEST}, got {length_penalty!r}.")
    text = tensor_of(ids)
    if text.ndim != 1:
        raise ValueError(
            f"ids must be one text (a list or a 1-D tensor), got shape {tuple(text.shape)}. Search one text at a time."
        )
    prompt = text[None]
    model.check_ids(prompt)
    ends = ends_of(end_ids, model.config)
    steps = min(max_new_tokens, model.config.max_seq_len - prompt.shape[1] + 1)
    cache = model.new_cache(1, max_seq_len=prompt.shape[1] + steps)
    written = torch.zeros(1, 0, dtype=torch.long)  # [beam, tokens so far]
    totals = torch.zeros(1)  # sums of log-probabilities
    finished: list[Beam] = []
    new = prompt.long().to(model.device)
    for length in range(1, steps + 1):
        log_p = model(new, cache=cache, last_only=True)[:, -1].float().log_softmax(dim=-1).cpu()
        # For each beam, at most len(ends) candidates end, so at least n_beams of the candidates chosen here continue.
        totals, parents, tokens = _best(totals[:, None] + log_p, (1 + max(1, len(ends))) * n_beams)
        candidates = torch.cat([written[parents], tokens[:, None]], dim=1)
        ended = torch.isin(tokens, ends)
        for row in ended[:n_beams].nonzero().flatten().tolist():  # ended beams count only if they are among the best
            finished.append(_beam(candidates[row], totals[row], length_penalty))
        finished = sorted(finished, key=lambda beam: -beam.score)[:n_beams]
        going = (~ended).nonzero().flatten()[:n_beams]
        written, totals, parents = candidates[going], totals[going], parents[going]
        if not len(going) or (len(finished) == n_beams and totals[0] / length**length_penalty <= finished[-1].score):
            return finished
        cache.reorder(parents.to(model.device))
        new = written[:, -1:].to(model.device)
    if steps < max_new_tokens:
        warn(
            f"The context of {model.config.max_seq_len:,} tokens is full: the search stopped after {steps:,} tokens. "
            "Use a shorter prompt to search further."
        )
    unfinished = [_beam(row, total, length_penalty) for row, total in zip(written, totals)]
    return sorted([*finished, *unfinished], key=lambda beam: -beam.score)[:n_beams]


def _best(totals: Float[Tensor, "beam vocab"], n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the n largest totals in descending order, with the beam and the token of each."""
    values, places = totals.flatten().topk(min(n, totals.numel()))
    return values, places // totals.shape[1], places % totals.shape[1]


def _beam(ids: Tensor, total: Tensor, length_penalty: float) -> Beam:
    return Beam(tuple(ids.tolist()), total.item(), (total / len(ids) ** length_penalty).item())
