"""The wrong ways through the exercises of lesson 09: each reference once more, with keywords for its faults."""

import torch
import torch.nn.functional as F


def _surprise(margin, curve, unit="nats"):
    """What is made of how far the chosen answer is ahead."""
    loss = {
        "log sigmoid": lambda: -F.logsigmoid(margin),
        "in two steps": lambda: -torch.sigmoid(margin).log(),
        "probability": lambda: 1 - torch.sigmoid(margin),
        "its own probability": lambda: -torch.sigmoid(margin),
        "none": lambda: -margin,
        "hinge": lambda: (1 - margin).relu(),
        "square": lambda: (1 - margin) ** 2,
    }.get(curve, lambda: -(torch.sigmoid(margin) + curve).log())()  # a small number
    return loss / torch.log(torch.tensor(2.0)) if unit == "bits" else loss


def _over(values, mean):
    return {
        "mean": lambda: values.mean(), "sum": lambda: values.sum(), "each": lambda: values,
        "half": lambda: values.mean() / 2,
    }[mean]()  # fmt: skip


def faulty_preference_loss(chosen, rejected, order="chosen first", curve="log sigmoid", mean="mean", sign=1,
                           compares="both", unit="nats"):  # fmt: skip
    if order == "rejected first":
        chosen, rejected = rejected, chosen
    if compares == "each alone":
        return sign * _over(_surprise(chosen, curve, unit) + _surprise(-rejected, curve, unit), mean)
    margin = {
        "both": lambda: chosen - rejected, "chosen": lambda: chosen, "sum": lambda: chosen + rejected,
        "size": lambda: (chosen - rejected).abs(), "means": lambda: (chosen.mean() - rejected.mean())[None],
        "ratio": lambda: chosen / rejected, "of sigmoids": lambda: chosen.sigmoid() - rejected.sigmoid(),
    }[compares]()  # fmt: skip
    return sign * _over(_surprise(margin, curve, unit), mean)


def faulty_best_of_n(rewards, values, chooses="rewards", which="largest", axis="answers", gives="values", mean="mean"):
    by = rewards if chooses == "rewards" else values
    if chooses == "size":
        by = rewards.abs()
    by = -by if which == "smallest" else by
    worth = {"values": values, "rewards": rewards, "difference": rewards - values}[gives]
    if which == "first":
        found = worth[:, 0]
    elif which == "last":
        found = worth[:, -1]
    elif which == "all":
        found = worth
    elif axis == "prompts":
        found = worth.gather(0, by.argmax(0, keepdim=True))
    elif axis == "every prompt's":
        found = worth[:, by.argmax(1)].mean(0)
    elif axis == "everything":
        found = worth.flatten()[by.argmax()][None]
    elif which == "last of equals":
        found = worth.flip(1).gather(1, by.flip(1).argmax(1, keepdim=True))
    elif which == "mean of equals":
        best = by == by.amax(1, keepdim=True)
        found = (worth * best).sum(1) / best.sum(1)
    else:
        found = worth.gather(1, by.argmax(1, keepdim=True))
    return {"mean": lambda: found.mean(), "sum": lambda: found.sum(), "each": lambda: found.flatten(),
            "largest": lambda: found.max()}[mean]()  # fmt: skip


def faulty_answer_log_probs(logits, ids, mask, shift="one", mask_of="targets", scores="log", total="sum", over="vocab",
                            counts="answer", sign=1):  # fmt: skip
    x, y = logits[:, :-1], ids[:, 1:]
    m = mask[:, 1:] if mask_of == "targets" else mask[:, :-1]
    if shift == "none":
        x, y, m = logits, ids, mask
    elif shift == "back":
        x, y, m = logits[:, 1:], ids[:, :-1], mask[:, :-1]
    axis = {"vocab": -1, "seq": 1, "batch": 0}[over]
    each = {
        "log": lambda: x.log_softmax(axis), "probabilities": lambda: x.softmax(axis), "logits": lambda: x,
    }.get(scores, lambda: x.softmax(axis).log())().gather(-1, y[..., None])[..., 0]  # fmt: skip
    if counts == "all":
        m = torch.ones_like(m)
    elif counts == "prompt":
        m = ~m
    each, n = each * m if scores == "two steps, times the mask" else each.masked_fill(~m, 0.0), m.sum(1)
    return sign * {
        "sum": lambda: each.sum(1), "mean": lambda: each.sum(1) / n, "mean of row": lambda: each.mean(1),
        "one": lambda: each.sum(), "tokens": lambda: each, "exp": lambda: each.sum(1).exp(),
        "product": lambda: torch.where(m, each, torch.ones_like(each)).prod(1),
    }[total]()  # fmt: skip


def faulty_reinforce_loss(log_probs, mask, rewards, sign=-1, length="sum", masked=True, mean="mean", weight="rewards",
                          of="log"):  # fmt: skip
    m = mask if masked else torch.ones_like(mask)
    scores = log_probs if of == "log" else log_probs.exp()
    each = {
        "sum": lambda: (scores * m).sum(1), "mean": lambda: (scores * m).sum(1) / m.sum(1),
        "width": lambda: (scores * m).mean(1), "last": lambda: (scores * m).gather(1, m.sum(1)[:, None] - 1)[:, 0],
        "first": lambda: scores[:, 0],
    }[length]()  # fmt: skip
    if of == "whole":
        each = (log_probs * m).sum(1).exp()
    w = {
        "rewards": lambda: rewards, "none": lambda: torch.ones_like(rewards),
        "baseline": lambda: rewards - rewards.mean(), "sign": lambda: rewards.sign(), "exp": lambda: rewards.exp(),
        "mean": lambda: rewards.mean().expand_as(rewards), "positive": lambda: rewards.relu(),
    }[weight]()  # fmt: skip
    each = w * each if weight != "added" else w + each
    return sign * {
        "mean": lambda: each.mean(), "sum": lambda: each.sum(), "each": lambda: each,
        "tokens": lambda: each.sum() / m.sum(), "rewards": lambda: each.sum() / rewards.sum(),
    }[mean]()  # fmt: skip


def faulty_group_advantages(rewards, mean="group", spread="group", correction=1, small="added", sign=1, power=1):
    centre = {
        "group": lambda: rewards.mean(1, keepdim=True), "batch": lambda: rewards.mean(),
        "prompts": lambda: rewards.mean(0, keepdim=True), "none": lambda: torch.zeros_like(rewards),
        "others": lambda: (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1),
        "median": lambda: rewards.median(1, keepdim=True).values,
        "best": lambda: rewards.max(1, keepdim=True).values,
    }[mean]()  # fmt: skip
    width = {
        "group": lambda: rewards.std(1, keepdim=True, correction=correction),
        "batch": lambda: rewards.std(correction=correction),
        "prompts": lambda: rewards.std(0, keepdim=True, correction=correction),
        "range": lambda: rewards.amax(1, keepdim=True) - rewards.amin(1, keepdim=True),
        "none": lambda: None,
    }[spread]()  # fmt: skip
    centred = sign * (rewards - centre)
    if width is None:
        return centred
    width = width**power
    return centred / (width + 1e-4 if small == "added" else width)


def faulty_clipped_loss(log_probs, old_log_probs, advantages, mask, clip, ratio="new / old", choose="smaller",
                        between="around 1", masked=True, mean="answers", sign=-1, by="token"):  # fmt: skip
    m = mask if masked else torch.ones_like(mask)
    moved = log_probs - old_log_probs
    if by == "answer":
        moved = (moved * m).sum(1, keepdim=True).expand_as(moved)
    r = {
        "new / old": lambda: moved.exp(), "old / new": lambda: (-moved).exp(), "difference": lambda: moved,
        "of logs": lambda: log_probs / old_log_probs, "new": lambda: log_probs.exp(), "log": lambda: log_probs,
        "no ratio": lambda: torch.ones_like(moved),
    }[ratio]()  # fmt: skip
    low, high = {"around 1": (1 - clip, 1 + clip), "around 0": (-clip, clip), "above": (0, 1 + clip),
                 "below": (1 - clip, float("inf")), "factor": (1 / (1 + clip), 1 + clip)}[between]  # fmt: skip
    a = advantages[:, None]
    gain, held = a * r, a * r.clamp(low, high)
    found = {
        "smaller": lambda: torch.minimum(gain, held), "larger": lambda: torch.maximum(gain, held),
        "clipped": lambda: held, "unclipped": lambda: gain,
        "ratio first": lambda: torch.minimum(r, r.clamp(low, high)) * a,
        "gain": lambda: gain.clamp(low, high),
    }[choose]() * m  # fmt: skip
    return sign * {
        "answers": lambda: found.sum() / len(mask), "tokens": lambda: found.sum() / m.sum(),
        "sum": lambda: found.sum(), "everything": lambda: found.mean(), "each": lambda: found.sum(1),
        "sequence": lambda: (found.sum(1) / m.sum(1)).mean(),
    }[mean]()  # fmt: skip


def faulty_k3(log_probs, reference_log_probs, ratio="reference / policy", form="k3", gives="tokens", sign=1):
    log_ratio = reference_log_probs - log_probs
    if ratio == "policy / reference":
        log_ratio = -log_ratio
    if ratio == "of logs":
        log_ratio = reference_log_probs / log_probs
    found = sign * {
        "k3": lambda: log_ratio.exp() - 1 - log_ratio, "k1": lambda: -log_ratio,
        "k2": lambda: log_ratio**2 / 2, "k2 whole": lambda: log_ratio**2, "size": lambda: log_ratio.abs(),
        "no 1": lambda: log_ratio.exp() - log_ratio, "plus": lambda: log_ratio.exp() - 1 + log_ratio,
        "no logarithm": lambda: log_ratio.exp() - 1, "weighed": lambda: -log_probs.exp() * log_ratio,
        "ratio": lambda: log_ratio.exp(),
    }[form]()  # fmt: skip
    return {
        "tokens": lambda: found, "mean": lambda: found.mean(), "sum": lambda: found.sum(),
        "answers": lambda: found.sum(1), "answer means": lambda: found.mean(1),
    }[gives]()  # fmt: skip


def faulty_dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta, reference="both", order="right",
                    scale="margin", curve="log sigmoid", mean="mean", sign=1, compares="both"):  # fmt: skip
    if order == "rejected first":
        chosen, rejected = rejected, chosen
        reference_chosen, reference_rejected = reference_rejected, reference_chosen
    if reference == "none":
        reference_chosen = reference_rejected = torch.zeros_like(chosen)
    elif reference == "added":
        reference_chosen, reference_rejected = -reference_chosen, -reference_rejected
    elif reference == "chosen only":
        reference_rejected = torch.zeros_like(rejected)
    ours = {"both": lambda: chosen - rejected, "chosen": lambda: chosen, "sum": lambda: chosen + rejected,
            "probabilities": lambda: chosen.exp() - rejected.exp(),
            "ratio": lambda: chosen / rejected}[compares]()  # fmt: skip
    theirs = {
        "both": lambda: reference_chosen - reference_rejected, "chosen": lambda: reference_chosen,
        "sum": lambda: reference_chosen + reference_rejected,
        "probabilities": lambda: reference_chosen.exp() - reference_rejected.exp(),
        "ratio": lambda: reference_chosen / reference_rejected,
    }[compares]()  # fmt: skip
    margin = {
        "margin": lambda: beta * (ours - theirs), "policy": lambda: beta * ours - theirs,
        "divided": lambda: (ours - theirs) / beta, "none": lambda: ours - theirs, "outside": lambda: ours - theirs,
        "reference": lambda: ours - beta * theirs,
    }[scale]()  # fmt: skip
    if mean == "inside":
        margin = margin.mean()[None]
    found = sign * _over(_surprise(margin, curve), "mean" if mean == "inside" else mean)
    return beta * found if scale == "outside" else found


def faulty_list_reward(said, right, repeated="costs", wrong="costs", by="right", order="any", floor=False, price=1,
                       empty="nothing"):  # fmt: skip
    hits = [animal for animal in said if animal in right]
    if order == "same place":
        hits = [one for one, other in zip(said, right) if one == other]
    new = set(hits)
    if repeated == "pays":
        gained, lost = len(hits), 0
    else:
        gained, lost = len(new), (len(hits) - len(new)) * (repeated == "costs")
    misses = [animal for animal in said if animal not in right]
    lost += {"costs": len(misses), "free": 0, "once": len(set(misses))}[wrong]
    if by == "missing":
        lost += len(set(right) - new)
    whole = {"right": len(right), "said": max(1, len(said)), "nothing": 1, "both": len(said) + len(right),
             "missing": len(right), "animals": max(1, len(set(said) | set(right)))}[by]  # fmt: skip
    reward = (gained - price * lost) / whole
    return max(0.0, reward) if floor else reward


def faulty_worth_answering(chance, wrong, weighs="chances", side="above", silence=0.0, give="booleans"):
    gain = {
        "chances": lambda: chance - (1 - chance) * wrong, "half": lambda: chance - 0.5, "third": lambda: chance - 1 / 3,
        "price alone": lambda: chance - wrong, "same chance": lambda: chance - chance * wrong,
        "price as chance": lambda: chance - 1 / (1 + wrong), "gain left out": lambda: (1 - chance) * wrong - chance * 0,
        "added": lambda: chance + (1 - chance) * wrong, "odds": lambda: chance / (1 - chance) - 1,
    }[weighs]()  # fmt: skip
    gain = gain - silence
    found = gain > 0 if side == "above" else gain < 0 if side == "below" else gain >= 0
    return {"booleans": lambda: found, "numbers": lambda: found.long(), "gain": lambda: gain,
            "share": lambda: found.float().mean()}[give]()  # fmt: skip
