"""Decide when a question comes back: soon after a wrong answer, later after a right one (spaced retrieval practice).

Time is counted in lessons, not in days, so the same progress always leads to the same warm-up. Answering from memory
makes knowledge last longer than rereading does (Roediger and Karpicke, 2006, doi:10.1111/j.1467-9280.2006.01693.x), and
answers that are spaced out help more than answers in a row (Cepeda et al., 2006, doi:10.1037/0033-2909.132.3.354).
"""

from collections.abc import Mapping, Sequence
from typing import Any

# How many lessons later a question comes back: after a wrong answer, after one right answer in a warm-up, after two
# right answers in a row. After three, the question counts as known.
GAPS = (1, 2, 4)

Entry = Mapping[str, Any]


def answered(entry: Entry, right: bool, lesson: str, warm_up: bool) -> dict[str, Any]:
    """Return a question's updated entry after an answer in `lesson` or in its warm-up.

    A wrong answer always brings the question back. A right answer counts only in a warm-up, because in the lesson the
    learner has just read the explanation. `streak` is the number of right answers since the last wrong one, or None if
    there was no wrong answer.

    >>> wrong = answered({}, right=False, lesson="attention", warm_up=False)
    >>> answered(wrong, right=True, lesson="interpret", warm_up=True)["streak"]
    1
    """
    streak, since = streak_of(entry), entry.get("lesson")
    if not right:
        streak, since = 0, lesson
    elif warm_up and streak is not None:
        streak, since = streak + 1, lesson
    counts = {"answers": _count(entry.get("answers")) + 1, "right": _count(entry.get("right")) + right}
    first = entry["first"] if isinstance(entry.get("first"), bool) else right
    return {**entry, **counts, "first": first, "streak": streak, "lesson": since}


def to_repeat(entry: Entry) -> bool:
    """Return whether the learner answered incorrectly and has since been right in fewer than `len(GAPS)` warm-ups."""
    return (streak := streak_of(entry)) is not None and streak < len(GAPS)


def due_in(entry: Entry, lessons: Sequence[str]) -> int:
    """For a question that has to be repeated, return the index in `lessons` of the lesson in which it comes back.

    >>> due_in({"streak": 1, "lesson": "b"}, ["a", "b", "c", "d"])
    3
    """
    since = entry.get("lesson")
    return (lessons.index(since) if since in lessons else 0) + GAPS[streak_of(entry) or 0]


def streak_of(entry: Entry) -> int | None:
    streak = entry.get("streak")
    return streak if isinstance(streak, int) and not isinstance(streak, bool) and streak >= 0 else None


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0
