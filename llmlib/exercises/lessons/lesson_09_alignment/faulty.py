"""Wrong solutions to the exercises in lesson 09.

Each `faulty_…` function is a copy of a reference solution, with keyword arguments that switch faults on.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

BestOfNChooses = Literal["rewards", "values", "size", "product", "values of good ones"]
BestOfNWhich = (
    Literal["largest", "smallest", "first", "last", "all", "weighted", "equals together"]
    | Literal["last of equals", "mean of equals", "sum of equals", "best of equals"]
)
BestOfNAxis = Literal["answers", "prompts", "everything", "crossed", "rows"]


def faulty_best_of_n(
    rewards: Tensor,
    values: Tensor,
    chooses: BestOfNChooses = "rewards",
    which: BestOfNWhich = "largest",
    axis: BestOfNAxis = "answers",
    gives: Literal["values", "rewards", "product"] = "values",
    mean: Literal["mean", "sum", "each"] = "mean",
) -> Any:
    worth = {"values": values, "rewards": rewards, "product": rewards * values}[gives]
    found = _chosen(worth, _judged_by(rewards, values, chooses, which), which, axis)
    match mean:
        case "mean":
            return found.mean()
        case "sum":
            return found.sum()
        case "each":
            return found.flatten()


def _judged_by(rewards: Tensor, values: Tensor, chooses: BestOfNChooses, which: BestOfNWhich) -> Tensor:
    """Return a number for each answer; the answer with the largest number is chosen."""
    match chooses:
        case "rewards":
            by = rewards
        case "values":
            by = values
        case "size":
            by = rewards.abs()
        case "product":
            return rewards * values
        case "values of good ones":
            return values.masked_fill(rewards < rewards.mean(1, keepdim=True), float("-inf"))
    return -by if which == "smallest" else by


def _chosen(worth: Tensor, by: Tensor, which: BestOfNWhich, axis: BestOfNAxis) -> Tensor:
    best = by == by.amax(1, keepdim=True)
    match which:
        case "first":
            return worth[:, 0]
        case "last":
            return worth[:, -1]
        case "all":
            return worth
        case "weighted":
            return (by.softmax(1) * worth).sum(1)
        case "equals together":
            return worth[best]
        case _:
            pass
    match axis:
        case "crossed":
            return worth[:, by.argmax(1)]
        case "rows":
            return worth[by.argmax(1)]  # raises IndexError if an index is beyond the last prompt
        case "prompts":
            return worth.gather(0, by.argmax(0, keepdim=True))
        case "everything":
            return worth.flatten()[by.argmax()][None]
        case "answers":
            pass
    match which:
        case "largest" | "smallest":
            return worth.gather(1, by.argmax(1, keepdim=True))
        case "last of equals":
            return worth.flip(1).gather(1, by.flip(1).argmax(1, keepdim=True))
        case "mean of equals":
            return (worth * best).sum(1) / best.sum(1)
        case "sum of equals":
            return (worth * best).sum(1)
        case "best of equals":
            return worth.masked_fill(~best, float("-inf")).amax(1)


AnswerLogProbsShift = Literal["one", "none", "back", "rolled back", "rolled"]
AnswerLogProbsScores = (
    Literal["log", "probabilities", "logits", "less the largest", "masked"]
    | Literal["two steps", "two steps, times the mask"]
)
AnswerLogProbsCounts = Literal["answer", "all", "prompt", "all but the last", "all but the first"]


def faulty_answer_log_probs(
    logits: Tensor,
    ids: Tensor,
    mask: Tensor,
    shift: AnswerLogProbsShift = "one",
    mask_of: Literal["targets", "inputs"] = "targets",
    scores: AnswerLogProbsScores = "log",
    total: Literal["sum", "mean", "mean of row", "one", "tokens", "exp"] = "sum",
    over: Literal["vocab", "seq", "batch"] = "vocab",
    counts: AnswerLogProbsCounts = "answer",
    sign: int = 1,
) -> Any:
    match shift:
        case "one":
            x, y, m = logits[:, :-1], ids[:, 1:], mask[:, 1:] if mask_of == "targets" else mask[:, :-1]
        case "none":
            x, y, m = logits, ids, mask
        case "back":
            x, y, m = logits[:, 1:], ids[:, :-1], mask[:, :-1]
        case "rolled" | "rolled back":  # roll the ids, but not the mask
            x, y, m = logits, ids.roll(1 if shift == "rolled back" else -1, 1), mask
    each = _scored(x, m, scores, {"vocab": -1, "seq": 1, "batch": 0}[over]).gather(-1, y[..., None])[..., 0]
    m = torch.ones_like(m) if scores == "masked" else _counted(m, counts)
    each = each * m if scores == "two steps, times the mask" else each.masked_fill(~m, 0.0)
    match total:
        case "sum":
            return sign * each.sum(1)
        case "mean":
            return sign * each.sum(1) / m.sum(1)
        case "mean of row":
            return sign * each.mean(1)
        case "one":
            return sign * each.sum()
        case "tokens":
            return sign * each
        case "exp":
            return sign * each.sum(1).exp()


def _scored(x: Tensor, mask: Tensor, scores: AnswerLogProbsScores, axis: int) -> Tensor:
    """Turn logits into scores for the whole vocabulary; the caller then picks each token's own score."""
    match scores:
        case "log":
            return x.log_softmax(axis)
        case "probabilities":
            return x.softmax(axis)
        case "logits":
            return x
        case "less the largest":
            return x - x.amax(axis, keepdim=True)
        case "masked":
            return (x * mask[..., None]).log_softmax(axis)
        case "two steps" | "two steps, times the mask":
            return x.softmax(axis).log()


def _counted(mask: Tensor, counts: AnswerLogProbsCounts) -> Tensor:
    """Return a mask that is True for the tokens whose scores are added up."""
    place = torch.arange(mask.shape[1])
    match counts:
        case "answer":
            return mask
        case "all":
            return torch.ones_like(mask)
        case "prompt":
            return ~mask
        case "all but the last":
            return mask & (place != (place * mask).amax(1)[:, None])
        case "all but the first":
            return mask & (place != mask.int().argmax(1)[:, None])


def faulty_list_reward(
    said: Sequence[str],
    right: Sequence[str],
    repeated: Literal["costs", "free", "pays"] = "costs",
    wrong: Literal["costs", "free", "once"] = "costs",
    by: Literal["right", "missing", "said", "both", "mean of both", "nothing", "animals"] = "right",
    order: Literal["any", "same place"] = "any",
    floor: bool = False,
    price: int = 1,
    earns: int = 1,
) -> Any:
    hits = [animal for animal in said if animal in right]
    if order == "same place":
        hits = [one for one, other in zip(said, right) if one == other]
    new = set(hits)
    match repeated:
        case "costs":
            gained, lost = len(new), len(hits) - len(new)
        case "free":
            gained, lost = len(new), 0
        case "pays":
            gained, lost = len(hits), 0
    misses = [animal for animal in said if animal not in right]
    match wrong:
        case "costs":
            lost += len(misses)
        case "once":
            lost += len(set(misses))
        case "free":
            pass
    match by:
        case "right":
            whole: float = len(right)
        case "missing":
            whole = len(right)
            lost += len(set(right) - new)
        case "said":
            whole = max(1, len(said))
        case "both":
            whole = len(said) + len(right)
        case "mean of both":
            whole = (len(said) + len(right)) / 2
        case "nothing":
            whole = 1
        case "animals":
            whole = max(1, len(set(said) | set(right)))
    reward = (earns * gained - price * lost) / whole
    return max(0.0, reward) if floor else reward


WorthAnsweringWeighs = (
    Literal["chances", "half", "third", "price alone", "same chance", "price as chance", "added", "sure gain"]
    | Literal["price from one", "one more", "exchanged", "half as well"]
)


def faulty_worth_answering(
    chance: Tensor,
    wrong: float,
    weighs: WorthAnsweringWeighs = "chances",
    side: Literal["above", "below", "at least", "all for nothing"] = "above",
    silence: float | Literal["wrong"] = 0.0,
    give: Literal["booleans", "gain", "share"] = "booleans",
) -> Any:
    gain = _gain(chance, wrong, weighs) - (wrong if silence == "wrong" else silence)
    match side:
        case "above":
            found = gain > 0
        case "below":
            found = gain < 0
        case "at least":
            found = gain >= 0
        case "all for nothing":
            found = gain > 0 if wrong else torch.ones_like(gain, dtype=torch.bool)
    match give:
        case "booleans":
            return found
        case "gain":
            return gain
        case "share":
            return found.float().mean()


def _gain(chance: Tensor, wrong: float, weighs: WorthAnsweringWeighs) -> Tensor:
    """Weigh the gain from a right answer against the cost of a wrong one."""
    match weighs:
        case "chances":
            return chance - (1 - chance) * wrong
        case "half":
            return chance - 0.5
        case "third":
            return chance - 1 / 3
        case "price alone":
            return chance - wrong
        case "same chance":
            return chance - chance * wrong
        case "price as chance":
            return chance - 1 / (1 + wrong)
        case "added":
            return chance + (1 - chance) * wrong
        case "sure gain":
            return 1 - (1 - chance) * wrong
        case "price from one":
            return chance - (1 - wrong)
        case "one more":
            return chance - (1 - chance) * (1 + wrong)
        case "exchanged":
            return (1 - chance) - chance * wrong
        case "half as well":
            return torch.minimum(chance - 0.5, chance - (1 - chance) * wrong)
