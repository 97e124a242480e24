"""Kill runs of `llmlib train` and `llmlib tune` at random moments, and resume them until they finish.

    python tests/killing.py 100          # kill 100 times, in runs of the three kinds in turn, and print a table

A run that was killed must leave the same bytes as an undisturbed run: the model, the adapter, and the log except for
its speeds. It must leave no unfinished files.
"""

import csv
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

import llmlib.finetuning.adapters
import llmlib.finetuning.sft
import llmlib.training.loop  # noqa: F401  # imported once for all runs
from llmlib.cli import app
from llmlib.pretrained import save_pretrained
from llmlib.tokenization import BPETokenizer
from llmlib.transformer import Transformer, TransformerConfig

TRAIN = """folder = "{folder}"
[data]
characters = 20_000
vocab_size = 300
[model]
max_seq_len = 32
d_model = 32
n_layers = 2
n_heads = 2
positions = "rotary"
norm = "rmsnorm"
mlp = "swiglu"
[train]
steps = 60
batch_size = 4
seq_len = 16
optimizer = "muon"
validate_every = 7
save_every = 3
dtype = "float32"
"""
TUNE = """model = "{base}"
folder = "{folder}"
[data]
conversations = "{examples}"
template = "tales"
[train]
steps = 60
batch_size = 2
seq_len = 48
validate_every = 7
save_every = 3
dtype = "float32"
"""
KINDS = {"train": TRAIN, "tune": TUNE, "tune with a LoRA": TUNE + "[lora]\nrank = 2\n"}
PAIRS = [{"prompt": f"What is {n}?", "response": f"It is {n * n}."} for n in range(12)]


def start(path, *options):
    """Start a process that runs the command; everything is already imported, so only the run itself takes time."""
    process = os.fork()
    if process:
        return process
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        app([path.stem.partition(" ")[0], str(path), *options], standalone_mode=False)
    except BaseException as error:
        os._exit(getattr(error, "exit_code", 1))
    os._exit(0)


def exit_code_of(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def result_in(folder):
    """Return what a run left: bytes by file name, the log without its speeds, and the names of unfinished files."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}
    for name in files:  # an adapter names its base model's folder, which is different in each run
        if name.startswith("adapter"):
            files[name] = files[name][8:].replace(str(folder).encode(), b"").replace(b" ", b"")
    with open(folder / "log.csv", newline="") as file:
        log = [[value for name, value in row.items() if name != "tokens_per_second"] for row in csv.DictReader(file)]
    unfinished = [path.name for path in folder.rglob(".*") if path.name != ".lock"]
    return files, log, unfinished


def settings_of(kind, folder, examples, base):
    path = folder.parent / f"{kind} {folder.name}.toml"
    path.write_text(KINDS[kind].format(folder=folder, examples=examples, base=base))
    return path


def main(kills):
    torch.set_num_threads(1)
    chance, counts, same = random.Random(0), Counter(), Counter()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        (examples := home / "examples.jsonl").write_text("\n".join(map(json.dumps, PAIRS)))
        config = TransformerConfig(256, 64, 32, 2, 2, positions="rotary", norm="rmsnorm", mlp="swiglu")
        save_pretrained(Transformer(config), BPETokenizer.train("", 256), home / "base")
        expected, seconds = {}, {}
        for kind in KINDS:
            path = settings_of(kind, home / f"{kind.replace(' ', '-')}-whole", examples, home / "base")
            began = time.perf_counter()
            assert exit_code_of(start(path)) == 0, kind
            seconds[kind] = time.perf_counter() - began
            expected[kind] = result_in(home / f"{kind.replace(' ', '-')}-whole")
        number = 0
        while sum(counts.values()) < kills:
            kind = list(KINDS)[number % len(KINDS)]
            folder = home / f"{kind.replace(' ', '-')}-{number}"
            path, options = settings_of(kind, folder, examples, home / "base"), []
            for _ in range(6):
                process = start(path, *options)
                time.sleep(chance.random() * seconds[kind] * 0.7)
                os.kill(process, signal.SIGKILL)
                if exit_code_of(process) == -signal.SIGKILL:
                    counts[kind] += 1
                options = ["--resume"]
            assert exit_code_of(start(path, *options)) == 0, f"{kind} {number} failed after it was resumed"
            found = result_in(folder)
            assert found == expected[kind], f"{kind} {number} differs from an undisturbed run; unfinished: {found[2]}"
            same[kind] += 1
            number += 1
    print("| run | kills | runs | runs as if undisturbed |\n|---|---:|---:|---:|")
    for kind in KINDS:
        print(f"| {kind} | {counts[kind]} | {same[kind]} | {same[kind]} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
