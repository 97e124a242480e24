"""Wrong solutions of lesson 09 as people write them."""

import torch
import torch.nn.functional as F

from exercises.wrong import wrong


@wrong("alignment.answer_log_probs", "not shifted")
def _(logits, ids, mask):
    each = F.log_softmax(logits, dim=-1).gather(2, ids.unsqueeze(2)).squeeze(2)
    return (each * mask).sum(dim=1)


@wrong("alignment.answer_log_probs", "mask of the inputs")
def _(logits, ids, mask):
    each = F.log_softmax(logits[:, :-1], dim=-1).gather(2, ids[:, 1:].unsqueeze(2)).squeeze(2)
    return each.masked_fill(~mask[:, :-1], 0.0).sum(dim=1)


@wrong("alignment.answer_log_probs", "mean over the answer")
def _(logits, ids, mask):
    loss = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return -torch.stack([row[real].mean() for row, real in zip(loss, mask[:, 1:])])


@wrong("alignment.answer_log_probs", "negative log-likelihood")
def _(logits, ids, mask):
    loss = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return (loss * mask[:, 1:]).sum(1)


@wrong("alignment.answer_log_probs", "softmax and ln in two steps")
def _(logits, ids, mask):
    each = logits[:, :-1].softmax(-1).log().gather(2, ids[:, 1:].unsqueeze(2)).squeeze(2)
    return (each * mask[:, 1:]).sum(1)


@wrong("alignment.answer_log_probs", "softmax and ln in two steps")
def _(logits, ids, mask):
    chances = logits.softmax(-1)[:, :-1].gather(-1, ids[:, 1:, None])[..., 0]
    return chances.log().where(mask[:, 1:], 0).sum(1)


@wrong("alignment.preference_loss", "σ and ln in two steps")
def _(chosen, rejected):
    return -(1 / (1 + torch.exp(rejected - chosen))).log().mean()


@wrong("alignment.preference_loss", "rejected minus chosen")
def _(chosen, rejected):
    return F.softplus(chosen - rejected).mean()


@wrong("alignment.preference_loss", "each answer alone")
def _(chosen, rejected):
    return (F.softplus(-chosen) + F.softplus(rejected)).mean()


@wrong("alignment.best_of_n", "its reward, not its value")
def _(rewards, values):
    return rewards.max(dim=1).values.mean()


@wrong("alignment.best_of_n", "chosen by value")
def _(rewards, values):
    return values.max(dim=1).values.mean()


@wrong("alignment.best_of_n", "an answer's number as a prompt's")
def _(rewards, values):
    best = rewards.argmax(dim=1)
    return values[best].mean()


@wrong("alignment.reinforce_loss", "minus forgotten")
def _(log_probs, mask, rewards):
    return (rewards[:, None] * log_probs * mask).sum() / len(rewards)


@wrong("alignment.reinforce_loss", "mean over tokens")
def _(log_probs, mask, rewards):
    return -torch.stack([r * row[m].mean() for row, m, r in zip(log_probs, mask, rewards)]).mean()


@wrong("alignment.reinforce_loss", "a baseline already")
def _(log_probs, mask, rewards):
    better = rewards - rewards.mean()
    return -(better * (log_probs * mask).sum(-1)).sum() / len(rewards)


@wrong("alignment.group_advantages", "mean of the batch")
def _(rewards):
    return (rewards - rewards.mean()) / (rewards.std(1, keepdim=True) + 1e-4)


@wrong("alignment.group_advantages", "deviation with n")
def _(rewards):
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / ((centred**2).mean(1, keepdim=True).sqrt() + 1e-4)


@wrong("alignment.group_advantages", "divided by 0")
def _(rewards):
    return (rewards - rewards.mean(-1, True)) / rewards.std(-1, keepdim=True)


@wrong("alignment.clipped_loss", "smaller before the advantage")
def _(log_probs, old_log_probs, advantages, mask, clip):
    ratio = (log_probs - old_log_probs).exp()
    held = torch.min(ratio, ratio.clamp(1 - clip, 1 + clip))
    return -(held * advantages[:, None] * mask).sum() / len(mask)


@wrong("alignment.clipped_loss", "only the clipped one")
def _(log_probs, old_log_probs, advantages, mask, clip):
    ratio = (log_probs - old_log_probs).exp().clamp(1 - clip, 1 + clip)
    return -(ratio * advantages[:, None]).masked_fill(~mask, 0).sum(1).mean()


@wrong("alignment.clipped_loss", "ratio upside down")
def _(log_probs, old_log_probs, advantages, mask, clip):
    ratio = torch.exp(old_log_probs - log_probs)
    a = advantages[:, None]
    return -(torch.minimum(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a) * mask).sum(1).mean()


@wrong("alignment.k3", "k1")
def _(log_probs, reference_log_probs):
    return log_probs - reference_log_probs


@wrong("alignment.k3", "ratio upside down")
def _(log_probs, reference_log_probs):
    r = torch.exp(log_probs - reference_log_probs)
    return r - 1 - r.log()


@wrong("alignment.worth_answering", "more likely than not")
def _(chance, wrong):
    return chance > 0.5


@wrong("alignment.worth_answering", "the lesson's price")
def _(chance, wrong):
    return chance - (1 - chance) * 0.5 > 0


@wrong("alignment.worth_answering", "price at the chance of being right")
def _(chance, wrong):
    return chance * 1 > chance * wrong


@wrong("alignment.list_reward", "wrong ones are free")
def _(said, right):
    seen, score = set(), 0
    for animal in said:
        if animal in seen:
            score -= animal in right
        elif animal in right:
            score += 1
        seen.add(animal)
    return score / len(right)


@wrong("alignment.list_reward", "the same mistake costs once")
def _(said, right):
    hits = [animal for animal in said if animal in right]
    return (len(set(hits)) - (len(hits) - len(set(hits))) - len(set(said) - set(right))) / len(right)


@wrong("alignment.dpo_loss", "no reference")
def _(chosen, rejected, reference_chosen, reference_rejected, beta):
    return -F.logsigmoid(beta * (chosen - rejected)).mean()


@wrong("alignment.dpo_loss", "reference added")
def _(chosen, rejected, reference_chosen, reference_rejected, beta):
    return -F.logsigmoid(beta * ((chosen - reference_rejected) - (rejected - reference_chosen))).mean()


@wrong("alignment.dpo_loss", "beta outside")
def _(chosen, rejected, reference_chosen, reference_rejected, beta):
    return -beta * F.logsigmoid(chosen - reference_chosen - rejected + reference_rejected).mean()


@wrong("alignment.dpo_loss", "beta on one of the two")
def _(chosen, rejected, reference_chosen, reference_rejected, beta):
    return F.softplus(-(beta * (chosen - rejected) - (reference_chosen - reference_rejected))).mean()
