"""Split a conversation into turns, each with a question and its answers, as data.mjs does."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

LETTERS = "ABCDEFGH"


class Turn(NamedTuple):
    """One turn in a conversation: the index of the question's message, and the indices of the answers' messages."""

    question: int | None  # None if the conversation begins with an answer
    answers: list[int]

    def sides(self, messages: Sequence[Mapping[str, Any]], note: Mapping[str, Any]) -> list[int]:
        """List the answers from left to right; in a blind comparison, they are in the secret order."""
        order = note.get("order", [])
        place = lambda k: order.index(s) if (s := messages[k].get("speaker")) in order else k  # noqa: E731
        return sorted(self.answers, key=place)


def turns_of(messages: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """Split a conversation into turns.

    >>> turns_of([{"role": "user"}, {"role": "assistant"}, {"role": "assistant"}, {"role": "user"}])
    [Turn(question=0, answers=[1, 2]), Turn(question=3, answers=[])]
    """
    turns: list[Turn] = []
    for number, message in enumerate(messages):
        if message["role"] == "user":
            turns.append(Turn(number, []))
        elif turns:
            turns[-1].answers.append(number)
        else:
            turns.append(Turn(None, [number]))
    return turns


def hidden(note: Mapping[str, Any]) -> bool:
    """Return whether a question was asked blind and has no vote yet."""
    return "order" in note and note.get("vote") is None


def name_of(speaker: int | None, names: Sequence[str], note: Mapping[str, Any]) -> str:
    """Return a speaker's name or, before the vote on a blind comparison, the letter of the speaker's side.

    >>> name_of(1, ["base", "tuned"], {}), name_of(1, ["base", "tuned"], {"order": [1, 0], "vote": None})
    ('tuned', 'A')
    """
    if speaker is None:
        return names[0] if len(names) == 1 else "All"
    return LETTERS[note["order"].index(speaker)] if hidden(note) else names[speaker]
