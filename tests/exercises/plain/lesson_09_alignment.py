"""Plain right solutions of lesson 09."""

import torch
import torch.nn.functional as F

from exercises.plain import plain


@plain("alignment.answer_log_probs")
def answer_log_probs(logits, ids, mask):
    log_probs = logits.log_softmax(-1)
    total = torch.zeros(len(ids), dtype=logits.dtype)
    for row in range(len(ids)):
        for place in range(1, ids.shape[1]):
            if mask[row, place]:
                total[row] = total[row] + log_probs[row, place - 1, ids[row, place]]
    return total


@plain("alignment.preference_loss")
def preference_loss(chosen, rejected):
    return -F.logsigmoid(chosen - rejected).mean()


@plain("alignment.best_of_n")
def best_of_n(rewards, values):
    total = 0
    for row in range(len(rewards)):
        total = total + values[row, rewards[row].argmax()]
    return total / len(rewards)


@plain("alignment.reinforce_loss")
def reinforce_loss(log_probs, mask, rewards):
    answers = (log_probs * mask).sum(1)
    return -(rewards * answers).mean()


@plain("alignment.group_advantages")
def group_advantages(rewards):
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / (rewards.std(dim=1, keepdim=True) + 1e-4)


@plain("alignment.clipped_loss")
def clipped_loss(log_probs, old_log_probs, advantages, mask, clip):
    ratio = (log_probs - old_log_probs).exp()
    gain = advantages[:, None] * ratio
    held = advantages[:, None] * ratio.clamp(1 - clip, 1 + clip)
    return -(torch.minimum(gain, held) * mask).sum() / len(mask)


@plain("alignment.k3")
def k3(log_probs, reference_log_probs):
    log_ratio = reference_log_probs - log_probs
    return log_ratio.exp() - 1 - log_ratio


@plain("alignment.dpo_loss")
def dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta):
    better = beta * (chosen - reference_chosen)
    worse = beta * (rejected - reference_rejected)
    return -F.logsigmoid(better - worse).mean()


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


@plain("alignment.worth_answering")
def worth_answering(chance, wrong):
    return chance > (1 - chance) * wrong
