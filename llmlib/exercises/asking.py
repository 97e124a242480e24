"""Questions with an explanation for each choice: `predict` before an idea, `quiz` at a lesson's end.

A choice is a `<details>` element: opening it is choosing it, and shows why it is right or wrong. That needs no
JavaScript, style sheet or running kernel, so it works the same in JupyterLab (trusted or not), Notebook, VS Code and on
a code host, with keyboard and screen reader, in any theme, and gives the same output in each run. The package
`jupyterquiz` was tried for this: its output carries a random id (a saved notebook's output would never be equal to a
new run's), draws from Python's global random state, needs JavaScript (nothing is shown in a notebook that is not
trusted), has colours of its own in both themes, and can load MathJax from a foreign host.

The questions live in `questions/*.toml`, not in the lessons, where the answers would stand beside them.
"""

import difflib
import hashlib
import html
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmlib.exercises.report import Prose, marked_up, style_tag

FOLDER = Path(__file__).parent / "questions"


@dataclass(frozen=True)
class Question:
    """A question, and for each choice: its text, whether it is right, and why."""

    text: str
    choices: tuple[tuple[str, bool, str], ...]

    @classmethod
    def from_toml(cls, entry: dict[str, Any]) -> "Question":
        choices = [(entry["right"], True, entry["because"])]
        choices += [(wrong["choice"], False, wrong["because"]) for wrong in entry["wrong"]]
        return cls(entry["question"], tuple(sorted(choices, key=lambda choice: _shuffled(choice[0]))))


def _shuffled(text: str) -> str:
    """A key that sorts without regard to meaning, and always alike."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Questions:
    """One question or several, as HTML to click and as text to read; `answer` is for terminals."""

    title: str
    questions: tuple[Question, ...]

    def answer(self, choice: str, question: int = 1) -> str:
        """What there is to say on a choice ("a", "b", …) of a question (from 1). Raises `ValueError` for others."""
        if not 1 <= question <= len(self.questions):
            raise ValueError(f"There are questions 1 to {len(self.questions)}, not {question}.")
        choices = self.questions[question - 1].choices
        number = ord(choice) - ord("a") if len(choice) == 1 else -1
        if not 0 <= number < len(choices):
            raise ValueError(f"There are choices 'a' to '{chr(ord('a') + len(choices) - 1)}', not {choice!r}.")
        _, right, because = choices[number]
        return f"{'Right.' if right else 'Not quite.'} {because}"

    def __repr__(self) -> str:
        lines = [self.title]
        for number, question in enumerate(self.questions, start=1):
            lines += ["", Prose(question.text, f"{number}." if len(self.questions) > 1 else "").as_text()]
            lines += [f"   {chr(ord('a') + i)}) {text}" for i, (text, _, _) in enumerate(question.choices)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = ""
        for number, question in enumerate(self.questions, start=1):
            count = f"{number}. " if len(self.questions) > 1 else ""
            choices = "".join(
                f"<details><summary>{marked_up(text)}</summary>"
                f"<p><strong>{'Right.' if right else 'Not quite.'}</strong> {marked_up(because)}</p></details>"
                for text, right, because in question.choices
            )
            label = html.escape(question.text.replace("`", ""), quote=True)
            body += f'<div role="group" aria-label="{label}"><p>{count}{marked_up(question.text)}</p>{choices}</div>'
        return (
            f'{style_tag()}<div class="llm-report llm-help" role="group" aria-label="{html.escape(self.title)}">'
            f'<p class="llm-heading"><strong>{html.escape(self.title)}</strong></p>{body}</div>'
        )


def predict(name: str) -> Questions:
    """The question "lesson.name" that is asked before its idea. Raises `KeyError`, with close names, if unknown.

    >>> print(predict("attention.sum_of_weights").answer("a"))
    Not quite. ...
    """
    lesson, _, key = name.partition(".")
    entries = _file(lesson).get("predict", {})
    if key not in entries:
        _unknown(name, [f"{lesson}.{known}" for known in entries])
    return Questions("Predict first: choose before you read on", (Question.from_toml(entries[key]),))


def quiz(lesson: str) -> Questions:
    """The questions at the end of a lesson, such as "attention". Raises `KeyError` for an unknown lesson."""
    entries = _file(lesson).get("quiz", [])
    if not entries:
        _unknown(lesson, lessons())
    return Questions("Quiz: open the choice that you think is right", tuple(map(Question.from_toml, entries)))


def lessons() -> list[str]:
    """The lessons that have questions, in the order of the course."""
    return [path.stem.partition("_")[2] for path in sorted(FOLDER.glob("*.toml"))]


@lru_cache
def _file(lesson: str) -> dict[str, Any]:
    for path in sorted(FOLDER.glob("*.toml")):
        if path.stem.partition("_")[2] == lesson:
            return tomllib.loads(path.read_text(encoding="utf-8"))
    _unknown(lesson, lessons())
    return {}


def _unknown(name: str, known: list[str]) -> None:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    raise KeyError(f"There are no questions {name!r}.{meant} There are: {', '.join(known) or 'none'}.")
