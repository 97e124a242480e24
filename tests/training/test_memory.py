"""Memory that a step frees is kept for the next step, and goes back to the system at the end."""

import subprocess
import sys

import pytest
import torch
from small_models import make

from llmlib.corpora.datasets import TokenDataset
from llmlib.training import TrainConfig, memory, train

PAGES = """
import ctypes, os, resource, sys
import torch
from llmlib.training import memory

libc = ctypes.CDLL(None)
libc.prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: pages of one size, whatever the machine prefers
# Blocks of 128 KB and more go back when they are freed. By default, glibc adapts this limit to what is freed, and what
# is above a block in the heap then decides whether the block can go back.
assert libc.mallopt(memory.M_MMAP_THRESHOLD, 128 << 10)

choice = "keep" if os.fork() else "leave"  # two processes, but one import of torch
if choice == "keep":
    os.wait()
    assert memory.keep_freed()

def step():
    held = [torch.ones(250_000) for _ in range(100)]  # 100 MB, all freed

def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(3):
    step()
before = pages()
for _ in range(5):
    step()
touched = pages() - before
memory.give_back()
before = pages()
step()
print(choice, touched, pages() - before, flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not memory.keep_freed(), reason="not glibc")
def test_freed_memory_is_kept_until_it_is_given_back():
    done = subprocess.run([sys.executable, "-c", PAGES], check=True, capture_output=True, text=True)
    touched = {choice: (int(five), int(after)) for choice, five, after in map(str.split, done.stdout.splitlines())}
    kept, after = touched["keep"]  # pages first touched by five steps, and by one step after memory was given back
    handed_back, _ = touched["leave"]
    assert handed_back > 100_000  # the control: each step fetches its 25,000 pages again
    assert kept < 1000
    assert after > 20_000


@pytest.mark.parametrize("steps", [1, 3])
def test_a_run_keeps_memory_and_gives_it_back_at_its_end(monkeypatch, steps):
    calls = []
    monkeypatch.setattr(memory, "keep_freed", lambda: calls.append("keep"))
    monkeypatch.setattr(memory, "give_back", lambda: calls.append("give back"))
    model = make("gpt2")
    data = TokenDataset(torch.arange(model.config.vocab_size).repeat(20))
    for step in train(model, data, TrainConfig(steps, 2, 4)):
        calls.append(step.step)
    assert calls == ["keep", *range(1, steps), "give back", steps]


def test_nothing_is_done_on_systems_other_than_linux(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not memory.keep_freed()
    memory.give_back()
