"""Write the parts that several kinds of report share: the learner's line, advice, the case, printed text, the task."""

import re
from collections.abc import Sequence

from llmlib.exercises.engine.describing import describe
from llmlib.exercises.engine.detecting.shrinking import shrinking
from llmlib.exercises.engine.errors import came_from_inside, their_line, usual_cause
from llmlib.exercises.engine.examination import Examination
from llmlib.exercises.engine.exercise import Misconception
from llmlib.exercises.engine.report import Code, Part, Prose, Table
from llmlib.exercises.engine.running import Outcome
from llmlib.exercises.engine.slips import axis_gone, slip
from llmlib.exercises.engine.trials import Trial


def line_of(e: Examination, trial: Trial) -> list[Part]:
    line = their_line(trial.outcome.error, e.attempt) if trial.outcome.error else None
    return [Prose(f"It happened in line {line[0]}:"), Code(line[1])] if line else []


def error_parts(e: Examination, trial: Trial, known: bool) -> list[Part]:
    """Show the line, the usual cause (unless we know the real cause), and the arguments if they did not match."""
    error = trial.outcome.error
    parts = line_of(e, trial)
    if error is None:
        return parts
    place = their_line(error, e.attempt)
    inside = came_from_inside(error, e.attempt)
    shrunk = shrinking(e.attempt) if isinstance(error, IndexError) else ""
    if explanation := slip(e, trial):
        return [*parts, Prose(explanation)]
    if not known and (gone := axis_gone(e, trial)):
        return [*parts, Prose(gone)]
    if not known and (cause := shrunk or usual_cause(error, place[1] if place else "", inside)):
        parts.append(Prose(cause, "" if shrunk else "The usual cause:"))
    if isinstance(error, TypeError) and "argument" in str(error) and not inside:
        names = ", ".join(f"`{a}`" for a in e.exercise.argument_names)
        parts.append(Prose(f"`check` calls your function with {names}, in this order."))
    return parts


def advice(ideas: Sequence[Misconception], first: int = 0) -> list[Part]:
    """Say what each misconception gets wrong, why it is tempting, and where to look (numbered unless `first` is 0)."""
    parts: list[Part] = []
    for number, idea in enumerate(ideas, start=first):
        parts += [
            Prose(of_yours(idea.confuses), f"{number}." if first else ""),
            Prose(idea.tempting, "Why it is tempting:"),
            Prose(idea.nudge, "Look at:"),
        ]
    return parts


def of_yours(diagnosis: str) -> str:
    """Make clear that a diagnosis is about the learner's code, because "The MLP comes first." would sound like a rule.

    >>> of_yours("The MLP comes first."), of_yours("GELU is missing."), of_yours("You turn the values too.")
    ('In your function, the MLP comes first.', 'In your function, GELU is missing.', 'You turn the values too.')
    """
    if re.search(r"\byou", diagnosis, re.I):
        return diagnosis
    first = diagnosis.split()[0]
    is_name = any(letter.isupper() for letter in first[1:])  # GELU, SiLU, MLP
    return f"In your function, {diagnosis if is_name else diagnosis[0].lower() + diagnosis[1:]}"


def around(e: Examination, trial: Trial, caption: str = "The case") -> list[Part]:
    """Return the parts that end every reply to a wrong attempt: the case, the printed text, and the task again."""
    # 400 characters show a value in full, so that it can be copied, unless it contains tensors
    rows = tuple((name, describe(value, 400)) for name, value in zip(e.exercise.argument_names, trial.case.args))
    caption = f"{caption}: {trial.case.note}" if trial.case.note else caption
    case = Table(("argument", "in this case"), rows, caption=caption)
    return [case, *_printed(trial.outcome), Prose(e.exercise.task, "The task:")]


def _printed(outcome: Outcome) -> list[Part]:
    lines = outcome.printed.strip("\n").splitlines()
    if not lines:
        return []
    shown = [line[:200] for line in lines[:10]] + (["…"] if len(lines) > 10 else [])
    return [Prose("Your function printed:"), Code("\n".join(shown))]
