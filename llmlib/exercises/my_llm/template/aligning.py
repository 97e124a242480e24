"""Teach the model to give better answers by training it on its own answers."""

import torch

from llmlib.exercises.my_llm.template.training import fit


def answer_log_probs(logits, ids, mask):
    """Return each whole answer's log-probability: the sum of ln p(token | all tokens before it) over its tokens."""
    each = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return (each * mask[:, 1:]).sum(1)


def group_advantages(rewards):
    """Compute how much better each answer is than the other answers to its prompt, in standard deviations."""
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    return centred / (rewards.std(dim=1, keepdim=True) + 1e-4)


def reinforce_loss(log_probs, mask, rewards):
    """Compute a loss whose gradient makes each whole answer likelier in proportion to its reward."""
    return -(rewards * (log_probs * mask).sum(1)).mean()


def learn_by_reward(weights, logits_of, questions, answers_to, rounds, rate):
    """Follow the policy gradient to make a group's better answers likelier. Return the weights and the mean rewards.

    answers_to(question, weights) draws a group, which consists of the ids (a row for each answer), a mask that is True
    for the answers' tokens, and the rewards. There is one mean reward for each round.
    """
    earned = []

    def loss_of(values, group):
        ids, mask, rewards = group
        likely = answer_log_probs(logits_of(ids, dict(zip(weights, values))), ids, mask)[:, None]  # per answer
        return reinforce_loss(likely, torch.ones_like(likely, dtype=torch.bool), group_advantages(rewards[None])[0])

    for _ in range(rounds):
        with torch.no_grad():
            groups = [answers_to(question, weights) for question in questions]
        earned.append(torch.cat([rewards for _, _, rewards in groups]).mean().item())
        groups = [group for group in groups if group[2].min() < group[2].max()]  # equal rewards teach nothing
        if groups:
            values, _ = fit(list(weights.values()), loss_of, groups, [rate] * len(groups), 1.0)
            weights = dict(zip(weights, values))
    return weights, earned
