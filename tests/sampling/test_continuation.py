"""A continuation allows exactly the tokens that may follow a text."""

import pytest

from llmlib.sampling import Constraint
from llmlib.sampling.continuation import Continuation
from llmlib.tokenization import CharTokenizer

END = 2  # "n" and "o" are 0 and 1


@pytest.fixture
def start():
    return Continuation.begin({END}, Constraint.regex("no*", CharTokenizer("no")))


def allowed(state, vocab_size=4):
    return state.allowed(vocab_size).nonzero().flatten().tolist()


def test_the_end_may_come_only_where_the_text_is_complete(start):
    assert (allowed(start), start.is_complete) == ([0], False)
    assert (allowed(start.after(0)), start.after(0).is_complete) == ([1, END], True)
    assert start.after(0).after(END).ended == "end token"


def test_any_token_may_follow_if_there_is_no_constraint():
    start = Continuation.begin({END})
    assert allowed(start) == [0, 1, 2, 3]
    assert (start.after(END).ended, start.after(END).after(0).ended) == ("end token", "")


@pytest.mark.parametrize("token", [1, 3])  # the model has a row for 3, but the tokenizer does not use it
def test_nothing_may_follow_a_token_that_is_not_allowed(start, token):
    assert (start.is_hopeless, start.after(token).is_hopeless) == (False, True)
    assert allowed(start.after(token)) == []
    assert start.after(token).ended == ""


def test_a_text_ends_at_once_if_nothing_but_the_end_may_follow():
    constraint = Constraint.choices(["no"], CharTokenizer("no"))
    assert Continuation.begin({END}, constraint).after(0).after(1).ended == "constraint"
