"""`llmlib eval` asks a model the questions in a JSONL file, using the settings in a TOML file."""

import csv
import io
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, no_type_check

import typer

from llmlib.settings import AT_LEAST_1, SettingsError, check_fields
from llmlib.training.cli import SOME, read_toml, with_example
from llmlib.training.following import reporting, warnings_once

EXAMPLE = """\
model = "smollm2-135m-instruct"  # or a folder from llmlib train, tune or align, a GGUF file, a Hugging Face id
questions = "questions.jsonl"    # one question per line; see below
against = "gpt2"                 # compare with this model on the same questions; optional
results = "results.csv"          # write each question's result here; optional
chat = false                     # true: ask in the model's chat template, instead of continuing the prompt
baseline = "Answer:"             # a prompt without a question, to compare choices with; "" skips this comparison
max_new_tokens = 32              # the most tokens in a written answer
ignore = ["case", "punctuation"] # differences to ignore in written answers; also "articles", "space"
"""
QUESTIONS = """\
A question has choices, or needs a written answer. "group" names what several questions share, such as a text:

{"prompt": "The capital of France is", "choices": ["Paris", "Rome"], "answer": "Paris", "group": "France"}
{"prompt": "Q: Name the capital of France.\\nA:", "answer": ["Paris", "Paris, France"]}
"""
SHOWN = "{measure:<17} {share:>6.1%}   {low:>6.1%} to {high:>6.1%}   {chance:>6}   {n:,}"


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class EvalSettings:
    """The settings of `llmlib eval`, as read from a TOML file."""

    model: Annotated[str, SOME]
    questions: Annotated[str, SOME]
    against: str = ""
    results: str = ""
    chat: bool = False
    baseline: str = "Answer:"
    max_new_tokens: Annotated[int, AT_LEAST_1] = 32
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)


def eval_command(settings: Annotated[Path, typer.Argument(help="A TOML file; see the example below.")]) -> None:
    """Ask a model your own questions, and report the share of right answers with an interval.

    Choices are compared by log-likelihood, which is measured in total, per token, per byte, and against a baseline.
    """
    with reporting("eval"):
        _run(settings)


eval_command.__doc__ = with_example(str(eval_command.__doc__), f"{EXAMPLE}\n{QUESTIONS}")


def _run(path: Path) -> None:
    from llmlib.evaluation.exact_match import exact_match
    from llmlib.evaluation.questions import read_questions

    settings = read_toml(path, "eval", EvalSettings)
    try:
        exact_match("", "", settings.ignore)
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None
    for name, file in (("questions", settings.questions), ("settings", path)):
        if settings.results and Path(settings.results).resolve() == Path(file).resolve():
            raise SettingsError(f"{path}: results would overwrite the {name} file. Choose another file.")
    questions = read_questions(settings.questions)
    if settings.chat:
        questions = [
            replace(question, prompt=[{"role": "user", "content": question.prompt}])
            if isinstance(question.prompt, str)
            else question
            for question in questions
        ]
    reports = {}
    for name in dict.fromkeys(each for each in (settings.model, settings.against) if each):
        reports[name] = _ask(name, questions, settings)
        typer.echo(f"{name}\n{table(reports[name])}")
    if len(reports) == 2:
        one, other = reports.values()
        typer.echo(f"{settings.model} minus {settings.against}, on the same questions")
        for measure in one.measures():
            right, groups = one.of(measure)
            few = len(right if groups is None else set(groups)) < 2
            compared = "needs at least 2 questions" if few else one.against(other, measure)
            typer.echo(f"{measure:<17} {compared}")
    if settings.results:
        _write(Path(settings.results), reports)


def _ask(name: str, questions: list[Any], settings: EvalSettings) -> Any:
    from tqdm.auto import tqdm

    from llmlib.evaluation.running import Report, each_result
    from llmlib.pretrained.loading import load_pretrained

    with warnings_once(True):
        model, tokenizer = load_pretrained(name)
        found = each_result(
            model, tokenizer, questions, settings.baseline or None, settings.ignore, settings.max_new_tokens
        )
        shown = tqdm(found, total=len(questions), unit="question", disable=not sys.stderr.isatty())
        return Report(list(shown))


def table(report: Any) -> str:
    """Return a report as text, with the share of right answers, its interval, and the chance level for each measure."""
    lines = [f"{'':<17} {'right':>6}   {'95% interval':>16}   {'chance':>6}   questions"]
    for measure in report.measures():
        share, (low, high) = report.score(measure)
        chance = "" if (by_chance := report.chance(measure)) is None else f"{by_chance:.1%}"
        n = len(report.of(measure)[0])
        lines.append(SHOWN.format(measure=measure, share=share, low=low, high=high, chance=chance, n=n))
    return "\n".join(lines)


def _write(path: Path, reports: dict[str, Any]) -> None:
    """Write one line per model, question and measure; an error never leaves a half-written file."""
    from llmlib.files.atomic import atomic_write

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "question", "group", "kind", "measure", "right", "answer"])
    for name, report in reports.items():
        for number, result in enumerate(report.results, start=1):
            about = [name, number, result.question.group or "", result.question.kind]
            writer.writerows([*about, measure, int(right), result.answer] for measure, right in result.right.items())
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
