"""Questions with known answers, made in Python or read from a JSONL file, and checked before a model sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmlib.chat import Message, check_turns
from llmlib.files.checked_json import FormatError, field, short
from llmlib.finetuning.conversations import ConversationError, lines_of, messages_in, record_in

Prompt = str | Sequence[Message]  # a text to continue, or a conversation to answer


class QuestionError(ValueError):
    """Raised when a question cannot be asked; the message says which question, what is wrong and what is expected."""


@dataclass(frozen=True)
class Question:
    """A prompt with choices, of which exactly one is right, or a prompt that needs a written answer.

    `right` is the text of the right choice, or the right written answers. `group` names something that several
    questions share, such as a story, and is used for intervals; `kind` lets you score each kind of question separately.
    Raises `QuestionError` for a question without a prompt or without a right answer, with fewer than two choices, or
    with a choice that is empty or occurs twice.

    >>> Question("2 + 2 =", ("3", "4"), "5")
    Traceback (most recent call last):
        ...
    llmlib.evaluation.questions.QuestionError: No choice is right: the answer is '5', and the choices are ['3', '4'].
    """

    prompt: Prompt
    choices: tuple[str, ...] = ()
    right: str | tuple[str, ...] = ()
    group: str | None = None
    kind: str = ""

    def __post_init__(self) -> None:
        if not (self.prompt.strip() if isinstance(self.prompt, str) else self.prompt):
            raise QuestionError("The prompt is empty.")
        if not isinstance(self.prompt, str):
            check_turns([*self.prompt, {"role": "assistant", "content": ""}])
        if not self.choices:
            if not self.right:
                raise QuestionError("There is no right answer.")
            return
        if empty := [number for number, choice in enumerate(self.choices) if not choice.strip()]:
            raise QuestionError(f"Choice {empty[0]} is empty.")
        if len(self.choices) < 2:
            raise QuestionError(f"There is only one choice, {self.choices[0]!r}. A question needs at least 2.")
        if twice := [choice for choice in self.choices if self.choices.count(choice) > 1]:
            raise QuestionError(f"The choice {twice[0]!r} occurs twice.")
        if self.right not in self.choices:
            raise QuestionError(
                f"No choice is right: the answer is {short(self.right)}, and the choices are "
                f"{short(list(self.choices))}."
            )

    @property
    def right_number(self) -> int:
        """The index of the right choice."""
        return self.choices.index(str(self.right))


def read_questions(path: Path | str) -> list[Question]:
    """Read the questions in a JSONL file, one per line; blank lines are skipped.

    Each line is a JSON object. The object contains "prompt", a string, or "messages", a conversation that ends with a
    message from the user; it also contains "answer", and may contain "choices", "group" and "kind". If there are
    choices, the answer is one of the choices, or the number of a choice, counting from 0; otherwise, the answer is a
    string, or a list of right answers. Raises `QuestionError`, with the line number, for anything else, or for a file
    that has no questions or cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "questions.jsonl"
    >>> _ = path.write_text('{"prompt": "2 + 2 =", "choices": ["3", "4"], "answer": 1}')
    >>> read_questions(path)
    [Question(prompt='2 + 2 =', choices=('3', '4'), right='4', group=None, kind='')]
    """
    path, found = Path(path), []
    try:
        for number, line in lines_of(path):
            try:
                found.append(_question(record_in(line, _EXPECTED)))
            except ValueError as error:
                raise QuestionError(f"{path}, line {number}: {error}") from None
    except ConversationError as error:
        raise QuestionError(str(error)) from None
    if not found:
        raise QuestionError(f"{path} has no questions. Expected one question per line, such as {_EXAMPLE}")
    return found


def _question(record: dict[str, Any]) -> Question:
    names = ("prompt", "messages", "choices", "answer", "group", "kind")
    if unknown := sorted(set(record) - set(names)):
        raise FormatError(f"unknown field {unknown[0]!r}; a question may have the fields {', '.join(names)}.")
    prompt: Prompt = messages_in(record) if "messages" in record else field(record, "prompt", str, "the question")
    choices = _texts(record, "choices") if "choices" in record else ()
    answer = field(record, "answer", (str, int) if choices else (str, list), "the question")
    if isinstance(answer, list):
        answer = _texts(record, "answer")
    elif isinstance(answer, int):
        if not 0 <= answer < len(choices):
            raise FormatError(
                f"No choice is right: 'answer' is {answer}, but the choices are numbered 0 to {len(choices) - 1}."
            )
        answer = choices[answer]
    elif not choices:
        answer = (answer,)
    group = field(record, "group", (str, int), "the question", default=None)
    kind = field(record, "kind", str, "the question", default="")
    return Question(prompt, choices, answer, None if group is None else str(group), kind)


def _texts(record: dict[str, Any], name: str) -> tuple[str, ...]:
    texts = field(record, name, list, "the question")
    if not texts or not all(isinstance(text, str) for text in texts):
        raise FormatError(f"{name!r} must be a list of strings, got {short(texts)}.")
    return tuple(texts)


_EXAMPLE = '{"prompt": "The capital of France is", "choices": ["Paris", "Rome"], "answer": "Paris"}'
_EXPECTED = f"Expected an object such as {_EXAMPLE}"
