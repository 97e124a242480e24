"""Keep what was said in a conversation with several speakers, and find out which part of it each speaker knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass
class Said:
    """A message in a conversation; only `speaker` knows it, or all speakers do if `speaker` is None.

    `note` is what a view shows next to the message.
    """

    role: str
    content: str
    speaker: int | None = None
    note: dict[str, Any] = field(default_factory=dict)
    readings: bytes = b""

    @property
    def message(self) -> dict[str, Any]:
        plain = {"role": self.role, "content": self.content}
        return plain if self.speaker is None else {**plain, "speaker": self.speaker}


class Asked(NamedTuple):
    """A question that is being answered, with the messages before it."""

    instead_of: list[Said]  # the whole earlier conversation, which is restored if no model answers
    before: list[Said]
    question: Said
    answers: list[Said]  # one for each speaker
    order: list[int]  # numbers of the speakers, from left to right


def divided(messages: Sequence[Mapping[str, Any]]) -> tuple[str, list[Said]]:
    """Split a conversation into its system prompt (or "") and the other messages.

    Raises `ValueError` for an invalid message.
    """
    for number, message in enumerate(messages):
        if not all(isinstance(message.get(name), str) for name in ("role", "content")):
            raise ValueError(
                f"Message {number} is {message!r}; expected a dictionary with string values for 'role' and "
                "'content', such as {'role': 'user', 'content': 'Hello'}."
            )
    first = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    rest = messages[1:] if messages and messages[0]["role"] == "system" else messages
    return first, [Said(message["role"], message["content"]) for message in rest]


def known_to(speaker: int, system: str, said: Sequence[Said]) -> list[dict[str, str]]:
    """Return the conversation as one speaker knows it, without the questions that this speaker did not answer.

    >>> turn = [Said("user", "one"), Said("assistant", "", 0), Said("assistant", "1", 1), Said("user", "two")]
    >>> [message["content"] for message in known_to(0, "", turn)], len(known_to(1, "Be brief.", turn))
    (['two'], 4)
    """
    known = [{"role": "system", "content": system}] if system.strip() else []
    for one in said:
        if one.speaker not in (None, speaker):
            continue
        if one.role == "assistant" and not one.content:
            if known and known[-1]["role"] == "user":
                known.pop()
            continue
        known.append({"role": one.role, "content": one.content})
    return known
