"""Wrong solutions of lesson 08: what is learned, and by what."""

import torch

from exercises.wrong import wrong
from llmlib.exercises.lessons.lesson_08_instruction_tuning.masks import answer_mask, targets
from llmlib.exercises.registry import find

own = {name: find(name).reference for name in ("training.learn", "instruction_tuning.merged")}
own |= {"answer_mask": answer_mask, "targets": targets}


@wrong("instruction_tuning.learn_answers", "everything learned")
def _(weights, logits_of, conversations, signs, names, draw, rates):
    rows = [(ids[None, :-1], ids[None, 1:]) for ids in conversations]
    batches = [rows[n % len(rows)] for n in range(len(rates))]
    parts = {}
    for name in names:
        d_out, d_in = weights[name].shape
        parts |= {f"{name}.a": draw((4, d_in)) / d_in**0.5, f"{name}.b": torch.zeros(d_out, 4)}

    def put_in(now):
        return {n: own["instruction_tuning.merged"](weights[n], now[f"{n}.a"], now[f"{n}.b"], 16) for n in names}

    new, losses = own["training.learn"](parts, lambda ids, now: logits_of(ids, weights | put_in(now)), batches, rates)
    return list(put_in(dict(zip(parts, new))).values()), losses


@wrong("instruction_tuning.learn_answers", "the model's own weights learn, too")
def _(weights, logits_of, conversations, signs, names, draw, rates):
    rows = [own["targets"](ids[None], own["answer_mask"](ids, *signs)[None]) for ids in conversations]
    parts = dict(weights)
    for name in names:
        d_out, d_in = weights[name].shape
        parts |= {f"{name}.a": draw((4, d_in)) / d_in**0.5, f"{name}.b": torch.zeros(d_out, 4)}

    def whole(now):
        return now | {n: own["instruction_tuning.merged"](now[n], now[f"{n}.a"], now[f"{n}.b"], 16) for n in names}

    batches = [rows[n % len(rows)] for n in range(len(rates))]
    new, losses = own["training.learn"](parts, lambda ids, now: logits_of(ids, whole(now)), batches, rates)
    return [whole(dict(zip(parts, new)))[name] for name in names], losses
