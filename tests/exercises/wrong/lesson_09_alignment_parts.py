"""Wrong solutions of lesson 09: another part of the formula, another guard, a stale value."""

import math

import torch
import torch.nn.functional as F

from exercises.wrong import wrong


@wrong("alignment.preference_loss", "property: The surprise has no limit")
def _(chosen, rejected):
    return -torch.log(torch.sigmoid(chosen - rejected) + 1e-8).mean()


@wrong("alignment.preference_loss", "mean before the logarithm")
def _(chosen, rejected):
    return -torch.sigmoid(chosen - rejected).mean().log()


@wrong("alignment.preference_loss", "difference of sigmoids")
def _(chosen, rejected):
    return (-F.logsigmoid(chosen) + F.logsigmoid(rejected)).mean()


@wrong("alignment.preference_loss", "property: The surprise has no limit")
def _(chosen, rejected):
    p = torch.sigmoid(chosen - rejected)
    return F.binary_cross_entropy(p, torch.ones_like(p))


@wrong("alignment.preference_loss", "probability instead of surprise")
def _(chosen, rejected):
    return ((1 - torch.sigmoid(chosen - rejected)) ** 2).mean()


@wrong("alignment.preference_loss", "each with each")
def _(chosen, rejected):
    return -F.logsigmoid(chosen[:, None] - rejected[None, :]).mean()


@wrong("alignment.best_of_n", "each prompt with the columns of all")
def _(rewards, values):
    best = rewards.argmax(dim=1)
    return values[:, best].mean()


@wrong("alignment.best_of_n", "a weighted mean")
def _(rewards, values):
    return (rewards.softmax(-1) * values).sum(-1).mean()


@wrong("alignment.best_of_n", "reward times value")
def _(rewards, values):
    return (rewards * values).max(1).values.mean()


@wrong("alignment.best_of_n", "best value of the good ones")
def _(rewards, values):
    keep = rewards >= rewards.mean(1, keepdim=True)
    return values.masked_fill(~keep, -math.inf).max(1).values.mean()


@wrong("alignment.answer_log_probs", "one token of the answer left out")
def _(logits, ids, mask):
    lp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    m = mask[:, 1:].clone()
    last = mask.shape[1] - 2 - m.flip(1).int().argmax(1)
    m[torch.arange(len(m)), last] = False
    return (lp * m).sum(-1)


@wrong("alignment.answer_log_probs", "mask on the logits")
def _(logits, ids, mask):
    logits = logits[:, :-1] * mask[:, 1:, None]
    return logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1).sum(-1)


@wrong("alignment.answer_log_probs", "largest logit taken away")
def _(logits, ids, mask):
    z = logits[:, :-1]
    own = z.gather(-1, ids[:, 1:, None]).squeeze(-1) - z.amax(-1)
    return (own * mask[:, 1:]).sum(-1)


@wrong("alignment.reinforce_loss", "product of logarithms")
def _(log_probs, mask, rewards):
    lp = torch.where(mask, log_probs, 1.0).prod(-1)
    return -(rewards * lp).mean()


@wrong("alignment.group_advantages", "another guard than 0.0001")
def _(rewards):
    a = (rewards - rewards.mean(1, keepdim=True)) / rewards.std(1, keepdim=True)
    return torch.nan_to_num(a)


@wrong("alignment.group_advantages", "another guard than 0.0001")
def _(rewards):
    return (rewards - rewards.mean(1, keepdim=True)) / rewards.std(1, keepdim=True).clamp(min=1e-4)


@wrong("alignment.group_advantages", "mean alone divided")
def _(rewards):
    return rewards - rewards.mean(1, keepdim=True) / (rewards.std(1, keepdim=True) + 1e-4)


@wrong("alignment.group_advantages", "from 0 to 1")
def _(rewards):
    lo, hi = rewards.amin(1, keepdim=True), rewards.amax(1, keepdim=True)
    return (rewards - lo) / (hi - lo + 1e-4)


@wrong("alignment.group_advantages", "mean distance")
def _(rewards):
    c = rewards - rewards.mean(1, keepdim=True)
    return c / (c.abs().mean(1, keepdim=True) + 1e-4)


@wrong("alignment.group_advantages", "another small number")
def _(rewards):
    return (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-3)


@wrong("alignment.group_advantages", "small number in another place")
def _(rewards):
    return (rewards - rewards.mean(1, keepdim=True) + 1e-4) / rewards.std(1, keepdim=True)


@wrong("alignment.clipped_loss", "one ratio for the answer")
def _(log_probs, old_log_probs, advantages, mask, clip):
    d = ((log_probs - old_log_probs) * mask).sum(-1)
    r = d.exp()
    gain = torch.minimum(advantages * r, advantages * r.clamp(1 - clip, 1 + clip))
    return -gain.mean()


@wrong("alignment.clipped_loss", "gain clipped")
def _(log_probs, old_log_probs, advantages, mask, clip):
    g = advantages[:, None] * (log_probs - old_log_probs).exp()
    gain = torch.minimum(g, g.clamp(1 - clip, 1 + clip))
    return -(gain * mask).sum() / len(advantages)


@wrong("alignment.clipped_loss", "mean within each answer")
def _(log_probs, old_log_probs, advantages, mask, clip):
    A = advantages[:, None]
    r = (log_probs - old_log_probs).exp()
    gain = torch.minimum(A * r, A * r.clamp(1 - clip, 1 + clip)) * mask
    return -(gain.sum(1) / mask.sum(1)).mean()


@wrong("alignment.clipped_loss", "logarithm clipped")
def _(log_probs, old_log_probs, advantages, mask, clip):
    d = log_probs - old_log_probs
    A = advantages[:, None]
    gain = torch.minimum(A * d.exp(), A * d.clamp(-clip, clip).exp())
    return -(gain * mask).sum() / len(advantages)


@wrong("alignment.clipped_loss", "gain clipped")
def _(log_probs, old_log_probs, advantages, mask, clip):
    r = (log_probs - old_log_probs).exp()
    A = advantages[:, None].clamp(-clip, clip)
    return -(A * r * mask).sum() / len(advantages)


@wrong("alignment.k3", "ratio of the logarithms")
def _(log_probs, reference_log_probs):
    r = reference_log_probs / log_probs
    return (r - 1) - torch.log(r)


@wrong("alignment.k3", "difference for ratio")
def _(log_probs, reference_log_probs):
    r = torch.exp(reference_log_probs) - torch.exp(log_probs)
    return (r - 1) - torch.log(r.abs())


@wrong("alignment.worth_answering", "another bar than 0")
def _(chance, wrong):
    gain = chance - wrong * (1 - chance)
    return gain > wrong


@wrong("alignment.worth_answering", "gain for sure")
def _(chance, wrong):
    return (1 - chance) * wrong < 1


@wrong("alignment.worth_answering", "gain for sure")
def _(chance, wrong):
    gain = 1 - wrong * (1 - chance)
    return gain > 0


@wrong("alignment.worth_answering", "price taken from 1")
def _(chance, wrong):
    return chance > 1 - wrong


@wrong("alignment.worth_answering", "one more for a mistake")
def _(chance, wrong):
    return 2 * chance - 1 > wrong * (1 - chance)


@wrong("alignment.worth_answering", "more likely than not as well")
def _(chance, wrong):
    return (chance > 0.5) & (chance - (1 - chance) * wrong > 0)


@wrong("alignment.worth_answering", "chances exchanged")
def _(chance, wrong):
    return (1 - chance) - wrong * chance > 0


@wrong("alignment.list_reward", "precision")
def _(said, right):
    if not said:
        return 0.0
    return sum(a in right for a in set(said)) / len(said)


@wrong("alignment.dpo_loss", "property: The surprise has no limit")
def _(chosen, rejected, reference_chosen, reference_rejected, beta):
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))
    return -torch.sigmoid(margin.clamp(-20, 20)).log().mean()


@wrong("alignment.dpo_loss", "hinge")
def _(chosen, rejected, reference_chosen, reference_rejected, beta):
    d = (chosen - reference_chosen) - (rejected - reference_rejected)
    return ((d - 1 / (2 * beta)) ** 2).mean()


@wrong("alignment.dpo_loss", "each answer alone")
def _(chosen, rejected, reference_chosen, reference_rejected, beta):
    r_c = beta * (chosen - reference_chosen)
    r_r = beta * (rejected - reference_rejected)
    return (-F.logsigmoid(r_c) - F.logsigmoid(-r_r)).mean()


@wrong("alignment.clipped_loss", "clip ignored")
def _(log_probs, old_log_probs, advantages, mask, clip):
    gains = advantages[:, None] * (log_probs - old_log_probs).exp()
    held = advantages[:, None] * (log_probs - old_log_probs).exp().clamp(0.8, 1.2)
    return -(torch.minimum(gains, held) * mask).sum() / len(mask)
