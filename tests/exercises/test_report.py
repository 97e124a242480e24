"""What reports and questions look like."""

import re
from html.parser import HTMLParser

import pytest
import torch

import llmlib
from llmlib.exercises import check, predict, progress, quiz, solution, task
from llmlib.exercises.registry import LESSONS


def raises(error):
    def attempt(*args):
        raise error

    return attempt


class Balanced(HTMLParser):
    """A parser that raises AssertionError unless every tag is closed in the right order."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def well_formed(html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    for forbidden in ("<script", "http", "onclick", "@import"):
        assert forbidden not in html
    return html


def test_html_is_well_formed_and_escapes_what_learners_write():
    nasty = "<img src=x onerror=alert(1)>`</div>"
    html = well_formed(check("tokenization.decode", lambda ids, merges: nasty)._repr_html_())
    assert "<img" not in html
    html = well_formed(check("tokenization.decode", raises(ValueError(nasty)))._repr_html_())
    assert "<img" not in html
    assert 'role="group"' in html
    for report in (progress(), task("tokenization.merge"), solution("attention.causal_mask"), quiz("attention")):
        well_formed(report._repr_html_())


def test_marked_cells_contain_a_not_equal_sign():
    html = check("attention.split_heads", lambda x, n: 2 * torch.stack(x.chunk(n, -1), 1))._repr_html_()
    marked = re.findall(r'<td class="llm-marked">(.*?)</td>', html)
    assert marked
    assert all("≠" in cell for cell in marked)


@pytest.mark.parametrize("lesson", LESSONS)
def test_questions_have_a_reason_for_each_choice(lesson):
    html = well_formed(quiz(lesson)._repr_html_())
    shown = quiz(lesson)
    for number, question in enumerate(shown.questions, start=1):
        assert sum(right for _, right, _ in question.choices) == 1
        assert len(question.choices) >= 2
        assert len({text for text, _, _ in question.choices}) == len(question.choices)
        answers = [shown.answer("abcdefgh"[i], number) for i in range(len(question.choices))]
        assert sum(answer.startswith("Right.") for answer in answers) == 1
        assert all(len(because) > 15 for _, _, because in question.choices)
    assert html == quiz(lesson)._repr_html_()
    assert not any(because in repr(shown) for q in shown.questions for _, _, because in q.choices)


def test_questions_are_found_by_name():
    assert predict("attention.sum_of_weights").answer("a").startswith("Right.")
    with pytest.raises(KeyError, match=r"Did you mean 'attention.sum_of_weights'"):
        predict("attention.sum_of_weight")
    with pytest.raises(KeyError, match=r"no questions 'atention'.*Did you mean 'attention'"):
        quiz("atention")
    with pytest.raises(ValueError, match="choice must be between 'a' and 'd'"):
        predict("attention.sum_of_weights").answer("e")
    with pytest.raises(ValueError, match="question must be between 1 and 1"):
        predict("attention.sum_of_weights").answer("a", 2)


def test_the_right_choice_is_not_always_in_the_same_place():
    places = {q.choices.index(next(c for c in q.choices if c[1])) for name in LESSONS for q in quiz(name).questions}
    assert len(places) >= 3


def test_check_progress_and_quiz_can_be_imported_from_llmlib():
    assert llmlib.check is check
    assert llmlib.progress is progress
    assert llmlib.quiz is quiz
