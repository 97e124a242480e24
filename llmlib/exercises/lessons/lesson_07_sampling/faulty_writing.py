"""Wrong solutions to the exercise in `writing`.

`faulty_write` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

import torch

from llmlib.exercises.lessons.lesson_07_sampling.drawing import draw, penalise_repetition, probabilities_at
from llmlib.exercises.lessons.lesson_07_sampling.faulty_loops import faulty_continuation
from llmlib.sampling.logits import keep_top_p


def faulty_write(
    logits_of,
    ids,
    us,
    end,
    temperature,
    top_p,
    penalty,
    order="penalty heat cut",
    sees="all",
    place="last",
    reads="all",
    at_end="stops",
    give="new",
    us_as="in order",
    cuts="top-p",
    sums="to 1",
    past=None,
    by="own",
):
    """Generate new ids, with the faults that the arguments ask for.

    `order` names the rules in the order in which they apply. `past` is the result if a draw falls past the last token.
    """
    penalty = 1 / penalty if by == "turned round" else penalty

    def read(new, text):
        late = text or new
        text = new + (text or []) if reads == "in front" else (text or []) + new
        seen = {
            "new": new,
            "last": text[-1:],
            "prompt": ids,
            "backwards": text[::-1],
            "one late": late,
            "without the first": text[1:] or text,
            "without the first of several": text[len(ids) > 1 :],
        }.get(reads, text)
        return logits_of(torch.tensor([seen]))[:, {"last": -1, "first": 0, "last but one": -2}.get(place, -1)], text

    def choose(logits, text, u):
        raw = logits
        for rule in order.split():
            if rule == "penalty":
                penalised = {"all": text, "prompt": ids, "new": text[len(ids) :], "last": text[-1:]}[sees]
                logits = penalise_repetition(logits, torch.tensor([penalised], dtype=torch.long), penalty)
            if rule == "heat":
                logits = probabilities_at(logits, temperature).log()
            if rule == "heat_of_shares":
                logits = probabilities_at(logits.softmax(dim=-1), temperature).log()
            if rule == "cut":
                logits = keep_top_p(logits, 1 - top_p if cuts == "the rest" else top_p)
            if rule == "cut_of_shares":
                logits = keep_top_p(logits.exp(), top_p)
            if rule == "cut_by_shares":
                logits = logits.masked_fill(keep_top_p(logits.exp(), top_p) == -torch.inf, -torch.inf)
            if rule == "cut_by_raw":
                logits = logits.masked_fill(keep_top_p(raw, top_p) == -torch.inf, -torch.inf)
            if rule == "penalty_of_shares":
                shares = logits.softmax(dim=-1)
                logits = penalise_repetition(shares, torch.tensor([text]), penalty).log()
            if rule == "likeliest":
                return int(logits.argmax())
        if sums == "below 1":
            below = logits.exp().cumsum(dim=-1) <= torch.tensor([u])
            return past if past is not None and below.all() else min(int(below.sum()), logits.shape[-1] - 1)
        return int(draw(logits.softmax(dim=-1), torch.tensor([u])))

    return faulty_continuation(read, choose, ids, us, end, us_as=us_as, at_end=at_end, give=give)
