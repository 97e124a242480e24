"""Questions that were answered wrongly come back after growing intervals, and no record is lost."""

import json
import multiprocessing
import re
import sys

import pytest

from llmlib.exercises import check, predict, progress, quiz, warm_up
from llmlib.exercises.engine import recording
from llmlib.exercises.engine.asking import Questions
from llmlib.exercises.engine.recording import load, load_questions, progress_file
from llmlib.exercises.engine.repeating import GAPS, answered, due_in, to_repeat
from llmlib.exercises.registry import LESSONS, asked_in

ORDER = list(LESSONS)
# Words that refer to a place on a lesson's page or to an earlier or later part; "above 1" and "far below" do not.
POINTERS = re.compile(
    r"(?<!far )\b(above|below)\b(?! \d)|\bthis (cell|lesson|notebook|page)\b|\bnext cell\b|\bin a moment\b|\bread on\b"
    r"|\b(you|we) (have )?(saw|seen|measured)\b|\byou will (see|get|know)\b|\bstep \d",
    re.IGNORECASE,
)


def choice(asked, right, number=1):
    """Return the letter of a right or a wrong choice."""
    choices = asked.questions[number - 1].choices
    return "abcdef"[next(k for k, one in enumerate(choices) if one[1] is right)]


def answer(asked, right, number=1):
    return asked.answer(choice(asked, right, number), number)


def due(lesson):
    asked = warm_up(lesson)
    return [question.name for question in asked.questions] if isinstance(asked, Questions) else []


def test_a_question_answered_wrong_returns_after_one_then_two_then_four_lessons():
    answer(predict("tokenization.bytes"), False)
    assert [lesson for lesson in ORDER if due(lesson)] == ORDER[ORDER.index("tokenization") + 1 :]
    answer(warm_up("primer"), True)
    assert [lesson for lesson in ORDER if due(lesson)] == ORDER[ORDER.index("primer") + 2 :]
    answer(warm_up("attention"), True)
    assert [lesson for lesson in ORDER if due(lesson)] == ORDER[ORDER.index("attention") + 4 :]
    answer(warm_up(), True)
    assert "you know all" in repr(warm_up())


def test_a_second_wrong_answer_makes_a_question_due_in_the_next_lesson_again():
    answer(predict("tokenization.bytes"), False)
    answer(warm_up("primer"), True)
    answer(warm_up("attention"), False)
    assert due("attention") == []
    assert due("interpret") == ["tokenization.bytes"]
    assert load_questions()["tokenization.bytes"] == {
        "answers": 3,
        "right": 1,
        "first": False,
        "streak": 0,
        "lesson": "attention",
    }


def test_only_the_first_choice_counts_and_a_rerun_leaves_the_question_due():
    asked = predict("tokenization.bytes")
    answer(asked, False)
    answer(asked, True)
    assert load_questions()["tokenization.bytes"]["answers"] == 1
    answer(predict("tokenization.bytes"), True)  # the cell was run again, after the reason was read
    assert load_questions()["tokenization.bytes"]["answers"] == 2
    assert due("primer") == ["tokenization.bytes"]


def test_a_question_answered_right_never_comes_back():
    answer(predict("tokenization.bytes"), True)
    assert due(None) == []


def test_a_warm_up_has_at_most_three_questions_with_the_longest_waiting_first():
    for number in range(1, 4):
        answer(quiz("embeddings"), False, number)
    answer(predict("tokenization.bytes"), False)
    answer(predict("tokenization.hindi"), False)
    asked = warm_up("attention")
    assert [q.name for q in asked.questions][:2] == ["tokenization.bytes", "tokenization.hindi"]
    assert [q.lead for q in asked.questions] == ["From lesson 01:", "From lesson 01:", "From lesson 02:"]
    assert "From lesson 02:" in repr(asked)
    assert "From lesson 02:" in asked._repr_html_()
    for number in (1, 2, 3):
        answer(asked, True, number)
    assert len(due("attention")) == 2
    assert due("embeddings") == []


def test_a_warm_up_with_nothing_to_repeat_says_so_in_a_line(private_progress):
    assert repr(warm_up("attention")).count("\n") <= 1
    assert "Nothing to repeat yet" in repr(warm_up("attention"))
    assert not progress_file().exists()
    answer(predict("tokenization.bytes"), False)
    assert "Nothing to repeat today" in repr(warm_up("tokenization"))
    with pytest.raises(KeyError, match=r"no questions 'atention'.*Did you mean 'attention'"):
        warm_up("atention")


def test_progress_shows_how_many_questions_were_answered():
    assert "right on the first try" not in repr(progress())
    answer(quiz("attention"), False)
    answer(quiz("attention"), True, 2)
    text = " ".join(repr(progress()).split())
    assert f"2 of {len(asked_in('attention'))} answered, 1 right on the first try, 1 will come back" in text


def test_every_question_has_a_name_of_its_own():
    names = [name for lesson in LESSONS for name in asked_in(lesson)]
    assert len(names) == len(set(names)) > 50
    assert {q.name for q in quiz("attention").questions} <= set(names)


def test_every_question_stands_alone():
    """A question may come back in another lesson, so it must not refer to anything above or below it on the page."""
    for lesson in LESSONS:
        for name, asked in asked_in(lesson).items():
            wrong = (text for one in asked["wrong"] for text in (one["choice"], one["because"]))
            for text in (asked["question"], asked["right"], asked["because"], *wrong):
                assert POINTERS.search(text) is None, (name, text)


def test_malformed_entries_do_no_harm():
    malformed = {
        "tokenization.bytes": {"streak": "many", "answers": None},
        "tokenization.hindi": {"streak": 0, "lesson": "gone"},
        "tokenization.strawberry": {"streak": True, "lesson": 3, "of a later version": 1},
        "gone.away": {"streak": 0, "lesson": "tokenization"},
    }
    progress_file().write_text(json.dumps({"version": 1, "exercises": {}, "questions": malformed, "plans": [1]}))
    assert due("primer") == ["tokenization.hindi"]
    answer(predict("tokenization.bytes"), False)
    answer(predict("tokenization.strawberry"), True)
    kept = json.loads(progress_file().read_text())
    assert kept["questions"]["tokenization.bytes"]["answers"] == 1
    assert kept["questions"]["tokenization.strawberry"]["of a later version"] == 1
    assert kept["questions"]["gone.away"] == malformed["gone.away"]
    assert kept["plans"] == [1]
    progress()


def test_a_progress_file_without_questions_still_works(private_progress):
    solved = {"attempts": 3, "solved": True, "hints": 1, "solution_seen": False}
    progress_file().write_text(json.dumps({"version": 1, "exercises": {"attention.merge_heads": solved}}))
    assert due("attention") == []
    answer(predict("tokenization.bytes"), False)
    check("attention.split_heads", lambda x, n: x)
    assert load()["attention.merge_heads"] == solved
    assert due("primer") == ["tokenization.bytes"]
    assert not list(private_progress.glob("*damaged*"))


@pytest.mark.parametrize("questions", [[], "text", {"a": 3}])
def test_a_progress_file_with_damaged_questions_is_set_aside(questions, private_progress, capsys):
    content = json.dumps({"version": 1, "exercises": {}, "questions": questions})
    progress_file().write_text(content)
    answer(predict("tokenization.bytes"), False)
    assert "damaged" in capsys.readouterr().err
    assert (private_progress / "progress.damaged-1.json").read_text() == content
    assert due("primer") == ["tokenization.bytes"]


def test_a_file_that_cannot_be_read_is_not_overwritten(private_progress, monkeypatch, capsys):
    progress_file().mkdir()  # reading it fails, as reading another user's file would
    answer(predict("tokenization.bytes"), False)
    assert due("primer") == []
    assert "LLMLIB_DATA_DIR" in capsys.readouterr().err
    assert progress_file().is_dir()


def test_a_damaged_file_is_left_alone_if_another_kernel_has_just_replaced_it(private_progress, monkeypatch):
    progress_file().write_text("{")
    read, good = recording._read, json.dumps({"version": 1, "exercises": {"a": {"attempts": 1}}})

    def read_too_early():
        try:
            return read()
        finally:
            progress_file().write_text(good)

    monkeypatch.setattr(recording, "_read", read_too_early)
    assert load() == {"a": {"attempts": 1}}
    assert not list(private_progress.glob("*damaged*"))


def answer_many(kernel):
    for number in range(20):
        recording.record_answer(f"kernel {kernel}, {number}", False, "attention", False)
        recording.record_attempt("attention.merge_heads", False)


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_kernels_that_record_at_the_same_time_lose_nothing(private_progress):
    fork = multiprocessing.get_context("fork")
    kernels = [fork.Process(target=answer_many, args=[k]) for k in range(2)]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join(100)
    assert [kernel.exitcode for kernel in kernels] == [0, 0]
    assert len(load_questions()) == 40
    assert load()["attention.merge_heads"]["attempts"] == 40


def test_answers_are_kept_even_without_a_lock(monkeypatch, private_progress):
    def acquire(self):
        raise NotImplementedError("no locks on this file system")

    monkeypatch.setattr(recording.filelock.FileLock, "acquire", acquire)
    answer(predict("tokenization.bytes"), False)
    assert due("primer") == ["tokenization.bytes"]


def test_a_streak_starts_with_a_wrong_answer_and_grows_only_in_warm_ups():
    entry = {}
    for right, warm, streak in [
        (True, False, None),
        (True, True, None),
        (False, True, 0),
        (True, False, 0),
        (True, True, 1),
    ]:
        entry = answered(entry, right, "b", warm)
        assert entry["streak"] == streak
    assert to_repeat(entry)
    assert due_in(entry, ["a", "b", "c"]) == 1 + GAPS[1]
    assert not to_repeat({**entry, "streak": len(GAPS)})
