"""The reading book: pages hold the answers that the story gives, and batches depend only on their arguments."""

import pytest
import torch

from llmlib.corpora.reading import ReadingBook, page
from llmlib.corpora.tinytales import STORY_SEPARATOR, tell, tinytales
from llmlib.corpora.tinytales.tasks import answers
from llmlib.tokenization import BPETokenizer

END = "<|endoftext|>"


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    pages = STORY_SEPARATOR.join(page(story) for story in tinytales(n_stories=20))
    return BPETokenizer.train(pages, 600, special_tokens=[END])


@pytest.fixture
def book(tokenizer) -> ReadingBook:
    return ReadingBook(tokenizer, end_id=tokenizer.special_tokens[END])


@pytest.mark.slow
def test_answers_match_the_answerable_questions():
    for story in tinytales(seed=4, n_stories=100):
        assert answers(story) == {q.text: q.answer for q in story.questions if q.kind != "unanswerable"}


def test_a_page_holds_the_story_and_every_answer_once():
    story = tell(3, "train", 8)
    text_before, exercises = page(story).split(STORY_SEPARATOR)
    lines = exercises.splitlines()
    assert text_before == story.text
    assert len(lines) == len(set(lines)) == len(answers(story)) + 2
    for question in story.questions:
        assert (f"{question.text} {question.reply}" in lines) == (question.kind != "unanswerable")
    assert f"In one sentence: {story.summary}" in lines


def test_the_order_of_exercises_varies_between_pages():
    places = {page(s).splitlines().index(f"In one sentence: {s.summary}") for s in tinytales(n_stories=30)}
    assert len(places) > 4


def test_rows_begin_with_a_page_and_targets_are_shifted_by_one(book, tokenizer):
    x, y = book.batch(5, batch_size=3, seq_len=700, seed=2)
    assert x.shape == y.shape == (3, 700)
    assert torch.equal(x[:, 1:], y[:, :-1])
    for number, row in enumerate(x.tolist()):
        first, second = (tokenizer.encode(page(tell(2, "train", 8 * (15 + number) + k))) for k in (0, 1))
        end = tokenizer.special_tokens[END]
        assert row == [*first, end, *second, end, *row][:700]


def test_no_page_is_repeated(book):
    rows = torch.cat([book.batch(step, batch_size=4, seq_len=64)[0] for step in range(10)])
    assert len({tuple(row) for row in rows.tolist()}) == 40


def test_a_batch_depends_only_on_its_arguments(book):
    again, other_seed, other_step = ((7, 1), (7, 2), (8, 1))
    x, _ = book.batch(7, batch_size=2, seq_len=50, seed=1)
    for (step, seed), same in ((again, True), (other_seed, False), (other_step, False)):
        assert torch.equal(x, book.batch(step, batch_size=2, seq_len=50, seed=seed)[0]) == same


def test_several_processes_read_the_same_rows_as_a_single_process(book):
    whole, _ = book.batch(3, batch_size=4, seq_len=40)
    halves = [book.batch(6 + k, batch_size=2, seq_len=40)[0] for k in (0, 1)]
    assert torch.equal(whole, torch.cat(halves))


@pytest.mark.parametrize("sizes", [{"batch_size": 0, "seq_len": 8}, {"batch_size": 1, "seq_len": 0}])
def test_invalid_sizes_and_steps_are_refused(book, sizes):
    with pytest.raises(ValueError, match="1 or more, got 0"):
        book.batch(0, **sizes)
    with pytest.raises(ValueError, match="step must be 0 or more"):
        book.batch(-1, batch_size=1, seq_len=8)
