"""Ask questions and explain each choice. `predict` asks before an idea is explained, and `quiz` ends a lesson.

Each choice is a `<details>` element. Learners choose it by opening it, and then see why it is right or wrong.
`<details>` needs no JavaScript, style sheet or running kernel. Questions therefore work in JupyterLab (trusted or not),
in Notebook, in VS Code and on sites that host code, with a keyboard or a screen reader, and in any theme. Every run
produces the same output. We tried the `jupyterquiz` package, but it puts a random id into its output (so no two runs
produce the same output), draws from Python's global random state, needs JavaScript (an untrusted notebook shows
nothing), ignores the theme's colours, and can load MathJax from another host.

Where a kernel is running, a live view (`asking_view`) shows the same choices. The view colours the choices, keeps
score, and calls `keep` with the first answer to each question.

The questions are in the `questions.toml` of a lesson's folder. If they were in the notebook, learners would see the
answers right next to the questions.
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
    """A question and its choices.

    Each choice consists of its text, a flag that says whether the choice is right, and an explanation. `lead` names the
    lesson that the question comes from, or is empty.
    """

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
    """Return a sort key that is the same in every run and has nothing to do with what the text means."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Questions:
    """One or more questions, shown as clickable HTML or as plain text. In a terminal, learners call `answer`.

    `keep(name, right)` is called once for each question, with its name and whether the first answer was right.
    """

    title: str
    questions: tuple[Question, ...]
    keep: Callable[[str, bool], None] | None = None
    _chosen: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def choose(self, question: int, choice: int) -> None:
        """Record a choice; `question` and `choice` both count from 0. Only the first choice for a question counts."""
        asked = self.questions[question]
        if question not in self._chosen:
            self._chosen[question] = choice
            if self.keep:
                self.keep(asked.name, asked.choices[choice][1])

    def answer(self, choice: str, question: int = 1) -> str:
        """Return the reply to a choice, which is given by its letter, such as "a". `question` counts from 1.

        Raises `ValueError` for an unknown choice or question.
        """
        if not 1 <= question <= len(self.questions):
            raise ValueError(f"question must be between 1 and {len(self.questions)}; got {question}.")
        choices = self.questions[question - 1].choices
        number = ord(choice) - ord("a") if len(choice) == 1 else -1
        if not 0 <= number < len(choices):
            raise ValueError(f"choice must be between 'a' and '{chr(ord('a') + len(choices) - 1)}'; got {choice!r}.")
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
        except ImportError:  # only the library is installed, without the course's packages
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
    """Return whether there is a page that can show a live view; IPython in a terminal has no such page."""
    if (ipython := sys.modules.get("IPython")) is None:
        return False
    return hasattr(ipython.get_ipython(), "kernel")
