"""Ask a model a list of questions, and report the share of right answers, with an interval."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from llmlib.evaluation.comparing import Comparison, compare
from llmlib.evaluation.exact_match import exact_match
from llmlib.evaluation.intervals import bootstrap_interval
from llmlib.evaluation.multiple_choice import BASELINE, WAYS, ChoiceScores, Chooser
from llmlib.evaluation.questions import Question, QuestionError
from llmlib.finetuning.scores import answer_all, wilson_interval
from llmlib.sampling import Sampler, generate_text
from llmlib.sampling.generating_text import until_stop
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer

WRITTEN = "written"  # the measure for questions without choices
AT_A_TIME = 16  # questions with choices are scored this many at a time, before progress is reported


@dataclass(frozen=True)
class Result:
    """The result for one question: the model's answer, and whether it is right according to each measure."""

    question: Question
    answer: str  # a written answer, or the choice with the highest log-likelihood
    right: dict[str, bool]  # by measure: "raw", "per token", …, or "written"


@dataclass(frozen=True)
class Report:
    """The results for all questions, with a summary for each measure."""

    results: list[Result] = field(repr=False)

    def measures(self) -> list[str]:
        return list(dict.fromkeys(measure for result in self.results for measure in result.right))

    def of(self, measure: str) -> tuple[np.ndarray, list[str] | None]:
        """Return 1 (right) or 0 (wrong) for each question according to this measure, and the questions' groups.

        The groups are None if no question has a group.
        """
        asked = [(number, result) for number, result in enumerate(self.results) if measure in result.right]
        groups = [result.question.group or f"question {number}" for number, result in asked]
        has_groups = any(result.question.group is not None for _, result in asked)
        return np.array([float(result.right[measure]) for _, result in asked]), groups if has_groups else None

    def score(self, measure: str) -> tuple[float, tuple[float, float]]:
        """Return the share of right answers and its 95% interval, from `wilson_interval` or a bootstrap over groups."""
        right, groups = self.of(measure)
        if groups is None or len(set(groups)) < 2:
            return float(right.mean()), wilson_interval(int(right.sum()), len(right))
        return float(right.mean()), bootstrap_interval(np.mean, right, groups=groups)

    def chance(self, measure: str) -> float | None:
        """Return the share of questions that guessing would get right, or None for written answers."""
        asked = [result.question for result in self.results if measure in result.right]
        return None if measure == WRITTEN else float(np.mean([1 / len(question.choices) for question in asked]))

    def against(self, other: "Report", measure: str) -> Comparison:
        """Compare this report's model with another report's model on the same questions.

        The difference is positive if this report's model is better.
        """
        right, groups = self.of(measure)
        return compare(right, other.of(measure)[0], groups=groups)


def evaluate(
    model: Transformer,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    *,
    baseline: str | None = BASELINE,
    ignore: Iterable[str] = (),
    max_new_tokens: int = 32,
) -> Report:
    """Ask a model every question, and report how many answers are right.

    If a question has choices, the choices are scored by log-likelihood in each of the ways that `ChoiceScores.by`
    offers. Otherwise, the model writes an answer, which is its most likely continuation, up to the first line break if
    the prompt is a text; `ignore` works as in `exact_match`. Raises `QuestionError` if there are no questions, or if a
    question cannot be asked (the message gives its number, counting from 1).

    >>> from llmlib.pretrained import load_pretrained
    >>> model, tokenizer = load_pretrained("tinytales", dtype="float32")
    >>> report = evaluate(model, tokenizer, [Question("Once upon a", ("time", "rusty gate"), "time")])
    >>> report.score("raw")[0], report.chance("raw")
    (1.0, 0.5)
    """
    if not questions:
        raise QuestionError("There are no questions to ask.")
    return Report(list(each_result(model, tokenizer, questions, baseline, tuple(ignore), max_new_tokens)))


def each_result(
    model: Transformer,
    tokenizer: Tokenizer,
    questions: Sequence[Question],
    baseline: str | None,
    ignore: Sequence[str],
    max_new_tokens: int,
) -> Iterator[Result]:
    """Yield, one by one, the results that `evaluate` collects."""
    ways = [way for way in WAYS if baseline is not None or way != "against baseline"]
    scored = _each_scores(Chooser(model, tokenizer, baseline), [question for question in questions if question.choices])
    for number, question in enumerate(questions, start=1):
        try:
            if question.choices:
                scores = next(scored)
                answer = question.choices[scores.chosen()]
                yield Result(question, answer, {way: scores.is_right(way) for way in ways})
            else:
                answer = _write(model, tokenizer, question, max_new_tokens)
                yield Result(question, answer, {WRITTEN: exact_match(answer, question.right, ignore)})
        except ValueError as error:
            raise QuestionError(f"Question {number}: {error}") from None


def _each_scores(chooser: Chooser, questions: Sequence[Question]) -> Iterator[ChoiceScores]:
    """Yield the scores of each question, computed for a few questions at a time."""
    for begin in range(0, len(questions), AT_A_TIME):
        several = questions[begin : begin + AT_A_TIME]
        try:
            scores: Iterable[ChoiceScores] = chooser.all_scores(several)
        except ValueError:  # ask one by one, to find the question that fails
            scores = map(chooser.scores, several)
        yield from scores


def _write(model: Transformer, tokenizer: Tokenizer, question: Question, max_new_tokens: int) -> str:
    if not isinstance(question.prompt, str):
        return answer_all(model, tokenizer, [question.prompt], max_new_tokens)[0]
    begin = question.prompt.rstrip()
    pieces = generate_text(model, tokenizer, begin, max_new_tokens, Sampler(temperature=0))
    return "".join(until_stop(iter(pieces), ["\n"])).strip()
