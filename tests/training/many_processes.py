"""Run several kinds of training in several processes, of which the first records the steps."""

import json
import sys
from pathlib import Path

import torch
from small_models import KINDS

from llmlib.corpora.datasets import TokenDataset
from llmlib.training import TrainConfig, distributed, train
from llmlib.training.loss import IGNORED
from llmlib.training.sharding import is_cut
from llmlib.transformer import Transformer

DATA = TokenDataset([(7 * i * i + i // 5) % 31 for i in range(2000)], vocab_size=31)
BASE = {
    "steps": 6,
    "batch_size": 8,
    "seq_len": 16,
    "learning_rate": 0.01,
    "clip_norm": 0.5,
    "validate_every": 2,
    "sample_every": 3,
    "save_every": 3,
    "dtype": "float32",
    "keep": 9,
}
CASES = {
    "adamw": ("gpt2", {"parallel": "fsdp"}),
    "parts": ("qwen3", {"parallel": "fsdp", "optimizer": "muon", "accumulate": 2}),
    "bfloat16": ("llama", {"parallel": "fsdp", "optimizer": "muon", "dtype": "bfloat16"}),
    "ddp": ("llama", {"parallel": "ddp", "optimizer": "muon", "accumulate": 2}),
}


class Answers:
    """Batches in which few targets count, and in some rows none, as when only the answers in a conversation count."""

    def batch(self, step, *, batch_size, seq_len, seed=0, device=None):
        x, y = DATA.batch(step, batch_size=batch_size, seq_len=seq_len, seed=seed, device=device)
        counts = (y % 4 == 0) & (torch.arange(batch_size)[:, None] % 3 > 0)
        counts[-1] = True
        return x, y.where(counts, IGNORED)


def sample(model):
    """Read weights and call the model with a cache; both need a whole model."""
    ids = torch.tensor([[1, 2, 3]])
    cache = model.new_cache()
    with torch.no_grad():
        return [
            model(ids, cache=cache).sum().item(),
            model(ids[:, :1], cache=cache)[0, -1, 5].item(),
            model.unembedding.norm().item(),
        ]


def run_of(case, folder=None, resume=False):
    kind, changes = CASES[case]
    config = TrainConfig(**{**BASE, **changes})
    model = Transformer(KINDS[kind], seed=1)
    data = Answers() if "accumulate" in changes else DATA
    return train(model, data, config, validation=data, sample=sample, folder=folder, resume=resume)


def record(run):
    return [[s.step, s.loss, s.gradient_norm, s.validation_loss, s.sample] for s in run]


def held(run):
    """Count the numbers that this process holds: weights, and the state of the optimizers."""
    states = [value for optimizer in run.optimizers for state in optimizer.state.values() for value in state.values()]
    tensors = [[*run.model.parameters()], [state for state in states if state.ndim]]
    return [sum((t.to_local() if is_cut(t) else t).numel() for t in some) for some in tensors]


def main(folder):
    records = {}
    for case in CASES:
        run = run_of(case, folder / "from here" / case)
        records[case] = record(run)
        records[f"{case} held"] = held(run)
        if case != "ddp":
            records[f"{case} goes on"] = record(run_of(case, folder / "from there" / case, resume=True))
    if distributed.join().writes:
        (folder / "records.json").write_text(json.dumps(records))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
