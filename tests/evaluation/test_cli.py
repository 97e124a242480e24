"""`llmlib eval` has a valid example, puts the measurements in a table and a file, and reports errors clearly."""

import csv
import json
import re
import tomllib

import pytest
from finetuning.conftest import small_model
from finetuning.conftest import tokenizer as tokenizer
from typer.testing import CliRunner

from llmlib.cli import app
from llmlib.evaluation.cli import EXAMPLE, QUESTIONS, EvalSettings
from llmlib.pretrained.saving import save_pretrained

SETTINGS = """
model = "{folder}/one"
questions = "{folder}/questions.jsonl"
results = "{folder}/results.csv"
max_new_tokens = 3
"""


@pytest.fixture
def workshop(tmp_path, tokenizer):
    """A folder with two chat models and the questions that the help shows."""
    save_pretrained(small_model(tokenizer.vocab_size), tokenizer, tmp_path / "one")
    save_pretrained(small_model(tokenizer.vocab_size, rope_theta=20.0), tokenizer, tmp_path / "two")
    lines = [line for line in QUESTIONS.splitlines() if line.startswith("{")]
    more = {"prompt": "The capital of Peru is", "choices": ["Lima", "Cusco"], "answer": 0, "group": "Peru"}
    (tmp_path / "questions.jsonl").write_text("\n".join([*lines, json.dumps(more)]), encoding="utf-8")
    return tmp_path


def run(folder, text=SETTINGS):
    path = folder / "settings.toml"
    path.write_text(text.replace("{folder}", folder.as_posix()), encoding="utf-8")
    return CliRunner().invoke(app, ["eval", str(path)])


def test_the_example_in_the_help_is_valid():
    EvalSettings(**tomllib.loads(EXAMPLE))
    shown = CliRunner().invoke(app, ["eval", "--help"]).stdout
    assert 'questions = "questions.jsonl"' in shown
    assert all(json.loads(line) for line in QUESTIONS.splitlines() if line.startswith("{"))


@pytest.mark.slow
def test_the_command_compares_two_models_and_writes_the_results(workshop):
    result = run(workshop, SETTINGS + 'against = "{folder}/two"\n')
    assert result.exit_code == 0, result.output
    assert re.search(r"raw +\d+\.\d% .* to +\d+\.\d% +50\.0% +2\n", result.stdout)
    assert re.search(r"written +0\.0% ", result.stdout)
    assert re.search(r"raw +Comparison\(.* of 2, ", result.stdout)
    assert re.search(r"written +needs at least 2 questions", result.stdout)
    with open(workshop / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (4 + 4 + 1)  # per model: 2 questions with 4 measures each, and 1 written answer
    assert {row["group"] for row in rows} == {"France", "Peru", ""}
    assert {row["answer"] for row in rows if row["measure"] == "raw"} <= {"Paris", "Rome", "Lima", "Cusco"}


@pytest.mark.slow
def test_the_command_runs_with_the_chat_template_and_without_a_baseline(workshop):
    result = run(workshop, SETTINGS + 'chat = true\nbaseline = ""\n')
    assert result.exit_code == 0, result.output
    assert "against baseline" not in result.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SETTINGS.replace("questions.jsonl", "other.jsonl"), "other.jsonl cannot be read"),
        (SETTINGS + 'ignore = ["spelling"]', "settings.toml: ignore contains 'spelling'"),
        (SETTINGS + "chatt = true", "unknown name 'chatt'. Did you mean 'chat'?"),
        (SETTINGS.replace("results.csv", "questions.jsonl"), "results would overwrite the questions"),
        (SETTINGS.replace("results.csv", "settings.toml"), "results would overwrite the settings"),
        ('model = "x"', "'questions' is missing.*llmlib eval --help"),
    ],
)
def test_mistakes_in_the_settings_are_reported_in_one_line(workshop, text, message):
    before = (workshop / "questions.jsonl").read_bytes()
    result = run(workshop, text)
    assert result.exit_code == 1
    assert re.search(message, result.stderr), result.stderr
    assert result.stderr.count("\n") == 1
    assert (workshop / "questions.jsonl").read_bytes() == before


def test_a_choice_that_begins_another_is_refused_and_nothing_is_written(workshop):
    line = {"prompt": "x", "choices": ["Paris", "Paris, France"], "answer": 0}
    (workshop / "questions.jsonl").write_text(json.dumps(line))
    result = run(workshop)
    assert result.exit_code == 1
    assert "Question 1: The choices 'Paris' and 'Paris, France' begin the same way" in result.stderr
    assert not (workshop / "results.csv").exists()
