"""The wrong ways through the exercise of `writing`: the reference once more, with keywords for its faults."""

import torch

from llmlib.exercises.lessons.lesson_07_sampling.drawing import draw, penalise_repetition, probabilities_at
from llmlib.exercises.lessons.lesson_07_sampling.faulty_loops import faulty_continuation
from llmlib.sampling.logits import keep_top_p


def faulty_write(logits_of, ids, us, end, temperature, top_p, penalty, order="penalty heat cut", sees="all",
                 place="last", reads="all", at_end="stops", give="new", us_as="in order"):  # fmt: skip
    """`order` are the rules that are applied, in this order."""

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
            if rule == "cut":
                logits = keep_top_p(logits, top_p)
            if rule == "likeliest":
                return int(logits.argmax())
        return int(draw(logits.softmax(dim=-1), torch.tensor([u])))

    return faulty_continuation(read, choose, ids, us, end, us_as=us_as, at_end=at_end, give=give)
