"""Requests with known answers: repeatable, held out, and judged without mercy."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmlib.finetuning.requests import ASKING, KEYS, WORDS, make_requests

SPLITS = ("train", "test")


@given(n=st.integers(0, 30), split=st.sampled_from(SPLITS), seed=st.integers(0, 1000))
def test_the_answer_is_in_the_sentence_and_is_strict_json(n, split, seed):
    requests = make_requests(n, split, seed)
    assert len(requests) == n
    for request in requests:
        record = json.loads(request.answer)
        assert tuple(record) == KEYS
        assert record == request.record
        assert all(value.lower() in request.prompt.lower() for value in record.values())
        assert "{" not in request.prompt
        assert [message["role"] for message in request.messages] == ["user", "assistant"]
        assert request.messages[1]["content"] == request.answer
        assert request.is_right(request.answer)
        for other in (f"Here: {request.answer}", request.answer + ".", f"```json\n{request.answer}\n```", "", "null"):
            assert not request.is_right(other)


def test_the_same_seed_makes_the_same_requests():
    assert make_requests(20, seed=3) == make_requests(20, seed=3)
    assert make_requests(20, seed=3) != make_requests(20, seed=4)
    assert make_requests(20, "test", seed=3) != make_requests(20, "train", seed=3)
    assert make_requests(5, seed=3) == make_requests(20, seed=3)[:5]


def words_of(requests):
    places = " ".join(words["where"] for words in WORDS.values()).split()
    small = {"a", "an", "the", *(entry.partition("/")[0] for entry in places)}
    return {word for request in requests for value in request.record.values() for word in value.split()} - small


def test_no_name_thing_or_place_is_in_both_splits():
    for kind in WORDS["train"]:
        ours, theirs = ({entry.rpartition("/")[2] for entry in WORDS[split][kind].split()} for split in SPLITS)
        assert not ours & theirs, kind
    assert not words_of(make_requests(2000, "train")) & words_of(make_requests(2000, "test"))


def test_requests_are_varied():
    requests = make_requests(3000)
    assert len({request.prompt for request in requests}) > 2900
    for frame in ASKING:
        words = max(frame.split("{}"), key=len)
        assert sum(words in request.prompt for request in requests) > 100
    assert len({r.prompt.replace(str(r.record["who"]), "") for r in requests}) > 2000


@pytest.mark.parametrize(
    ("change", "right"),
    [
        (lambda record: dict(reversed(record.items())), True),  # an object has no order
        (lambda record: {**record, "when": None}, False),
        (lambda record: {**record, "who": record["who"].lower()}, False),
        (lambda record: {**record, "what": record["what"].split()[-1]}, False),
        (lambda record: {key: record[key] for key in ("who", "what")}, False),
        (lambda record: [record], False),
        (lambda record: list(record.items()), False),
    ],
)
def test_only_the_record_itself_is_right(change, right):
    for request in make_requests(5):
        assert request.is_right(json.dumps(change(request.record))) == right


def test_a_key_given_twice_is_wrong():
    (request,) = make_requests(1)
    assert not request.is_right('{"who": "Nobody", ' + request.answer[1:])


def test_articles_fit():
    for request in make_requests(500):
        for word in request.prompt.split(" an ")[1:]:
            assert word[0] in "aeiou"


def test_an_unknown_split():
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'valid'"):
        make_requests(1, "valid")
