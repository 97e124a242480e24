"""Questions with an explanation for each choice, for `predict` before an idea and `quiz` at the end of a lesson.

A choice is a `<details>` element: you choose it by opening it, and see why it is right or wrong. That needs no
JavaScript, style sheet or running kernel, so it works the same in JupyterLab (trusted or not), Notebook, VS Code and on
a code host, with keyboard and screen reader, in any theme, and gives the same output in each run. The package
`jupyterquiz` was tried for this: its output carries a random id (a saved notebook's output would never be equal to a
new run's), draws from Python's global random state, needs JavaScript (nothing is shown in a notebook that is not
trusted), has colours of its own in both themes, and can load MathJax from a foreign host.

Where a kernel runs, the same choices come as a live view (`asking_view`): it colours them, keeps the score, and hands
the first answer to each question to `keep`.

The questions are in the `questions.toml` of a lesson's folder, not in the notebook, where the answers would be right
beside them.
"""

import hashlib
import html
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llmlib.exercises.engine.report import Prose, marked_up, style_tag


@dataclass(frozen=True)
class Question:
    """A question with its choices: the text of each, whether it is right, and why. `lead` says where it comes from."""

    text: str
    choices: tuple[tuple[str, bool, str], ...]
    name: str = ""  # "attention.order", "attention.quiz.0f3a61b2"
    lead: str = ""  # "Lesson 03:"

    @classmethod
    def from_toml(cls, entry: dict[str, Any], name: str = "", lead: str = "") -> "Question":
        choices = [(entry["right"], True, entry["because"])]
        choices += [(wrong["choice"], False, wrong["because"]) for wrong in entry["wrong"]]
        return cls(entry["question"], tuple(sorted(choices, key=lambda choice: _shuffled(choice[0]))), name, lead)


def _shuffled(text: str) -> str:
    """Make a sort key that is the same in each run and has nothing to do with the text's meaning."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Questions:
    """One question or several, as HTML to click and as text to read; `answer` is for terminals.

    `keep(name, right)` gets the first answer to each question.
    """

    title: str
    questions: tuple[Question, ...]
    keep: Callable[[str, bool], None] | None = None
    _chosen: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def choose(self, question: int, choice: int) -> None:
        """Choose one of a question's choices (both counted from 0). Only the first choice for a question counts."""
        asked = self.questions[question]
        if question not in self._chosen:
            self._chosen[question] = choice
            if self.keep:
                self.keep(asked.name, asked.choices[choice][1])

    def answer(self, choice: str, question: int = 1) -> str:
        """Return the reply to a choice ("a", "b", …) of a question (from 1). Raises `ValueError` for any other."""
        if not 1 <= question <= len(self.questions):
            raise ValueError(f"There are questions 1 to {len(self.questions)}, not {question}.")
        choices = self.questions[question - 1].choices
        number = ord(choice) - ord("a") if len(choice) == 1 else -1
        if not 0 <= number < len(choices):
            raise ValueError(f"There are choices 'a' to '{chr(ord('a') + len(choices) - 1)}', not {choice!r}.")
        self.choose(question - 1, number)
        _, right, because = choices[number]
        return f"{'Right.' if right else 'Not quite.'} {because}"

    def __repr__(self) -> str:
        lines = [self.title]
        for number, question in enumerate(self.questions, start=1):
            lead = f"{number}. {question.lead}" if len(self.questions) > 1 else question.lead
            lines += ["", Prose(question.text, lead.strip()).as_text()]
            lines += [f"   {chr(ord('a') + i)}) {text}" for i, (text, _, _) in enumerate(question.choices)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = ""
        for number, question in enumerate(self.questions, start=1):
            count = f"{number}. " if len(self.questions) > 1 else ""
            count += f"<em>{html.escape(question.lead)}</em> " if question.lead else ""
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

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        plain: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if not _in_a_kernel():
            return plain, {}
        try:
            from llmlib.exercises.engine.asking_view import QuestionsView
        except ImportError:  # only the library, without the course's packages
            return plain, {}
        view = QuestionsView(
            words=repr(self),
            html=self._repr_html_(),
            choose=self.choose,
            title=self.title,
            questions=[_as_plain(question) for question in self.questions],
        )
        data, metadata = view._repr_mimebundle_()
        return {**data, **plain}, metadata


def _as_plain(question: Question) -> dict[str, Any]:
    choices = [{"text": text, "right": right, "because": because} for text, right, because in question.choices]
    return {"text": question.text, "lead": question.lead, "choices": choices}


def _in_a_kernel() -> bool:
    """Return whether there is a page that can hold a live view; IPython in a terminal has none."""
    if (ipython := sys.modules.get("IPython")) is None:
        return False
    return hasattr(ipython.get_ipython(), "kernel")
