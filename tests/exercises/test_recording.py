"""Hints, solutions and the learner's progress."""

import json
import re
from pathlib import Path

import pytest

from llmlib.exercises import check, hint, progress, quiz, solution, task
from llmlib.exercises.engine import recording
from llmlib.exercises.engine.recording import data_dir, load, progress_file
from llmlib.exercises.registry import all_exercises, find, of_lesson

EXERCISES = all_exercises()

by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


def test_hints_advance_and_stay_at_the_last(monkeypatch):
    monkeypatch.setattr("llmlib.exercises.verbs._next_hint", {})
    hints = find("attention.split_heads").hints
    for number in (1, 2, 3, 3):
        text = " ".join(repr(hint("attention.split_heads")).split())
        assert f"Hint {number} of 3" in text
        assert hints[number - 1] in text
    assert "Hint 2 of 3" in repr(hint("attention.split_heads", 2))
    with pytest.raises(ValueError, match="number must be 1, 2 or 3"):
        hint("attention.split_heads", 4)


@by_name
def test_the_solution_is_the_librarys_source(exercise):
    text = repr(solution(exercise.name))
    assert re.search(rf"(def|class) {exercise.own.__name__}\(", text)
    assert exercise.own.__module__ in text
    assert exercise.task in " ".join(repr(task(exercise.name)).split())


def test_progress_is_saved_and_shown(private_progress):
    check("attention.merge_heads", lambda z: z)
    check("attention.merge_heads", lambda z: z.transpose(1, 2).flatten(2))
    check("attention.merge_heads", lambda z: z)
    hint("attention.split_heads", 2)
    solution("attention.causal_mask")
    kept = json.loads((private_progress / "progress.json").read_text())["exercises"]
    assert kept["attention.merge_heads"] == {"attempts": 3, "solved": True, "hints": 0, "solution_seen": False}
    assert f"1 of {len(all_exercises())} exercises solved" in repr(progress())
    text = repr(progress("attention"))
    assert re.search(r"attention.merge_heads .* ✓ solved +3", text)
    assert re.search(r"attention.split_heads .* ○ open +0 +hint 2", text)
    assert re.search(r"attention.causal_mask .* solution", text)


def here():
    """Return the marked line of the map, and the text above it."""
    report = progress()
    (marked,) = [row[0] for row in report.parts[1].rows if row[1].startswith("▶")]
    return marked, report.parts[0].text


@pytest.mark.slow
def test_progress_shows_where_to_continue():
    assert here()[0] == "00 Welcome"
    for one in quiz("welcome").questions:
        recording.record_answer(one.name, True, "welcome", warm_up=False)
    assert here()[0] == "01 Tokenization"
    first, second, *_, last = of_lesson("attention")
    recording.record_attempt(first.name, correct=True)
    marked, text = here()
    assert marked == "03 Attention"
    assert f"with `{second.name}` (about {second.minutes} minutes)" in text
    recording.record_attempt(last.name, correct=False)
    assert f"with `{last.name}`" in here()[1]
    recording.record_attempt(last.name, correct=True)  # exercises that were skipped are no reason to stay
    assert here()[0] == "04 Attention visualised"
    for exercise in all_exercises()[5:]:
        recording.record_attempt(exercise.name, correct=True)
    assert here()[0] == "01 Tokenization"
    for exercise in all_exercises():
        recording.record_attempt(exercise.name, correct=True)
    assert progress().parts[0].text == "All exercises are solved. Well done!"
    assert {row[1] for row in progress().parts[1].rows} == {"✓ solved", "… begun", "○"}
    with pytest.raises(KeyError, match=r"is no lesson 'atention'.*Did you mean 'attention'"):
        progress("atention")


def test_the_map_links_to_the_lessons():
    notebooks = Path(__file__).parent.parent.parent / "notebooks"
    assert list(progress().parts[1].links) == sorted(path.name for path in notebooks.glob("*.ipynb"))
    assert '<a href="03_attention.ipynb">03 Attention</a>' in progress()._repr_html_()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"version": 1}',
        b'{"version": 99, "exercises": {}}',
        b"[" * 100_000,
        b'{"version": 1, "exercises": []}',
        b'{"version": 1, "exercises": {"a": 3}}',
    ],
)
def test_a_damaged_progress_file_is_set_aside(content, private_progress, capsys):
    progress_file().write_bytes(content)
    report = check("attention.merge_heads", lambda z: z)
    assert report.kind == "misconception" or report.kind == "form"
    assert "damaged" in capsys.readouterr().err
    assert (private_progress / "progress.damaged-1.json").read_bytes() == content
    assert load()["attention.merge_heads"]["attempts"] == 1
    progress_file().write_bytes(content)
    load()
    assert (private_progress / "progress.damaged-2.json").exists()


def test_malformed_entries_do_no_harm():
    entry = {"attempts": "many", "solved": None, "hints": [], "solution_seen": 3, "of a later version": 1}
    progress_file().write_text(json.dumps({"version": 1, "exercises": {"attention.merge_heads": entry, "gone": {}}}))
    assert f"0 of {len(all_exercises())}" in repr(progress())
    check("attention.merge_heads", lambda z: z)
    assert load()["attention.merge_heads"]["attempts"] == 1
    assert load()["attention.merge_heads"]["of a later version"] == 1


def test_a_folder_that_cannot_be_written_to_does_not_stop_an_exercise(private_progress, monkeypatch, capsys):
    (private_progress / "file").write_text("not a folder")
    monkeypatch.setenv("LLMLIB_DATA_DIR", str(private_progress / "file" / "below"))
    assert check("attention.merge_heads", lambda z: z.transpose(1, 2).flatten(2)).correct
    assert "LLMLIB_DATA_DIR" in capsys.readouterr().err


def test_without_llmlib_data_dir_progress_is_kept_in_a_folder_named_llmlib(monkeypatch):
    monkeypatch.delenv("LLMLIB_DATA_DIR")
    assert data_dir().name == "llmlib"
