"""Exercises for lesson 09: a reward from preferences, DPO, and rewards that can be exploited (see also `policy`)."""

import random
from pathlib import Path

import torch
import torch.nn.functional as F

from llmlib.exercises.engine.exercise import Case, Exercise, texts_of
from llmlib.exercises.engine.probes import gradients_flow, randn
from llmlib.exercises.lessons.lesson_09_alignment.faulty import (
    faulty_answer_log_probs,
    faulty_best_of_n,
    faulty_list_reward,
    faulty_worth_answering,
)
from llmlib.exercises.lessons.lesson_09_alignment.faulty_pairs import faulty_dpo_loss, faulty_preference_loss
from llmlib.exercises.lessons.lesson_09_alignment.policy import CLIPPED_LOSS, GROUP_ADVANTAGES, K3, REINFORCE_LOSS
from llmlib.exercises.lessons.lesson_09_alignment.probes import no_ceiling

TEXTS = texts_of(Path(__file__).parent)

APART = (40.0, 80.0)  # in nats; e^-80 is still above 0 in float32
FAR_APART = (400.0, 800.0)


# --- alignment.answer_log_probs ---


def answer_log_probs(logits, ids, mask):
    """Return each whole answer's log-probability: the sum of ln p(token | all tokens before it) over its tokens."""
    each = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return (each * mask[:, 1:]).sum(1)


def cases_answer_log_probs(seed):
    generator = torch.Generator().manual_seed(seed)

    def case(spans, seq, vocab, note="", scale=2.0):
        """Make a case; `spans` contains each answer's first position and the position after its last token."""
        ids = torch.randint(0, vocab, (len(spans), seq), generator=generator)
        mask = torch.zeros(len(spans), seq, dtype=torch.bool)
        for row, (start, stop) in enumerate(spans):
            mask[row, start:stop] = True
        return Case((scale * randn(seed + len(spans) + seq, len(spans), seq, vocab), ids, mask), note)

    return [
        case([(2, 4)], 4, 3),
        case([(2, 6), (3, 5)], 7, 5, "padding after the answers"),
        case([(1, 5), (4, 5), (2, 4)], 5, 4, "answers of 4, 1 and 2 tokens"),
        case([(3, 4)], 5, 6, "an answer of one token"),
        case([(5, 9), (2, 9)], 9, 3, "large logits", scale=300.0),
        case([(2, 3), (1, 4), (3, 6), (2, 6)], 6, 6),
    ]


def unlikely_token(case, distance):
    """Make a one-token answer whose logit is `distance` below the logit of another token."""
    logits = case.args[0].new_tensor([[[distance, 0.0], [0.0, 0.0]]])
    return logits, torch.tensor([[0, 1]]), torch.tensor([[False, True]])


ANSWER_LOG_PROBS = Exercise(
    **TEXTS["answer_log_probs"],
    reference=answer_log_probs,
    cases=cases_answer_log_probs,
    faulty=faulty_answer_log_probs,
    axes=("answer",),
    probes=(gradients_flow(("logits",), 0), no_ceiling(APART, unlikely_token, "large logits")),
)


# --- alignment.preference_loss ---


def preference_loss(chosen, rejected):
    """Return the mean surprise at seeing the chosen answers win, under the Bradley–Terry model."""
    return -F.logsigmoid(chosen - rejected).mean()


def cases_preference_loss(seed):
    return [
        Case((torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([0.0, 2.5], dtype=torch.float64))),
        Case((randn(seed, 5), randn(seed + 1, 5)), "five pairs"),
        Case((randn(seed + 2, 1), randn(seed + 3, 1)), "a single pair"),
        Case((randn(seed + 4, 4) + 3, randn(seed + 5, 4)), "mostly right"),
        Case((randn(seed + 6, 4) * 2 - 1, randn(seed + 7, 4) * 2 + 1), "mostly wrong"),
        Case(
            (torch.tensor([2000.0, -1000.0], dtype=torch.float64), torch.tensor([0.0, 500.0], dtype=torch.float64)),
            "rewards that are far apart",
        ),
        Case((randn(seed + 8, 3), randn(seed + 9, 3) - 2)),
    ]


def wrong_pair(case, distance):
    return case.args[0].new_zeros(1), case.args[0].new_full((1,), distance)


PREFERENCE_LOSS = Exercise(
    **TEXTS["preference_loss"],
    reference=preference_loss,
    cases=cases_preference_loss,
    faulty=faulty_preference_loss,
    probes=(gradients_flow(("chosen", "rejected"), 0, 1), no_ceiling(FAR_APART, wrong_pair, "rewards that are far")),
)


# --- alignment.best_of_n ---


def best_of_n(rewards, values):
    """For each prompt, take the answer with the highest reward, and return the mean true value of these answers."""
    return values.gather(1, rewards.argmax(1, keepdim=True)).mean()


def cases_best_of_n(seed):
    small = torch.tensor([[0.1, 0.9, 0.3], [2.0, 1.0, 0.0]], dtype=torch.float64)
    worth = torch.tensor([[1.0, -0.5, 0.25], [0.0, 1.0, 2.0]], dtype=torch.float64)
    tied = torch.tensor([[1.0, 2.0, 2.0, 0.0], [3.0, 3.0, 1.0, 3.0]], dtype=torch.float64)
    tied_worth = torch.tensor([[0.5, 1.0, -0.5, 0.0], [0.25, 1.0, 2.0, -1.0]], dtype=torch.float64)
    return [
        Case((small, worth)),
        Case((tied, tied_worth), "several answers share the highest reward"),
        Case((randn(seed, 4, 5), randn(seed + 1, 4, 5)), "four prompts, five answers each"),
        Case((randn(seed + 2, 3, 3), randn(seed + 3, 3, 3)), "as many prompts as answers"),
        Case((randn(seed + 4, 3, 1), randn(seed + 5, 3, 1)), "one answer for each prompt"),
        Case((randn(seed + 6, 1, 6), randn(seed + 7, 1, 6)), "a single prompt"),
        Case((randn(seed + 8, 2, 4) - 9, randn(seed + 9, 2, 4)), "all rewards are negative"),
        Case((randn(seed + 10, 5, 8), randn(seed + 11, 5, 8))),
    ]


BEST_OF_N = Exercise(**TEXTS["best_of_n"], reference=best_of_n, cases=cases_best_of_n, faulty=faulty_best_of_n)


# --- alignment.dpo_loss ---


def dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta):
    """Compute the mean Bradley–Terry loss over the pairs.

    The reward of an answer is beta · (log-probability under the policy − log-probability under the reference).
    """
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return -F.logsigmoid(beta * margin).mean()


def cases_dpo_loss(seed):
    def case(n, beta, spread, note="", offset=0.0):
        four = [-3 * randn(seed + i + 5 * n, n).abs() - 1 for i in range(2)]
        moved = [each + spread * randn(seed + 40 + i + n, n) for i, each in enumerate(four)]
        return Case((moved[0] + offset, moved[1], *four, beta), note)

    return [
        case(2, 0.5, 2.0),
        case(4, 0.1, 0.0, "the policy is still the reference"),
        case(5, 0.3, 3.0, "five pairs"),
        case(1, 1.0, 1.0, "a single pair"),
        case(3, 0.1, 8.0, "the policy has moved far from the reference"),
        case(2, 2.0, 1.0, "answers that are far apart", offset=-900.0),
        case(6, 0.2, 4.0),
    ]


def wrong_pair_of_answers(case, distance):
    zeros = case.args[0].new_zeros(1)
    return zeros - distance, zeros, zeros, zeros, 1.0


DPO_LOSS = Exercise(
    **TEXTS["dpo_loss"],
    reference=dpo_loss,
    cases=cases_dpo_loss,
    faulty=faulty_dpo_loss,
    probes=(
        gradients_flow(("chosen", "rejected"), 0, 1),
        no_ceiling(FAR_APART, wrong_pair_of_answers, "answers that are far"),
    ),
)


# --- alignment.list_reward ---


def list_reward(said, right):
    """Return the reward for a list of animals.

    A list earns 1 for each correct animal and −1 for each other entry. The sum is divided by the length of `right`.
    """
    named = set(said) & set(right)
    return (len(named) - (len(said) - len(named))) / len(right)


def cases_list_reward(seed):
    chance = random.Random(seed)
    animals = ["cat", "fox", "owl", "hen", "bee", "pig", "cow", "goat", "mouse", "otter"]
    several = chance.sample(animals, 5)
    return [
        Case((["fox", "cat"], ["fox", "cat", "owl"])),
        Case((several[:4], several[:4]), "all the right animals, and nothing else"),
        Case((list(reversed(several[:3])), several[:3]), "all the right animals in a different order"),
        Case((several, several[:3]), "two wrong animals"),
        Case(([several[0], several[1], several[1], several[1]], several[:2]), "one right animal, named three times"),
        Case((several[2:4] * 3, several[:2]), "two wrong animals, each named three times"),
        Case(([], several[:2]), "an empty list"),
        Case((animals, several[:2]), "every animal in the village"),
        Case((several[1:4] + several[1:2], several[:3]), "one animal missing, one wrong, and one repeated"),
        Case((chance.choices(animals, k=6), chance.sample(animals, 4))),
    ]


LIST_REWARD = Exercise(
    **TEXTS["list_reward"], reference=list_reward, cases=cases_list_reward, faulty=faulty_list_reward, double=False
)


# --- alignment.worth_answering ---


def worth_answering(chance, wrong):
    """Return True where answering earns more on average than staying silent, which earns 0."""
    return chance - (1 - chance) * wrong > 0


def cases_worth_answering(seed):
    some = torch.rand(8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    steps = torch.linspace(0.02, 0.98, 25, dtype=torch.float64)
    return [
        Case((torch.tensor([0.1, 0.3, 0.6, 0.9], dtype=torch.float64), 0.5)),
        Case((steps, 0.5), "a wrong answer costs half of what a right one earns"),
        Case((steps, 4.0), "a wrong answer costs four times what a right one earns"),
        Case((steps, 0.0), "a wrong answer costs nothing"),
        Case(
            (torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64), 0.0),
            "wrong answers cost nothing, and one answer has no chance of being right",
        ),
        Case((steps, 1.0), "a wrong answer costs as much as a right one earns"),
        Case((torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), 1.0), "no gain and no loss on average"),
        Case((torch.tensor([0.0, 1.0], dtype=torch.float64), 2.0), "one answer sure to be wrong, one sure to be right"),
        Case((some, 0.25)),
        Case((some, 2.0)),
    ]


WORTH_ANSWERING = Exercise(
    **TEXTS["worth_answering"],
    reference=worth_answering,
    cases=cases_worth_answering,
    faulty=faulty_worth_answering,
    axes=("question",),
)


EXERCISES = (
    PREFERENCE_LOSS,
    BEST_OF_N,
    ANSWER_LOG_PROBS,
    REINFORCE_LOSS,
    GROUP_ADVANTAGES,
    CLIPPED_LOSS,
    K3,
    WORTH_ANSWERING,
    LIST_REWARD,
    DPO_LOSS,
)
