"""Exercises for lesson 07 on writing text: the decoding loop with a cache, and one step of beam search."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.engine.probes import randn
from llmlib.exercises.lessons.lesson_07_sampling.faulty_loops import faulty_beam_step, faulty_continuation

TEXTS = texts_of(Path(__file__).parent)


# --- sampling.continuation ---


def continuation(read, choose, ids, us, end):
    """Return the new ids after a prompt, one for each u, up to the end token. The model reads each token only once."""
    logits, cache = read(ids, None)
    new: list[int] = []
    for u in us:
        token = choose(logits, ids + new, u)
        if token == end:
            break
        new.append(token)
        logits, cache = read([token], cache)
    return new


@dataclass(frozen=True)
class Read:
    """A model with a cache, whose logits depend on every id it has read, and on their order."""

    vocab_size: int
    seed: int

    def __call__(self, ids, cache):
        if not isinstance(ids, (list, tuple, torch.Tensor)):
            raise TypeError(f"read must be given a list of ids; got {ids!r}")
        text = (cache or ()) + tuple(int(id) for id in ids)
        mood = sum((place + 1.7) * (id + 1) for place, id in enumerate(text)) + self.seed
        return torch.tensor([2 * math.sin(mood * (id + 1)) for id in range(self.vocab_size)]), text


@dataclass(frozen=True)
class Choose:
    """A sampler that makes the text's tokens less likely, the latest ones most of all, and then uses u to draw."""

    def __call__(self, logits, ids, u):
        seen = torch.zeros_like(logits)
        for place, id in enumerate(ids):
            seen[int(id)] += 3 * (place + 1) / len(ids)
        p = (logits - seen).softmax(dim=-1)
        return min(int((p.cumsum(dim=-1) <= u).sum()), len(logits) - 1)


def cases_continuation(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(ids, n, note="", end=-1, vocab_size=6):
        us = torch.rand(n, generator=generator).tolist()
        return Case((Read(vocab_size, seed), Choose(), ids, us, end), note)

    def ending(ids, n, note, at):
        """Make a case with an end token that would be drawn at position `at` and has not occurred before."""
        for _ in range(200):
            one = case(ids, n, vocab_size=9)
            text = continuation(*one.args)
            if text[at] not in text[:at] and text[at] not in ids and goes_on(one.args, text[:at], text[at]):
                return Case((*one.args[:4], text[at]), note)
        raise AssertionError("found no text that ends with the end token")

    def goes_on(args, new, end):
        """Return whether a later u would draw another token, so that it is not enough to leave out the end token."""
        read, choose, ids, us, _ = args
        logits, _ = read(ids + new, None)
        return any(choose(logits, ids + new, u) != end for u in us[len(new) + 1 :])

    def unended(ids, n, note):
        """Make a case with the prompt's last token as the end token, and with draws that do not repeat it."""
        for _ in range(200):
            one = case(ids, n, note, end=ids[-1], vocab_size=9)
            if len(continuation(*one.args)) == n:
                return one
        raise AssertionError("found no text that ends without the end token")

    return [
        case([1, 2], 2),
        case([3], 5, "a prompt of one token"),
        ending([4, 1, 2], 6, "the end token comes before the random numbers are used up", 3),
        ending([2, 5], 5, "the end token comes first", 0),
        case([0, 4, 2, 2], 8, "a longer text"),
        case([1, 0, 3], 0, "no random numbers, so no new tokens"),
        unended([1, 2, 8], 3, "the prompt itself ends with the end token"),
    ]


def reads_again(call, case):
    """Compare the number of ids that the model has to read with the number of ids in the text."""
    read, choose, ids, us, end = case.args
    given: list[int] = []

    def counted(new, cache):
        given.extend(int(id) for id in new)
        return read(new, cache)

    new = call(counted, choose, ids, us, end)
    text = len(ids) + len(new)
    if len(given) <= text + 1:
        return None
    return (
        f"The model has read {len(given)} tokens, but the text has only {text}. With the cache, it needs only the new "
        "tokens."
    )


CONTINUATION = Exercise(
    **TEXTS["continuation"],
    reference=continuation,
    cases=cases_continuation,
    faulty=faulty_continuation,
    probes=(Probe("The model reads each token once.", reads_again),),
    double=False,
)


# --- sampling.beam_step ---


def beam_step(found, log_p, n_beams):
    """Return the best one-token continuations of all beams, as pairs (sum of log-probabilities, list of ids)."""
    totals = torch.tensor([total for total, _ in found])[:, None] + log_p  # (beam, vocab)
    best = totals.flatten().topk(n_beams)
    places = [divmod(place, log_p.shape[1]) for place in best.indices.tolist()]
    return [(total, found[beam][1] + [token]) for total, (beam, token) in zip(best.values.tolist(), places)]


def cases_beam_step(seed):
    def case(totals, vocab, n_beams, note="", length=2, spread=2.0):
        generator = torch.Generator().manual_seed(seed + vocab + len(totals))
        ids = torch.randint(0, vocab, (len(totals), length), generator=generator).tolist()
        log_p = (spread * randn(seed + vocab + length, len(totals), vocab)).float().log_softmax(dim=-1)
        return Case((list(zip(totals, ids)), log_p, n_beams), note)

    # If only the new token counted, all three best would continue the second beam. No two tokens are equally likely.
    sure = torch.tensor([[0.26, 0.23, 0.2, 0.17, 0.14], [0.03, 0.31, 0.02, 0.35, 0.29]]).log()
    return [
        case([-1.0, -1.5], 3, 2, "two beams, three tokens"),
        case([0.0], 6, 3, "the first step, in which one beam becomes three", length=3),
        Case(([(-1.0, [3, 1]), (-6.0, [0, 2])], sure, 3), "one beam is far ahead"),
        case([-2.0, -2.1, -2.2], 5, 3, "three beams"),
        case([-4.0, -1.0, -9.0], 4, 4, "more beams than before, and not sorted", length=4),
        case([-3.0, -3.2], 7, 1, "only the best beam is kept"),
    ]


def ids_in_new_lists(call, case):
    for _, ids in call(*case.args):
        if type(ids) is not list:
            return f"The ids of a text should be a list, but yours are of type `{type(ids).__name__}`."
    return None


def plain_numbers(call, case):
    """Reject one-element tensors: they compare like numbers, but the task asks for plain numbers."""
    for total, ids in call(*case.args):
        if isinstance(total, torch.Tensor) or any(isinstance(id, torch.Tensor) for id in ids):
            which = "totals is" if isinstance(total, torch.Tensor) else "lists of ids holds"
            return (
                f"One of your {which} a tensor. `.item()` returns its number, and `.tolist()` returns all its numbers."
            )
    return None


BEAM_STEP = Exercise(
    **TEXTS["beam_step"],
    reference=beam_step,
    cases=cases_beam_step,
    faulty=faulty_beam_step,
    probes=(
        Probe("Totals and ids are plain numbers.", plain_numbers),
        Probe("Each text comes with a list of its ids.", ids_in_new_lists),
    ),
    double=False,
)
