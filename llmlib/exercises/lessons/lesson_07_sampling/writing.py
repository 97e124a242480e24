"""The last exercise on lesson 07's loop: a complete sampler wrapped around a complete model."""

from dataclasses import dataclass
from pathlib import Path

import torch

from llmlib.exercises.engine.exercise import Case, Exercise, Probe, texts_of
from llmlib.exercises.lessons.lesson_07_sampling.drawing import draw, penalise_repetition, probabilities_at
from llmlib.exercises.lessons.lesson_07_sampling.faulty_writing import faulty_write
from llmlib.exercises.lessons.lesson_07_sampling.loops import continuation
from llmlib.sampling.logits import keep_top_p

TEXTS = texts_of(Path(__file__).parent)


# --- sampling.write ---


def write(logits_of, ids, us, end, temperature, top_p, penalty):
    """Generate new ids with a model that has no cache.

    For each id, apply the penalty, the temperature and top-p, in that order, and then draw.
    """

    def read(new, text):
        text = (text or []) + new
        return logits_of(torch.tensor([text]))[:, -1], text

    def choose(logits, text, u):
        logits = penalise_repetition(logits, torch.tensor([text]), penalty)
        kept = keep_top_p(probabilities_at(logits, temperature).log(), top_p)
        return int(draw(kept.softmax(dim=-1), torch.tensor([u])))

    return continuation(read, choose, ids, us, end)


@dataclass(frozen=True)
class Speak:
    """A model without a cache that turns (1, seq) ids into (1, seq, vocab) logits.

    The logits depend on all ids and on their order.
    """

    vocab_size: int
    seed: int

    def __call__(self, ids):
        if not isinstance(ids, torch.Tensor) or ids.ndim != 2:
            got = f"a tensor with {ids.ndim} axes" if isinstance(ids, torch.Tensor) else f"a {type(ids).__name__}"
            raise TypeError(f"logits_of must be given a tensor with the axes batch and seq; got {got}")
        moods = ((torch.arange(ids.shape[1]) + 1.7) * (ids + 1)).cumsum(dim=1) + self.seed
        return 2.5 * torch.sin(moods[..., None] * (torch.arange(self.vocab_size) + 1.0))


def cases_write(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(ids, n, temperature, top_p, penalty, note="", end=-1, vocab_size=7):
        us = torch.rand(n, generator=generator).tolist()
        return Case((Speak(vocab_size, seed), ids, us, end, temperature, top_p, penalty), note)

    def ending(ids, n, note, at):
        for _ in range(200):
            one = case(ids, n, 1.3, 1.0, 1.0, vocab_size=12)
            text, (speak, *others) = write(*one.args), one.args
            elsewhere = write(lambda ids, speak=speak: speak(ids)[:, :1].expand(-1, ids.shape[1], -1), *others)
            # A solution that reads the logits at the first position must also draw this token, so that this slip
            # cannot hide another.
            if text[at] not in text[:at] and text[at] not in ids and text[at] in elsewhere:
                return Case((*one.args[:3], text[at], *one.args[4:]), note)
        raise AssertionError("found no text that ends with the end token")

    return [
        case([1, 2], 3, 1.0, 1.0, 1.0, "only the draw, with no other rules"),
        case([3], 6, 0.0, 1.0, 1.0, "temperature 0"),
        case([2, 0], 12, 1.6, 1.0, 1.0, "a high temperature"),
        case([4, 1, 2], 12, 1.0, 0.6, 1.0, "only top-p"),
        case([0, 3, 5], 12, 1.0, 1.0, 3.0, "only a penalty"),
        case([5, 4, 3, 2], 16, 2.0, 0.55, 1.0, "a high temperature, and a low p"),
        case([1, 6, 5, 1], 16, 1.5, 0.7, 2.5, "all three rules", vocab_size=9),
        case([0, 2, 4, 6], 16, 0.6, 0.8, 1.8, "all three rules, at a low temperature"),
        ending([2, 5], 8, "the end token comes before the random numbers are used up", 3),
        case([1, 0], 0, 1.0, 0.9, 1.1, "no random numbers, so no new tokens"),
    ]


def divided_by_0(call, case):
    *before, temperature, top_p, penalty = case.args
    args = (*before, 0.001, top_p, penalty)
    if temperature or call(*args) != write(*args):
        return None
    return (
        "With a temperature of 0.001 your text is correct, but with 0 it is not, because you cannot divide by 0. "
        "Which of your functions can handle temperature 0?"
    )


WRITE = Exercise(
    **TEXTS["write"],
    reference=write,
    helpers=(continuation,),
    cases=cases_write,
    faulty=faulty_write,
    probes=(Probe("At temperature 0, the likeliest token is chosen.", divided_by_0, explains=True),),
    double=False,
)
