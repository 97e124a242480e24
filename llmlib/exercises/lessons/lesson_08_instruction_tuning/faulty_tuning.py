"""Wrong solutions to the exercise in `tuning`.

`faulty_learn_answers` is a copy of the reference solution, with keyword arguments that switch faults on.
"""

import torch

from llmlib.exercises.lessons.lesson_06_training.faulty_runs import faulty_learn
from llmlib.exercises.lessons.lesson_08_instruction_tuning.lora import merged
from llmlib.exercises.lessons.lesson_08_instruction_tuning.masks import answer_mask, targets


def faulty_learn_answers(
    weights,
    logits_of,
    conversations,
    signs,
    names,
    draw,
    rates,
    mask="answers",
    again="from start",
    b="zero",
    a="small",
    rank=4,
    alpha=16.0,
    gives="matrices",
    which="named",
    base="there",
    runs="one",
):
    def row(ids):
        counts = answer_mask(ids, *(signs[::-1] if mask == "signs exchanged" else signs))
        counts = {
            "answers": counts,
            "signs exchanged": counts,
            "all": torch.ones_like(counts),
            "questions": ~counts,
            "one early": torch.cat((counts[1:], counts[-1:])),
            "no end": counts & (ids != signs[1]),
        }[mask]
        return targets(ids[None], counts[None])

    rows = [row(ids) for ids in conversations]
    steps = range(len(rates))
    batches = {
        "from start": [rows[step % len(rows)] for step in steps],
        "never": rows,
        "the first": [rows[0] for _ in steps],
        "the last": [rows[min(step, len(rows) - 1)] for step in steps],
        "each in a row": [rows[step * len(rows) // len(rates)] for step in steps],
    }[again]
    chosen = list(weights) if which == "all" else names[:1] if which == "first" else names
    if which == "whole matrices":
        own = {name: weights[name] for name in names}
        learned, losses = faulty_learn(own, lambda ids, now: logits_of(ids, weights | now), batches, rates)
        return learned, losses
    adapters = {}
    for name in chosen:
        d_out, d_in = weights[name].shape
        sizes = {"small": d_in**0.5, "as drawn": 1, "too small": d_in, "zero": 1, "rank": rank**0.5}
        numbers = draw((d_in, rank)).T if a == "turned" else draw((rank, d_in))
        drawn = numbers / sizes.get(a, d_in**0.5)
        adapters[f"{name}.a"] = torch.zeros(rank, d_in) if a == "zero" else drawn
        under = d_in**0.5 if b == "by d_in" else rank**0.5
        adapters[f"{name}.b"] = torch.zeros(d_out, rank) if b == "zero" else draw((d_out, rank)) / under

    still = {"a alone": "b", "b alone": "a"}.get(which)  # the half of each adapter that is not trained
    fixed = {name: adapters.pop(name) for name in list(adapters) if name[-1] == still}

    also = {"everything": list(weights), "named, too": list(names)}.get(which, [])  # the model's own weights to train
    adapters = {name: weights[name] for name in also} | adapters

    def with_adapters(now):
        beside = weights | {name: now[name] for name in also}
        if base != "there":
            beside = {name: 0 * weight for name, weight in weights.items()}
        now = now | fixed
        pairs = {name: (now[f"{name}.a"], now[f"{name}.b"]) for name in chosen}
        return {name: weights[name] for name in names} | {
            name: merged(beside[name], a_now, b_now, alpha) for name, (a_now, b_now) in pairs.items()
        }

    def logits(ids, now):
        return logits_of(ids, weights | {name: now[name] for name in also} | with_adapters(now))

    run = "one for each batch" if runs == "one for each step" else "one"
    learned, losses = faulty_learn(adapters, logits, batches, rates, runs=run)
    found = with_adapters(dict(zip(adapters, learned)))
    return {
        "matrices": ([found[name] for name in names], losses),
        "adapters": (learned, losses),
        "updates": ([found[name] - weights[name] for name in names], losses),
        "old": ([weights[name] for name in names], losses),
        "matrices alone": [found[name] for name in names],
        "last loss": ([found[name] for name in names], losses[-1]),
    }[gives]
