"""Wrong solutions to the exercises of lesson 09: each reference again, with keywords for its faults."""

import torch
import torch.nn.functional as F


def _surprise(margin, curve, unit="nats"):
    """Turn the lead of the chosen answer into a loss."""
    loss = {
        "log sigmoid": lambda: -F.logsigmoid(margin),
        "in two steps": lambda: -torch.sigmoid(margin).log(),
        "probability": lambda: 1 - torch.sigmoid(margin),
        "its own probability": lambda: -torch.sigmoid(margin),
        "squared probability": lambda: (1 - torch.sigmoid(margin)) ** 2,
        "none": lambda: -margin,
        "hinge": lambda: (1 - margin).relu(),
        "square": lambda: (1 - margin) ** 2,
    }[curve]()
    return loss / torch.log(torch.tensor(2.0)) if unit == "bits" else loss


def _over(values, mean):
    return {
        "mean": lambda: values.mean(), "sum": lambda: values.sum(), "each": lambda: values,
        "half": lambda: values.mean() / 2, "before the logarithm": lambda: -(-values).exp().mean().log(),
    }[mean]()  # fmt: skip


def faulty_preference_loss(chosen, rejected, order="chosen first", curve="log sigmoid", mean="mean", sign=1,
                           compares="both", unit="nats"):  # fmt: skip
    if order == "rejected first":
        chosen, rejected = rejected, chosen
    if compares == "each alone":
        return sign * _over(_surprise(chosen, curve, unit) + _surprise(-rejected, curve, unit), mean)
    if compares == "surprises":
        return sign * _over(_surprise(chosen, curve, unit) - _surprise(rejected, curve, unit), mean)
    margin = {
        "both": lambda: chosen - rejected, "chosen": lambda: chosen, "sum": lambda: chosen + rejected,
        "each with each": lambda: chosen[:, None] - rejected[None, :],
        "size": lambda: (chosen - rejected).abs(), "means": lambda: (chosen.mean() - rejected.mean())[None],
        "ratio": lambda: chosen / rejected, "of sigmoids": lambda: chosen.sigmoid() - rejected.sigmoid(),
    }[compares]()  # fmt: skip
    return sign * _over(_surprise(margin, curve, unit), mean)


def faulty_best_of_n(rewards, values, chooses="rewards", which="largest", axis="answers", gives="values", mean="mean"):
    by = rewards if chooses == "rewards" else values
    if chooses == "size":
        by = rewards.abs()
    by = -by if which == "smallest" else by
    if chooses == "product":
        by = rewards * values
    if chooses == "values of good ones":
        by = values.masked_fill(rewards < rewards.mean(1, keepdim=True), float("-inf"))
    worth = {
        "values": values, "rewards": rewards, "difference": rewards - values, "product": rewards * values,
    }[gives]  # fmt: skip
    if which == "equals together":
        found = worth[by == by.amax(1, keepdim=True)]
    elif which == "first":
        found = worth[:, 0]
    elif which == "last":
        found = worth[:, -1]
    elif which == "all":
        found = worth
    elif which == "weighted":
        found = (by.softmax(1) * worth).sum(1)
    elif axis == "crossed":
        found = worth[:, by.argmax(1)]
    elif axis == "prompts":
        found = worth.gather(0, by.argmax(0, keepdim=True))
    elif axis == "everything":
        found = worth.flatten()[by.argmax()][None]
    elif which == "last of equals":
        found = worth.flip(1).gather(1, by.flip(1).argmax(1, keepdim=True))
    elif which in ("mean of equals", "sum of equals", "best of equals"):
        best = by == by.amax(1, keepdim=True)
        found = (worth * best).sum(1) / (best.sum(1) if which == "mean of equals" else 1)
        if which == "best of equals":
            found = worth.masked_fill(~best, float("-inf")).amax(1)
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
    elif shift in ("rolled back", "rolled"):  # the ids go round, and the mask stays
        x, y, m = logits, ids.roll(1 if shift == "rolled back" else -1, 1), mask
    axis = {"vocab": -1, "seq": 1, "batch": 0}[over]
    each = {
        "log": lambda: x.log_softmax(axis), "less the largest": lambda: x - x.amax(axis, keepdim=True),
        "masked": lambda: (x * m[..., None]).log_softmax(axis), "probabilities": lambda: x.softmax(axis),
        "logits": lambda: x,
    }.get(scores, lambda: x.softmax(axis).log())().gather(-1, y[..., None])[..., 0]  # fmt: skip
    if counts == "all":
        m = torch.ones_like(m)
    elif counts == "prompt":
        m = ~m
    elif counts in ("all but the last", "all but the first"):
        place = torch.arange(m.shape[1])
        ends = (place * m).amax(1) if counts == "all but the last" else m.int().argmax(1)
        m = m & (place != ends[:, None])
    if scores == "masked":
        m = torch.ones_like(m)
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
    if of == "product":
        each = torch.where(m, log_probs, torch.ones_like(log_probs)).prod(1)
    if of == "whole":
        each = (log_probs * m).sum(1).exp()
    w = {
        "rewards": lambda: rewards, "none": lambda: torch.ones_like(rewards),
        "baseline": lambda: rewards - rewards.mean(), "sign": lambda: rewards.sign(), "exp": lambda: rewards.exp(),
        "advantage": lambda: (rewards - rewards.mean()) / (rewards.std() + 1e-4),
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
        "lowest": lambda: rewards.min(1, keepdim=True).values,
    }[mean]()  # fmt: skip
    width = {
        "group": lambda: rewards.std(1, keepdim=True, correction=correction),
        "batch": lambda: rewards.std(correction=correction),
        "prompts": lambda: rewards.std(0, keepdim=True, correction=correction),
        "range": lambda: rewards.amax(1, keepdim=True) - rewards.amin(1, keepdim=True),
        "distances": lambda: (rewards - rewards.mean(1, keepdim=True)).abs().mean(1, keepdim=True),
        "none": lambda: None,
        "of the mean alone": lambda: rewards.std(1, keepdim=True, correction=correction),
    }[spread]()  # fmt: skip
    if spread == "of the mean alone":
        return sign * (rewards - centre / (width + 1e-4))
    centred = sign * (rewards - centre)
    if width is None:
        return centred
    width = width**power
    if small == "above":
        centred = centred + 1e-4
    return {
        "added": lambda: centred / (width + 1e-4), "none": lambda: centred / width, "above": lambda: centred / width,
        "guarded": lambda: (centred / width).nan_to_num(0.0), "bound": lambda: centred / width.clamp(min=1e-4),
        "in the root": lambda: centred / (width**2 + 1e-4).sqrt(),
    }.get(small, lambda: centred / (width + float(small)))()  # fmt: skip


def faulty_clipped_loss(log_probs, old_log_probs, advantages, mask, clip, ratio="new / old", choose="smaller",
                        between="around 1", masked=True, mean="answers", sign=-1, by="token"):  # fmt: skip
    m = mask if masked is True else torch.ones_like(mask)
    moved = log_probs - old_log_probs
    if masked == "before exp":
        moved = moved * mask
    if by == "answer":
        moved = (moved * m).sum(1, keepdim=True).expand_as(moved)
    r = {
        "new / old": lambda: moved.exp(), "old / new": lambda: (-moved).exp(), "difference": lambda: moved,
        "of logs": lambda: log_probs / old_log_probs, "new": lambda: log_probs.exp(), "log": lambda: log_probs,
        "no ratio": lambda: torch.ones_like(moved),
    }[ratio]()  # fmt: skip
    low, high = {"around 1": (1 - clip, 1 + clip), "around 0": (-clip, clip), "above": (0, 1 + clip),
                 "below": (1 - clip, float("inf")), "logarithm": (1 - clip, 1 + clip),
                 "factor": (1 / (1 + clip), 1 + clip)}[between]  # fmt: skip
    if by in ("answer once", "mean of the answer"):  # one gain per answer
        sums = (moved * m).sum(1, keepdim=True)
        r = (sums if by == "answer once" else sums / m.sum(1, keepdim=True)).exp()
        m, mask = torch.ones_like(r), mask[:, :1]
    a = advantages[:, None]
    gain, held = a * r, a * r.clamp(low, high)
    if masked == "ratio":
        r = r * mask
        gain, held = a * r, a * r.clamp(low, high)
    if choose in ("smaller sum", "smaller answer"):  # what the sums are has the places of one token
        axes = (0, 1) if choose == "smaller sum" else 1
        gain, held = (gain * m).sum(axes, keepdim=True), (held * m).sum(axes, keepdim=True)
        m = m[: len(gain), :1] | True
    if between == "logarithm":
        held = a * moved.clamp(-clip, clip).exp()
    found = {
        "smaller": lambda: torch.minimum(gain, held), "smaller sum": lambda: torch.minimum(gain, held),
        "smaller answer": lambda: torch.minimum(gain, held), "larger": lambda: torch.maximum(gain, held),
        "clipped": lambda: held, "unclipped": lambda: gain,
        "ratio first": lambda: torch.minimum(r, r.clamp(low, high)) * a,
        "gain": lambda: gain.clamp(low, high), "gain or less": lambda: torch.minimum(gain, gain.clamp(low, high)),
        "advantage": lambda: a.clamp(-clip, clip) * r,
    }[choose]() * m  # fmt: skip
    return sign * {
        "answers": lambda: found.sum() / len(mask), "tokens": lambda: found.sum() / m.sum(),
        "sum": lambda: found.sum(), "everything": lambda: found.mean(), "each": lambda: found.sum(1),
        "sequence": lambda: (found.sum(1) / m.sum(1)).mean(),
    }[mean]()  # fmt: skip


def faulty_k3(log_probs, reference_log_probs, ratio="reference / policy", form="k3", gives="tokens", sign=1):
    p, q = log_probs.exp(), reference_log_probs.exp()
    r = {
        "reference / policy": lambda: (reference_log_probs - log_probs).exp(),
        "policy / reference": lambda: (log_probs - reference_log_probs).exp(),
        "of logs": lambda: (reference_log_probs / log_probs).exp(),
        "of logs, as r": lambda: reference_log_probs / log_probs,
        "difference": lambda: q - p, "size of the difference": lambda: q - p,
        "difference of logs": lambda: reference_log_probs - log_probs,
    }[ratio]()  # fmt: skip
    log_ratio = (r.abs() if ratio == "size of the difference" else r).log()
    found = sign * {
        "k3": lambda: r - 1 - log_ratio, "k1": lambda: -log_ratio,
        "k2": lambda: log_ratio**2 / 2, "k2 whole": lambda: log_ratio**2, "size": lambda: log_ratio.abs(),
        "no 1": lambda: r - log_ratio, "plus": lambda: r - 1 + log_ratio,
        "no logarithm": lambda: r - 1, "weighed": lambda: -p * log_ratio,
        "ratio": lambda: r,
    }[form]()  # fmt: skip
    return {
        "tokens": lambda: found, "mean": lambda: found.mean(), "sum": lambda: found.sum(),
        "answers": lambda: found.sum(1), "answer means": lambda: found.mean(1),
    }[gives]()  # fmt: skip


def faulty_dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta, reference="both", order="right",
                    scale="margin", curve="log sigmoid", mean="mean", sign=1, compares="both"):  # fmt: skip
    if compares in ("each alone", "of sigmoids"):
        ours, theirs = beta * (chosen - reference_chosen), beta * (rejected - reference_rejected)
        if compares == "of sigmoids":
            return sign * _over(_surprise(ours.sigmoid() - theirs.sigmoid(), curve), mean)
        return sign * _over(_surprise(ours, curve) + _surprise(-theirs, curve), mean)
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
    surprise = ((margin - 0.5) / beta) ** 2 if curve == "IPO" else _surprise(margin, curve)
    found = sign * _over(surprise, "mean" if mean == "inside" else mean)
    return beta * found if scale == "outside" else found


def faulty_list_reward(said, right, repeated="costs", wrong="costs", by="right", order="any", floor=False, price=1,
                       empty="nothing", earns=1):  # fmt: skip
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
             "missing": len(right), "mean of both": (len(said) + len(right)) / 2,
             "animals": max(1, len(set(said) | set(right)))}[by]  # fmt: skip
    reward = (earns * gained - price * lost) / whole
    return max(0.0, reward) if floor else reward


def faulty_worth_answering(chance, wrong, weighs="chances", side="above", silence=0.0, give="booleans"):
    gain = {
        "chances": lambda: chance - (1 - chance) * wrong, "half": lambda: chance - 0.5, "third": lambda: chance - 1 / 3,
        "price alone": lambda: chance - wrong, "same chance": lambda: chance - chance * wrong,
        "price as chance": lambda: chance - 1 / (1 + wrong),
        "added": lambda: chance + (1 - chance) * wrong, "sure gain": lambda: 1 - (1 - chance) * wrong,
        "price from one": lambda: chance - (1 - wrong), "one more": lambda: chance - (1 - chance) * (1 + wrong),
        "exchanged": lambda: (1 - chance) - chance * wrong,
        "half as well": lambda: torch.minimum(chance - 0.5, chance - (1 - chance) * wrong),
    }[weighs]()  # fmt: skip
    gain = gain - (wrong if silence == "wrong" else silence)
    found = gain > 0 if side in ("above", "all for nothing") else gain < 0 if side == "below" else gain >= 0
    if side == "all for nothing" and wrong == 0:
        found = torch.ones_like(found)
    return {"booleans": lambda: found, "numbers": lambda: found.long(), "gain": lambda: gain,
            "share": lambda: found.float().mean()}[give]()  # fmt: skip
