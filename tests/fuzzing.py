"""Damage the files that llmlib reads: each case must load correctly or end in a clear error.

    python tests/fuzzing.py 10000        # run 10,000 cases of each kind, and print a table; the tests run only a few

The kind and the number of a case determine everything about it. These outcomes are allowed: "as it was" (the damage
did not matter); "error" (an error of a class meant for users, with a message that names the file); "said" (the file
loads as something else, and a line on standard error says so); "another text" (the file contains the reader's own words
or choices, so any change that makes sense is just another choice). These must not occur: "raw", "hang", "silent".
"""

import contextlib
import io
import json
import random
import re
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import torch

from llmlib.finetuning import LoRAConfig, apply_lora, load_adapter, read_conversations, save_adapter
from llmlib.finetuning.adapters import AdapterError
from llmlib.finetuning.cli import TuneSettings
from llmlib.finetuning.conversations import ConversationError
from llmlib.pretrained import CheckpointError, load_pretrained, save_pretrained
from llmlib.settings import SettingsError, from_mapping
from llmlib.tokenization import BPETokenizer, TokenizerError, load_tokenizer
from llmlib.training import RunError, TrainConfig, checkpoints, make_optimizers
from llmlib.training.cli import DataSettings, RunSettings, read_toml
from llmlib.transformer import Transformer, TransformerConfig

SECONDS, WALL = 5, 300  # limits on CPU time and elapsed time; a case that takes longer is a hang
CLEAR = (CheckpointError, TokenizerError, RunError, AdapterError, SettingsError, ConversationError)
CONFIG = TransformerConfig(
    262, 16, 16, 2, 2, positions="rotary", norm="rmsnorm", mlp="swiglu", d_mlp=8, tied_embeddings=False, end_ids=(261,)
)
IDS = torch.tensor([[3, 1, 4, 1, 5]])
TEXT = "low lower lowest, 12 newer\n"
TRAIN = TrainConfig(steps=2, batch_size=2, seq_len=8, optimizer="muon", dtype="float32")
SETTINGS = """folder = "runs/a"
[data]
corpus = "tinytales"
characters = 20_000
vocab_size = 300
validation_share = 0.1
[model]
max_seq_len = 32
d_model = 32
n_layers = 1
n_heads = 2
[train]
steps = 3
betas = [0.9, 0.95]
optimizer = "muon"
learning_rate = 3e-3
dtype = "float32"
"""
TUNE = """model = "tinytales"
folder = "runs/b"
[data]
conversations = "examples.jsonl"
packed = true
[start]
"<|user|>" = "u"
"""
LINES = [
    {"prompt": "Hi", "response": "Hello!"},
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Où?"},
            {"role": "assistant", "content": "Là."},
        ]
    },
]


def small_tokenizer():
    trained = BPETokenizer.train(TEXT * 3, 262, ["<|end|>"])
    return BPETokenizer(trained.vocabulary, trained.pattern, trained.special_tokens, eos_ids=(261,))


def model_folder(folder):
    save_pretrained(Transformer(CONFIG), small_tokenizer(), folder)


def open_model(folder):
    model, tokenizer = load_pretrained(folder, device="cpu", dtype="float32")
    return model(IDS[:, : model.config.max_seq_len]).tolist(), tokenizer.encode(TEXT, "all"), tokenizer.eos_ids


def tokenizer_folder(folder):
    small_tokenizer().save(folder / "tokenizer.json")


def open_tokenizer(folder):
    tokenizer = load_tokenizer(folder)
    return tokenizer.encode(TEXT, "all"), tokenizer.eos_ids, tokenizer.special_tokens


def new_model_and_optimizers():
    model = Transformer(CONFIG)
    optimizers = make_optimizers(model, TRAIN)
    return model, optimizers


def run_folder(folder):
    model, optimizers = new_model_and_optimizers()
    for _ in range(2):
        model(IDS).logsumexp(-1).sum().backward()
        for optimizer in optimizers:
            optimizer.step()
    small_tokenizer().save(folder / "tokenizer.json")
    checkpoints.save(folder, 2, model, optimizers, {"train": {"steps": 2}, "best": None, "recent": [], "last": None})


def open_run(folder):
    """Resume from the checkpoint, and also open it as a model; if resuming fails, nothing may have changed."""
    model, optimizers = new_model_and_optimizers()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    (step,) = folder.glob("step-*")
    try:
        about = checkpoints.load(step, model, optimizers)
    except Exception:
        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
        assert not any(optimizer.state for optimizer in optimizers)
        raise
    for optimizer in optimizers:
        optimizer.step()  # a step without gradients: a damaged state would crash here
    model(IDS).logsumexp(-1).sum().backward()
    for optimizer in optimizers:
        optimizer.step()
    return about, model(IDS).tolist(), open_model(folder)


def adapter_folder(folder):
    lora = apply_lora(Transformer(CONFIG), LoRAConfig(2, alpha=4))
    with torch.no_grad():
        for map in lora.maps.values():
            map.B += 0.5
    save_adapter(lora, folder)


def open_adapter(folder):
    model = Transformer(CONFIG)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    try:
        load_adapter(model, folder)
    except Exception:
        assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
        raise
    return model(IDS).tolist()


def settings_folder(folder):
    (folder / "train.toml").write_text(SETTINGS)
    (folder / "tune.toml").write_text(TUNE)


def open_settings(folder):
    run = read_toml(path := folder / "train.toml", "train", RunSettings)
    model = from_mapping(TransformerConfig, run.model, f"{path}, [model]", {"vocab_size": 300})
    data = from_mapping(DataSettings, run.data, f"{path}, [data]")
    train = TrainConfig.from_mapping(run.train, f"{path}, [train]")
    return run.folder, data, model, train, read_toml(folder / "tune.toml", "tune", TuneSettings)


def conversations_folder(folder):
    (folder / "examples.jsonl").write_text("\n".join(map(json.dumps, LINES)) + "\n")


def open_conversations(folder):
    return read_conversations(folder / "examples.jsonl")


KINDS = {  # for each kind: how to make and open it, and whether its content is the reader's own choice
    "models": (model_folder, open_model, False),
    "tokenizers": (tokenizer_folder, open_tokenizer, False),
    "runs": (run_folder, open_run, False),
    "adapters": (adapter_folder, open_adapter, False),
    "settings": (settings_folder, open_settings, True),
    "conversations": (conversations_folder, open_conversations, True),
}
ODD = [None, True, -1, 0, 3, 2**70, 1.5, 1e308, float("nan"), "", "x", "32", [], [1], ["a"], {}, {"a": 1}, [[]]]
ODD_TOML = ["true", "-1", "0", "3", str(2**70), "1.5", "1e308", "nan", '""', '"x"', '"32"', "[]", "[1]", '["a"]', "{}"]


def damage(folder, chance):
    """Change one file in a folder, and return its name and the kind of change."""
    path = chance.choice(sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"))
    content = bytearray(path.read_bytes())
    how = chance.choice(["flip", "flip", "flip", "cut", "insert", "drop", "swap", "gone", "empty", "value", "value"])
    at = chance.randrange(len(content)) if content else 0
    if how == "flip":
        for _ in range(chance.randint(1, 4)):
            near = chance.random() < 0.5  # damage has the most effect in headers
            place = chance.randrange(min(300, len(content)) if near else len(content))
            content[place] = chance.randrange(256)
    elif how == "cut":
        del content[at:]
    elif how == "insert":
        content[at:at] = chance.randbytes(chance.randint(1, 9))
    elif how == "drop":
        del content[at : at + chance.randint(1, 9)]
    elif how == "swap":
        other = chance.randrange(len(content))
        content[at], content[other] = content[other], content[at]
    elif how == "empty":
        content.clear()
    elif how == "value":
        content = bytearray(with_another_value(path, bytes(content), chance))
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content)
    return path.name, how


def with_another_value(path, content, chance):
    """Return the content in the same format, but with one value replaced or left out."""
    if path.suffix == ".toml":
        lines = content.decode().splitlines()
        number = chance.choice([n for n, line in enumerate(lines) if "=" in line])
        lines[number] = f"{lines[number].partition('=')[0]}= {chance.choice(ODD_TOML)}"
        return "\n".join(lines).encode()
    if path.suffix == ".safetensors":
        length = int.from_bytes(content[:8], "little")
        header = with_odd_value(json.loads(content[8 : 8 + length]), chance)
        written = json.dumps(header).encode()
        return len(written).to_bytes(8, "little") + written + content[8 + length :]
    if path.suffix == ".jsonl":
        lines = content.decode().splitlines()
        number = chance.randrange(len(lines))
        lines[number] = json.dumps(with_odd_value(json.loads(lines[number]), chance))
        return "\n".join(lines).encode()
    if path.suffix == ".json":
        return json.dumps(with_odd_value(json.loads(content), chance)).encode()
    return content[::-1]


def with_odd_value(value, chance):
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {other: value[other] for other in value if other != key}
        return {**value, key: with_odd_value(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        place = chance.randrange(len(value))
        return [*value[:place], with_odd_value(value[place], chance), *value[place + 1 :]]
    return chance.choice(ODD)


class Hang(BaseException):
    pass


def raise_hang(*_):
    raise Hang


class Fuzz:
    """Run the cases of one kind, each in a copy of a folder that is made once."""

    def __init__(self, kind, folder):
        make, self.open, self.own_choice = KINDS[kind]
        self.kind, self.whole, self.copy = kind, folder / "whole", folder / "copy"
        self.whole.mkdir(parents=True)
        make(self.whole)
        self.expected = repr(self.open(self.whole))

    def case(self, number):
        """Run a case, and return its outcome and the change that led to it."""
        chance = random.Random(f"{self.kind} {number}")
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.whole, self.copy)
        name, how = damage(self.copy, chance)
        said = io.StringIO()
        signal.signal(signal.SIGALRM, raise_hang)
        signal.signal(signal.SIGPROF, raise_hang)
        signal.alarm(WALL)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            with contextlib.redirect_stderr(said), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = repr(self.open(self.copy))
        except Hang:
            return "hang", f"{name} {how}"
        except CLEAR as error:
            named = re.search(re.escape(str(self.copy)), str(error)) and len(str(error)) < 2000
            return ("error" if named else "raw"), f"{name} {how}: {error}"
        except Exception as error:
            return "raw", f"{name} {how}: {type(error).__name__}: {error}"
        finally:
            signal.alarm(0)
            signal.setitimer(signal.ITIMER_PROF, 0)
        if found == self.expected.replace(str(self.whole), str(self.copy)):
            return "as it was", ""
        if said.getvalue():
            return "said", f"{name} {how}: {said.getvalue()}"
        return ("another text" if self.own_choice else "silent"), f"{name} {how}: {found[:200]}"


def main(count, kinds):
    torch.set_num_threads(1)
    columns = ["as it was", "error", "said", "another text", "raw", "hang", "silent"]
    print(f"| {'kind':<13} | cases | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * (len(columns) + 1))
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            fuzz, outcomes = Fuzz(kind, Path(folder)), Counter()
            for number in range(count):
                outcome, what = fuzz.case(number)
                outcomes[outcome] += 1
                if outcome in ("raw", "hang", "silent") and outcomes[outcome] <= 10:
                    print(f"{kind} {number}: {outcome}: {what[:400]}", file=sys.stderr)
        print(f"| {kind:<13} | {count:,} | " + " | ".join(f"{outcomes[name]:,}" for name in columns) + " |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2:] or list(KINDS))
