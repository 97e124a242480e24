"""`llmlib tune`: its example runs, the result loads and answers, and errors say what is wrong in a file."""

import csv
import json
import re

import pytest
import torch
from typer.testing import CliRunner

from finetuning.conftest import said, small_model
from llmlib import Sampler, chat
from llmlib.chat import CHATML, TALES
from llmlib.cli import app
from llmlib.finetuning.adapters import load_adapter
from llmlib.finetuning.cli import EXAMPLE
from llmlib.finetuning.sft import start_tokens
from llmlib.pretrained import load_pretrained
from llmlib.pretrained.saving import save_pretrained
from llmlib.tokenization import BPETokenizer

SMALL = """
model = "{folder}/base"
folder = "{folder}/tuned"
[data]
conversations = "{folder}/examples.jsonl"
template = "tales"
validation_share = 0.2
[start]
"<|user|>" = "u"
[train]
steps = {steps}
batch_size = 4
seq_len = 32
learning_rate = 1e-2
dtype = "float32"
save_every = 10
"""
LESSON = [said("one", "two"), said("one", "two", "three", "four")] * 2 + [said("one", "two")]


@pytest.fixture
def workshop(tmp_path):
    """Make a folder with a base model, which has no chat template, and a file of examples."""
    tokenizer = BPETokenizer.train("", 257, special_tokens=["<|endoftext|>"])
    save_pretrained(small_model(257), tokenizer, tmp_path / "base")
    lines = [json.dumps({"messages": messages}) for messages in LESSON]
    (tmp_path / "examples.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def run(folder, text=SMALL, *options, steps=20):
    path = folder / "settings.toml"
    path.write_text(text.replace("{folder}", folder.as_posix()).replace("{steps}", str(steps)), encoding="utf-8")
    return CliRunner().invoke(app, ["tune", str(path), *options])


@pytest.mark.slow
def test_the_command_tunes_a_model_and_its_folder_can_be_loaded(workshop):
    result = run(workshop, steps=120)
    assert result.exit_code == 0, result.output
    assert re.search(
        r"120 steps taken; the lowest validation loss was 0\.0\d+, at step 120\. To talk to it", result.stdout
    )
    model, tokenizer = load_pretrained(workshop / "tuned", device="cpu", dtype="float32")
    assert tokenizer.chat_template == TALES
    assert model.config.vocab_size == 259
    assert model.config.end_ids == tokenizer.eos_ids == (256,)
    assert "".join(chat(model, tokenizer, LESSON[1][:3], sampler=Sampler(temperature=0))) == "four"
    with open(workshop / "tuned" / "log.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 121))
    assert float(rows[-1]["loss"]) < 0.1 < float(rows[0]["loss"])


@pytest.mark.slow
def test_a_second_run_replaces_nothing_and_a_finished_run_can_be_resumed(workshop):
    assert run(workshop).exit_code == 0
    weights = (workshop / "tuned" / "model.safetensors").read_bytes()
    again = run(workshop)
    assert again.exit_code == 1
    assert "already contains a model, which this run would replace" in again.stderr
    assert run(workshop, SMALL, "--resume").exit_code == 0
    assert (workshop / "tuned" / "model.safetensors").read_bytes() == weights
    onto_itself = SMALL.replace("/tuned", "/base")
    assert "already contains a model" in run(workshop, onto_itself, "--resume").stderr


def test_the_models_own_template_is_kept_if_none_is_chosen(workshop):
    tokenizer = BPETokenizer.train("", 258, special_tokens=["<|im_start|>", "<|im_end|>"])
    tokenizer.chat_template = CHATML
    save_pretrained(small_model(258), tokenizer, workshop / "chatty")
    text = SMALL.replace("/base", "/chatty").replace('template = "tales"\n', "").replace('"<|user|>" = "u"', "")
    result = run(workshop, text, steps=1)
    assert result.exit_code == 0, result.output
    _, tokenizer = load_pretrained(workshop / "tuned")
    assert tokenizer.chat_template == CHATML


def test_truncation_is_reported(workshop):
    result = run(workshop, SMALL.replace("seq_len = 32", "seq_len = 12"), steps=1)
    assert result.exit_code == 0, result.output
    assert re.search(r"Note: 2 of 4 conversations have more tokens than seq_len=12 .* lost entirely", result.stderr)


@pytest.mark.slow
def test_the_help_shows_an_example_that_runs(workshop):
    shown = CliRunner().invoke(app, ["tune", "--help"]).output
    for line in EXAMPLE.splitlines():
        assert line.strip() in shown
    quick = EXAMPLE.replace("runs/assistant", "{folder}/tuned").replace("examples.jsonl", "{folder}/examples.jsonl", 1)
    for name, value in {"steps": 1, "batch_size": 1, "seq_len": 32, "warmup": 0}.items():
        quick = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", quick)
    result = run(workshop, quick)
    assert result.exit_code == 0, result.output
    model, tokenizer = load_pretrained(workshop / "tuned", device="cpu")
    assert torch.isfinite(model(torch.tensor([tokenizer.encode("Once")]))).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("validation_share", "validation_shar"), r"\[data\]: unknown name 'validation_shar'. Did you mean"),
        (("[train]", "[trian]"), r"unknown name 'trian'. Did you mean 'train'\?"),
        (("steps =", "stepz ="), r"\[train\]: unknown name 'stepz'. Did you mean 'steps'\?"),
        (("0.2", "1.5"), "validation_share must be at least 0 and less than 1, got 1.5"),
        (('"tales"', '"tale"'), "template must be one of own, tales, chatml, llama3, got 'tale'"),
        (('"tales"', '"own"'), "has no chat template. Choose one in [data]"),
        (('"{folder}/examples.jsonl"', "3"), "conversations must be a string, got 3"),
        (('= "u"', "= 7"), r"\[start\]: '<\|user\|>' must be a string, got 7"),
        (('= "u"', '= "uu"'), "'<|user|>' should start out like 'uu', but 'uu' is 2 tokens"),
        (("examples.jsonl", "nope.jsonl"), "nope.jsonl cannot be read"),
        (("/base", "/nope"), "There is no model, file or folder named"),
        (("seq_len = 32", "seq_len = 65"), "seq_len=65 does not fit into the model's context (max_seq_len=64)"),
        (("seq_len = 32", "seq_len = 3"), "There is nothing to learn from: 4 of 4 conversations"),
        (
            ('model = "{folder}/base"', ""),
            "'model' is missing. Expected a string. `llmlib tune --help` shows an example",
        ),
        (("[data]", "[data"), "is not a TOML file"),
    ],
)
def test_errors_say_what_is_wrong_and_nothing_is_trained(workshop, change, message):
    result = run(workshop, SMALL.replace(*change, 1))
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("llmlib tune: ")
    assert message in line or re.search(message, line), line
    assert not (workshop / "tuned" / "model.safetensors").exists()


def test_the_error_for_an_invalid_line_gives_its_number(workshop):
    with open(workshop / "examples.jsonl", "a", encoding="utf-8") as file:
        file.write('\n{"messages": [{"role": "user", "content": "Hi"}]}\n')
    result = run(workshop)
    assert result.exit_code == 1
    assert re.search(r"examples\.jsonl, line 6: The conversation ends with message 0", result.stderr)


@pytest.mark.slow
def test_with_a_lora_the_adapter_and_the_merged_model_are_saved(workshop):
    import peft

    result = run(workshop, SMALL + "[lora]\nrank = 2\nalpha = 4\n", steps=30)
    assert result.exit_code == 0, result.output
    (base, _), (tuned, _) = (load_pretrained(workshop / name, dtype="float32") for name in ("base", "tuned"))
    tokenizer = load_pretrained(workshop / "tuned")[1]
    start_tokens(base, tokenizer, {"<|user|>": "u"})  # as the settings do: the base has no rows for new tokens
    ids = torch.tensor([[5, 6, 7]])
    assert not torch.allclose(tuned(ids), base(ids), atol=1e-3)
    lora = load_adapter(base, workshop / "tuned" / "adapter")
    named = json.loads((workshop / "tuned" / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert named == str(workshop / "tuned" / "base")  # a copy of the base, with rows for the new tokens
    theirs = peft.AutoPeftModelForCausalLM.from_pretrained(workshop / "tuned" / "adapter", dtype=torch.float32).eval()
    torch.testing.assert_close(theirs(ids).logits, tuned(ids), atol=1e-4, rtol=1e-4)
    assert (lora.config.rank, lora.config.alpha) == (2, 4)
    torch.testing.assert_close(base(ids), tuned(ids), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("table", "message"),
    [("rnk = 2", "unknown name 'rnk'. Did you mean 'rank'"), ("rank = 0", "[lora]: rank must be at least 1, got 0")],
)
def test_an_invalid_lora_table_is_reported(workshop, table, message):
    result = run(workshop, SMALL + f"[lora]\n{table}\n")
    assert result.exit_code == 1
    assert message in result.output
