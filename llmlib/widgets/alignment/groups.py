"""Pack groups of sampled answers for a view.

Only a few short answers are kept, and only numbers that JSON can represent.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from llmlib.widgets.shared.runs.view import least_missed

MOST_STEPS, MOST_GROUPS, MOST_ANSWERS = 100, 8, 16  # per run; per step; per group
LONGEST_PROMPT, LONGEST_ANSWER = 1500, 600  # characters
MOST_CHARACTERS = 300_000  # per run, so that showing the run stays quick

Group = dict[str, Any]


def pack_group(group: Mapping[str, Any]) -> Group:
    """Return what the view shows of a group: the `prompt`, and the first `answers`, `rewards` and `advantages`.

    `n` is the number of answers, and `missing` is the number of rewards that are not finite. `mean` is the mean of the
    finite rewards, and `spread` is the difference between the largest and the smallest of them. A reward or an
    advantage that is not finite becomes None. Raises `ValueError` unless each answer has one reward and one advantage.

    >>> group = {"prompt": "2 + 2?", "answers": ["4", "5"], "rewards": [1, 0], "advantages": [0.5, -0.5]}
    >>> packed = pack_group(group)
    >>> packed["n"], packed["mean"], packed["spread"]
    (2, 0.5, 1.0)
    """
    answers = list(map(str, group["answers"]))
    rewards, advantages = (list(map(float, group[name])) for name in ("rewards", "advantages"))
    if not len(answers) == len(rewards) == len(advantages):
        raise ValueError(
            f"A group must have one reward and one advantage for each answer; got {len(answers)} answers, "
            f"{len(rewards)} rewards and {len(advantages)} advantages."
        )
    known = [reward for reward in rewards if math.isfinite(reward)]
    return {
        "prompt": cut(str(group["prompt"]), LONGEST_PROMPT),
        "answers": [cut(answer, LONGEST_ANSWER) for answer in answers[:MOST_ANSWERS]],
        "rewards": [finite(reward) for reward in rewards[:MOST_ANSWERS]],
        "advantages": [finite(advantage) for advantage in advantages[:MOST_ANSWERS]],
        "n": len(answers),
        "missing": len(answers) - len(known),
        "mean": sum(known) / len(known) if known else None,
        "spread": max(known) - min(known) if known else None,
    }


class Kept:
    """A run's groups at some of its steps, oldest first.

    In a long run, some of the steps between the first and the newest are dropped.
    """

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.groups: list[list[Group]] = []
        self._sizes: list[int] = []  # characters

    def add(self, step: int, groups: Sequence[Mapping[str, Any]]) -> None:
        packed = [pack_group(group) for group in groups[:MOST_GROUPS]]
        self.steps.append(step)
        self.groups.append(packed)
        self._sizes.append(sum(len(text) for group in packed for text in (group["prompt"], *group["answers"])))
        while len(self.steps) > 2 and (len(self.steps) > MOST_STEPS or sum(self._sizes) > MOST_CHARACTERS):
            at = least_missed(self.steps)
            for rows in (self.steps, self.groups, self._sizes):
                del rows[at]


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def cut(text: str, longest: int) -> str:
    """Shorten a text to at most `longest` characters; "…" replaces the rest.

    >>> cut("abcdef", 4), cut("abc", 4)
    ('abc…', 'abc')
    """
    return text if len(text) <= longest else text[: longest - 1] + "…"


def merged(group: Group) -> list[tuple[str, float | None, float | None, int]]:
    """List a group's distinct answers, largest advantage first, as (text, reward, advantage, number of copies).

    >>> group = {"answers": ["a", "b", "a"], "rewards": [0.0, 1.0, 0.0], "advantages": [-0.5, 1.0, -0.5]}
    >>> merged(group)
    [('b', 1.0, 1.0, 1), ('a', 0.0, -0.5, 2)]
    """
    counts: dict[tuple[str, float | None, float | None], int] = {}
    for row in zip(group["answers"], group["rewards"], group["advantages"]):
        counts[row] = counts.get(row, 0) + 1
    rows = [(*row, count) for row, count in counts.items()]
    return sorted(rows, key=lambda row: math.inf if row[2] is None else -row[2])


def gist(prompt: str, longest: int = 80) -> str:
    """Return a short name for a prompt: its last line, which is usually the question.

    >>> gist("Pip lost his key.\\n\\nWho has it?"), gist(" ")
    ('Who has it?', '(empty)')
    """
    lines = [line.strip() for line in prompt.splitlines() if line.strip()]
    return cut(lines[-1], longest) if lines else "(empty)"


def most_telling(groups: Sequence[Group]) -> int:
    """Return the index of the group to show first: the first with unequal rewards, or 0 if there is no such group.

    >>> most_telling([{"spread": 0.0}, {"spread": None}, {"spread": 1.5}])
    2
    """
    return next((number for number, group in enumerate(groups) if group["spread"]), 0)


def in_words(group: Group) -> str:
    """Say in one sentence what the model can learn from a group, as `groupInWords` in data.mjs does.

    >>> in_words({"n": 4, "missing": 0, "mean": 0.0, "spread": 0.0, "rewards": [0.0] * 4, "advantages": [0.0] * 4})
    'All 4 rewards are equal (0): no answer is better than any other, so the model learns nothing from this group.'
    """
    n, missing, mean, spread = (group[name] for name in ("n", "missing", "mean", "spread"))
    if n == 0:
        return "This group has no answers."
    if missing:
        bad = "1 reward is not a number" if missing == 1 else f"{missing} rewards are not numbers"
        return f"{bad}: check the reward function."
    if n == 1:
        return "Only one answer: there is nothing to compare it with."
    if spread == 0:
        what = "no answer is better than any other"
        if not any(group["advantages"]):
            what += ", so the model learns nothing from this group"
        return f"All {n} rewards are equal ({brief(mean)}): {what}."
    fewer = f" Only the first {len(group['rewards'])} answers are shown." if len(group["rewards"]) < n else ""
    return f"{n} answers, mean reward {brief(mean)}.{fewer}"


def brief(value: float | None) -> str:
    """Format a reward with up to three decimal places.

    >>> brief(-0.5), brief(1.0), brief(0.12345), brief(None)
    ('−0.5', '1', '0.123', 'not a number')
    """
    if value is None:
        return "not a number"
    return f"{round(value, 3) + 0.0:.12g}".replace("-", "−")


def signed(value: float | None) -> str:
    """Format an advantage with its sign and two decimal places.

    >>> signed(1.25), signed(-0.5), signed(0.001), signed(None)
    ('+1.25', '−0.50', '0', 'not a number')
    """
    if value is None:
        return "not a number"
    return f"{value:+.2f}".replace("-", "−") if abs(value) >= 0.005 else "0"
