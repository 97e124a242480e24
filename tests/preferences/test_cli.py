"""`llmlib align`: its example runs, the result loads, and errors say what is wrong in a file."""

import csv
import json
import re
import sys

import pytest
from finetuning.conftest import small_model
from typer.testing import CliRunner

from llmlib.cli import app
from llmlib.preferences.cli import EXAMPLE, REWARD
from llmlib.pretrained import load_pretrained
from llmlib.pretrained.saving import save_pretrained
from preferences.conftest import PROMPTS

SMALL = """
model = "{folder}/base"
folder = "{folder}/aligned"
prompts = "{folder}/prompts.jsonl"
reward = "rewards:exact"
[measures]
length = "rewards:length"
[align]
steps = 3
prompts = 2
samples = 4
max_new_tokens = 6
dtype = "float32"
save_every = 2
"""
REWARDS = """
def exact(prompts, answers):
    return [len(answer) + prompt["bonus"] for prompt, answer in zip(prompts, answers)]

def length(prompts, answers):
    return list(map(len, answers))

def nan(prompts, answers):
    return [float("nan")] * len(answers)
"""


@pytest.fixture
def workshop(tmp_path, tokenizer, monkeypatch):
    """Make a folder with a chat model, a file of prompts and a module of rewards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    save_pretrained(small_model(tokenizer.vocab_size), tokenizer, tmp_path / "base")
    lines = [json.dumps({"prompt": text, "bonus": 1}) for text in PROMPTS]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "rewards.py").write_text(REWARDS, encoding="utf-8")
    yield tmp_path
    sys.modules.pop("rewards", None)


def run(folder, text=SMALL, *options):
    path = folder / "settings.toml"
    path.write_text(text.replace("{folder}", folder.as_posix()), encoding="utf-8")
    return CliRunner().invoke(app, ["align", str(path), *options])


@pytest.mark.slow
def test_a_run_writes_a_log_and_can_be_loaded_and_resumed(workshop):
    result = run(workshop)
    assert result.exit_code == 0, result.output
    assert re.search(r"step 1: reward \d\.\d+, KL 0\.00, entropy 5\.\d", result.stdout)
    assert "3 steps taken. To talk to it" in result.stdout
    model, tokenizer = load_pretrained(workshop / "aligned", device="cpu", dtype="float32")
    assert tokenizer.chat_template
    assert model.config.vocab_size == tokenizer.vocab_size
    again = run(workshop)
    assert again.exit_code == 1
    assert "already contains a model, which this run would replace" in again.stderr
    assert run(workshop, SMALL.replace("steps = 3", "steps = 5"), "--resume").exit_code == 0
    with open(workshop / "aligned" / "log.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5]
    assert float(rows[0]["reward"]) == pytest.approx(json.loads(rows[0]["measures"])["length"] + 1, abs=1e-4)
    assert "groups" not in rows[0]


def test_the_help_shows_an_example_that_runs(workshop):
    shown = CliRunner().invoke(app, ["align", "--help"]).output
    for line in [*EXAMPLE.splitlines(), *REWARD.splitlines()]:
        assert line.strip() in shown
    written = REWARD[REWARD.index("def exact") :] + REWARDS[REWARDS.index("def length") :]
    (workshop / "rewards.py").write_text(written, encoding="utf-8")
    (workshop / "prompts.jsonl").write_text('{"prompt": "What is 2 + 3?", "answer": "5"}\n', encoding="utf-8")
    quick = EXAMPLE.replace("runs/aligned", "{folder}/aligned").replace("runs/assistant", "{folder}/base")
    quick = quick.replace('"prompts.jsonl"', '"{folder}/prompts.jsonl"')
    for name, value in {"steps": 1, "samples": 2}.items():
        quick = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", quick)
    result = run(workshop, quick)
    assert result.exit_code == 0, result.output
    assert (workshop / "aligned" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("rewards:exact", "rewards.exact"), "reward must be written as module:function, got 'rewards.exact'"),
        (
            ("rewards:exact", "reward:exact"),
            "There is no module 'reward' for the reward function 'reward:exact'. Put reward.py",
        ),
        (("rewards:exact", "rewards:exactly"), r"'rewards' \(.*rewards.py\) has no function 'exactly'"),
        (("rewards:exact", "rewards:nan"), "The reward function must return finite numbers, but it returned nan"),
        (("rewards:length", "7"), r"\[measures\]: 'length' must be written as module:function, got '7'"),
        (("samples = 4", "sample = 4"), r"\[align\]: unknown name 'sample'. Did you mean 'samples'\?"),
        (("samples = 4", "samples = 1"), 'baseline="group" compares each answer with its group'),
        (("prompts.jsonl", "nope.jsonl"), "nope.jsonl cannot be read"),
        (('model = "{folder}/base"', ""), "'model' is missing. Expected a string. `llmlib align --help` shows"),
        (("/aligned", "/base"), "already contains a model, which this run would replace"),
        (("max_new_tokens = 6", "max_new_tokens = 64"), "does not fit into the model's context of 64"),
    ],
)
def test_errors_say_what_is_wrong_and_nothing_is_saved(workshop, change, message):
    result = run(workshop, SMALL.replace(*change, 1))
    assert result.exit_code == 1
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("llmlib align: ")
    assert re.search(message, line) or message in line, line
    assert not (workshop / "aligned" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "Hi"}', r"line 5: the object has the fields \['text'\]. Expected an object with \"prompt\""),
        ('{"prompt": 3}', "line 5: the prompt: 'prompt' must be a string, got 3"),
        ('{"messages": []}', "line 5: the conversation has no messages"),
        ("{", "line 5: invalid JSON at character"),
    ],
)
def test_the_error_for_a_line_that_is_not_a_prompt_gives_its_number(workshop, line, message):
    with open(workshop / "prompts.jsonl", "a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    result = run(workshop)
    assert result.exit_code == 1
    assert re.search(message, result.stderr), result.stderr
