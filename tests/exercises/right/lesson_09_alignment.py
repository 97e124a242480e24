"""Right solutions of lesson 09: a plain one for each exercise, and others in other styles."""

import math
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Categorical

from exercises.right import plain, solves


@plain("alignment.answer_log_probs")
def answer_log_probs(logits, ids, mask):
    log_probs = logits.log_softmax(-1)
    total = torch.zeros(len(ids), dtype=logits.dtype)
    for row in range(len(ids)):
        for place in range(1, ids.shape[1]):
            if mask[row, place]:
                total[row] = total[row] + log_probs[row, place - 1, ids[row, place]]
    return total


@solves("alignment.answer_log_probs")
def log_probs_by_cross_entropy(logits, ids, mask):
    surprise = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return -surprise.masked_fill(~mask[:, 1:], 0).sum(dim=-1)


@solves("alignment.answer_log_probs")
def log_probs_of_a_distribution(logits, ids, mask):
    each = Categorical(logits=logits[:, :-1]).log_prob(ids[:, 1:])
    return torch.einsum("bt,bt->b", each, mask[:, 1:].to(each.dtype))


@solves("alignment.answer_log_probs")
def log_probs_without_softmax(logits, ids, mask):
    batch, seq = ids.shape
    here = logits[torch.arange(batch)[:, None], torch.arange(seq - 1)[None], ids[:, 1:]]
    each = here - logits[:, :-1].logsumexp(-1)
    return torch.stack([row[real].sum() for row, real in zip(each, mask[:, 1:])])


@plain("alignment.preference_loss")
def preference_loss(chosen, rejected):
    return -F.logsigmoid(chosen - rejected).mean()


@solves("alignment.preference_loss")
def loss_by_softplus(chosen, rejected):
    return F.softplus(rejected - chosen).mean()


@solves("alignment.preference_loss")
def loss_as_two_classes(chosen, rejected):
    return F.cross_entropy(torch.stack((chosen, rejected), dim=1), torch.zeros(len(chosen), dtype=torch.long))


@solves("alignment.preference_loss")
def loss_by_logaddexp(chosen, rejected):
    zero = torch.zeros_like(chosen)
    return torch.logaddexp(zero, rejected - chosen).sum() / len(chosen)


@plain("alignment.best_of_n")
def best_of_n(rewards, values):
    total = 0
    for row in range(len(rewards)):
        total = total + values[row, rewards[row].argmax()]
    return total / len(rewards)


@solves("alignment.best_of_n")
def best_by_max(rewards, values):
    _, places = rewards.max(dim=1)
    return values[torch.arange(len(values)), places].mean()


@solves("alignment.best_of_n")
def best_in_a_loop(rewards, values):
    kept = [value[max(range(len(reward)), key=lambda i: reward[i])] for reward, value in zip(rewards, values)]
    return sum(kept) / len(kept)


@plain("alignment.reinforce_loss")
def reinforce_loss(log_probs, mask, rewards):
    answers = (log_probs * mask).sum(1)
    return -(rewards * answers).mean()


@solves("alignment.reinforce_loss")
def reinforce_by_einsum(log_probs, mask, rewards):
    return -torch.einsum("at,at,a->", log_probs, mask.to(log_probs.dtype), rewards) / len(rewards)


@solves("alignment.reinforce_loss")
def reinforce_token_by_token(log_probs, mask, rewards):
    weighed = log_probs.masked_fill(~mask, 0) * rewards.unsqueeze(1)
    return weighed.sum().neg().div(rewards.shape[0])


@solves("alignment.reinforce_loss")
def reinforce_in_a_loop(log_probs, mask, rewards):
    loss = 0
    for row, real, reward in zip(log_probs, mask, rewards):
        loss = loss - reward * row[real].sum()
    return loss / len(rewards)


@plain("alignment.group_advantages")
def group_advantages(rewards):
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / (rewards.std(dim=1, keepdim=True) + 1e-4)


@solves("alignment.group_advantages")
def advantages_row_by_row(rewards):
    return torch.stack([(row - row.mean()) / (row.std() + 0.0001) for row in rewards])


@solves("alignment.group_advantages")
def advantages_by_std_mean(rewards):
    std, mean = torch.std_mean(rewards, dim=-1, keepdim=True)
    return torch.where(std == 0, torch.zeros_like(rewards), (rewards - mean) / (std + 1e-4))


@solves("alignment.group_advantages")
def advantages_by_hand(rewards):
    n = rewards.shape[1]
    centred = rewards - rewards.sum(1, keepdim=True) / n
    return centred / ((centred**2).sum(1, keepdim=True).div(n - 1).sqrt() + 1e-4)


@plain("alignment.clipped_loss")
def clipped_loss(log_probs, old_log_probs, advantages, mask, clip):
    ratio = (log_probs - old_log_probs).exp()
    gain = advantages[:, None] * ratio
    held = advantages[:, None] * ratio.clamp(1 - clip, 1 + clip)
    return -(torch.minimum(gain, held) * mask).sum() / len(mask)


@solves("alignment.clipped_loss")
def clipped_as_a_maximum(log_probs, old_log_probs, advantages, mask, clip):
    a = advantages.unsqueeze(-1)
    ratio = torch.exp(log_probs - old_log_probs)
    losses = torch.max(-a * ratio, -a * torch.clamp(ratio, 1 - clip, 1 + clip))
    return losses[mask].sum() / advantages.shape[0]


@solves("alignment.clipped_loss")
def clipped_by_cases(log_probs, old_log_probs, advantages, mask, clip):
    ratio = torch.exp(log_probs) / torch.exp(old_log_probs)
    good = ratio.clamp(max=1 + clip)
    bad = ratio.clamp(min=1 - clip)
    a = advantages[:, None].expand_as(ratio)
    gain = a * torch.where(a > 0, good, bad)
    return -torch.where(mask, gain, 0.0).sum(1).mean()


@plain("alignment.k3")
def k3(log_probs, reference_log_probs):
    log_ratio = reference_log_probs - log_probs
    return log_ratio.exp() - 1 - log_ratio


@solves("alignment.k3")
def k3_by_expm1(log_probs, reference_log_probs):
    r = reference_log_probs - log_probs
    return torch.expm1(r) - r


@solves("alignment.k3")
def k3_by_division(log_probs, reference_log_probs):
    ratio = torch.exp(reference_log_probs) / torch.exp(log_probs)
    return (ratio - 1) + (log_probs - reference_log_probs)


@plain("alignment.dpo_loss")
def dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta):
    better = beta * (chosen - reference_chosen)
    worse = beta * (rejected - reference_rejected)
    return -F.logsigmoid(better - worse).mean()


@solves("alignment.dpo_loss")
def dpo_by_softplus(chosen, rejected, reference_chosen, reference_rejected, beta):
    ours, theirs = chosen - rejected, reference_chosen - reference_rejected
    return F.softplus(-beta * (ours - theirs)).mean()


@solves("alignment.dpo_loss")
def dpo_as_two_classes(chosen, rejected, reference_chosen, reference_rejected, beta):
    rewards = beta * torch.stack((chosen - reference_chosen, rejected - reference_rejected))
    return -rewards.log_softmax(dim=0)[0].mean()


@plain("alignment.list_reward")
def list_reward(said, right):
    named = set()
    balance = 0
    for animal in said:
        if animal in right and animal not in named:
            named.add(animal)
            balance = balance + 1
        else:
            balance = balance - 1
    return balance / len(right)


@solves("alignment.list_reward")
def reward_by_counting(said, right):
    counts = Counter(said)
    good = sum(1 for animal in right if counts[animal])
    return (2 * good - sum(counts.values())) / len(right)


@solves("alignment.list_reward")
def reward_by_crossing_out(said, right):
    left, score = list(right), 0
    for animal in said:
        try:
            left.remove(animal)
            score += 1
        except ValueError:
            score -= 1
    return score / len(right)


@solves("alignment.list_reward")
def reward_by_numpy(said, right):
    first = np.array([animal in right and said.index(animal) == i for i, animal in enumerate(said)], dtype=bool)
    return float(first.sum() - (~first).sum()) / len(right)


@plain("alignment.worth_answering")
def worth_answering(chance, wrong):
    return chance > (1 - chance) * wrong


@solves("alignment.worth_answering")
def worth_by_the_bar(chance, wrong):
    return chance * (1 + wrong) > wrong


@solves("alignment.worth_answering")
def worth_in_a_loop(chance, wrong):
    return torch.tensor([math.fsum((p, -(1 - p) * wrong)) > 0 for p in chance.tolist()])
