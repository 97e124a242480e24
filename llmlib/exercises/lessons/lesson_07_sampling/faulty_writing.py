"""Wrong solutions to the exercise of `writing`: the reference again, with keywords for its faults."""

import torch

from llmlib.exercises.lessons.lesson_07_sampling.drawing import draw, penalise_repetition, probabilities_at
from llmlib.exercises.lessons.lesson_07_sampling.faulty_loops import faulty_continuation
from llmlib.sampling.logits import keep_top_p


def faulty_write(logits_of, ids, us, end, temperature, top_p, penalty, order="penalty heat cut", sees="all",
                 place="last", reads="all", at_end="stops", give="new", us_as="in order", cuts="top-p",
                 sums="to 1", past=None):  # fmt: skip
    """`order` lists the rules in the order of their use; `past` is the result of a draw beyond the last token."""

    def read(new, text):
        text = (text or []) + new
        seen = {"all": text, "new": new, "prompt": ids}[reads]
        return logits_of(torch.tensor([seen]))[:, {"last": -1, "first": 0, "last but one": -2}.get(place, -1)], text

    def choose(logits, text, u):
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
            if rule == "likeliest":
                return int(logits.argmax())
        if sums == "below 1":
            below = logits.exp().cumsum(dim=-1) <= torch.tensor([u])
            return past if past is not None and below.all() else min(int(below.sum()), logits.shape[-1] - 1)
        return int(draw(logits.softmax(dim=-1), torch.tensor([u])))

    return faulty_continuation(read, choose, ids, us, end, us_as=us_as, at_end=at_end, give=give)
