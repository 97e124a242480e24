"""Run the experiments of lesson 06: the effects of optimizer, initial weights, warm-up, decay and batch size.

    python data/make_training_experiments.py   (half an hour on one quiet core; run it again to continue after a stop)

Each arm of a comparison gets its own learning rates, one for the tables and one for the matrices. The rates are chosen
with one seed on one held-back text (role "choose" in training_experiments.csv). The comparison uses other seeds and
another held-back text (role "report").
"""

import csv
import math
from pathlib import Path

import torch

from llmlib import BPETokenizer, TrainConfig, Transformer, TransformerConfig, tinytales_text, train
from llmlib.corpora.datasets import TokenDataset

FILE = Path(__file__).parent / "training_experiments.csv"
FIELDS = ("experiment", "arm", "steps", "table_rate", "matrix_rate", "seed", "role", "loss")
CHOOSING_SEED, SEEDS = 100, range(5)
TABLES = (3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
MATRICES = {"adamw": (5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2), "muon": (2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)}
SMALL = TransformerConfig(
    vocab_size=1024,
    max_seq_len=64,
    d_model=64,
    n_layers=2,
    n_heads=4,
    d_mlp=168,
    positions="rotary",
    norm="rmsnorm",
    mlp="swiglu",
    tied_embeddings=False,
)


class Laboratory:
    """Trains the small model; each run is computed only once, and its result is kept in the file."""

    def __init__(self):
        tales = tinytales_text(2_000_000)
        ids = torch.tensor(BPETokenizer.train(tales[:300_000], 1024).encode(tales))
        self.learn_from = TokenDataset(ids[:-100_000])
        self.held_back = {"choose": TokenDataset(ids[-100_000:-50_000]), "report": TokenDataset(ids[-50_000:])}
        self.known = {}
        if FILE.exists():
            with FILE.open(newline="") as file:
                self.known = {
                    tuple(row[name] for name in FIELDS[:-1]): float(row["loss"]) for row in csv.DictReader(file)
                }

    def run(self, experiment, arm, choices, rates, seed, role, first_weights=(1, 1)):
        """Return the loss on held-back text at the end of a run, or infinity if the training diverged."""
        steps = choices["steps"]
        key = tuple(map(str, (experiment, arm, steps, *rates, seed, role)))
        if key not in self.known:
            model = scaled(Transformer(SMALL, seed=seed), *first_weights)
            settings = {"batch_size": 8, "warmup": 10, "schedule": "linear", **choices}
            plan = TrainConfig(
                **settings,
                seq_len=64,
                seed=seed,
                dtype="float32",
                validation_batches=128 // settings["batch_size"],
                learning_rate=rates[0],
                matrix_learning_rate=rates[1],
            )
            try:
                *_, last = train(model, self.learn_from, plan, validation=self.held_back[role])
                loss = round(last.validation_loss, 4)
            except RuntimeError:  # TrainingDiverged
                loss = math.inf
            self.known[key] = loss
            is_new = not FILE.exists()
            with FILE.open("a", newline="") as file:
                writer = csv.writer(file)
                writer.writerows([FIELDS] * is_new + [(*key, loss)])
        return self.known[key]

    def compare(self, experiment, arms, grid):
        """Compare arms at their best rates; `arms` maps each name to settings and scales of the initial weights."""
        for arm, (choices, first_weights) in arms.items():
            rates_of = grid(choices) if callable(grid) else grid
            best = rates_of[0]
            if len(rates_of) > 1:
                found = {
                    rates: self.run(experiment, arm, choices, rates, CHOOSING_SEED, "choose", first_weights)
                    for rates in rates_of
                }
                best = min(found, key=found.get)
            losses = [self.run(experiment, arm, choices, best, seed, "report", first_weights) for seed in SEEDS]
            mean = sum(losses) / len(losses)
            print(
                f"{experiment:14} {arm:28} {best!s:16} {mean:.3f}  ({min(losses):.3f} to {max(losses):.3f})", flush=True
            )


@torch.no_grad()
def scaled(model, table, matrices):
    """Scale the initial weights of the token table and of the blocks' matrices, and return the model."""
    model.embed.weight *= table
    for matrix in (p for p in model.blocks.parameters() if p.ndim == 2):
        matrix *= matrices
    return model


def product(tables, matrices):
    return [(table, matrix) for table in tables for matrix in matrices]


def everywhere(choices):
    """Return all pairs of rates (tables, matrices) in the sweep for the optimizer in `choices`."""
    return product(TABLES, MATRICES[choices.get("optimizer", "adamw")])


def main():
    torch.set_num_threads(1)
    lab = Laboratory()
    few = product((1e-2, 3e-2, 1e-1), (2e-3, 5e-3))

    def compare(experiment, steps, grid, first_weights=(1, 1), **arms):
        named = {name.replace("_", " "): ({"steps": steps, **choices}, first_weights) for name, choices in arms.items()}
        lab.compare(experiment, named, grid)

    for steps in (60, 240):
        compare("optimizer", steps, everywhere, AdamW={}, Muon={"optimizer": "muon"})
        compare("optimizer", steps, [(rate, rate) for rate in MATRICES["adamw"]], AdamW_with_one_rate={})
    # A step of Muon takes 1.3 times as long here, so 312 steps of AdamW take as long as 240 steps of Muon.
    compare("optimizer", 312, [(3e-2, 5e-3)], AdamW={})
    starts = {"table × 10": (10, 1), "matrices × 2": (1, 2), "both": (10, 2)}
    for name, start in starts.items():
        compare("first weights, one rate of 0.01", 60, [(1e-2, 1e-2)], start, **{name: {}})
        compare("first weights", 60, few, start, **{name: {}})
    compare("one rate of 0.01", 60, [(1e-2, 1e-2)], base={}, **{"no warm-up": {"warmup": 0}})
    # The unfair comparisons that the lesson describes, and the fair comparisons that replace them.
    compare("one rate of 0.01", 60, [(1e-2, 1e-2)], Muon={"optimizer": "muon"})
    compare("a tenth for the matrices", 60, [(1e-2, 1e-3)], AdamW={})
    compare("warm-up", 60, product([3e-2], MATRICES["adamw"]), **{"no warm-up": {"warmup": 0}})
    compare("decay", 60, few, no_decay={"schedule": "constant"})
    compare("batch", 240, [(1e-2, 1e-3), (1e-2, 2e-3), (3e-2, 2e-3)], batch_of_2={"batch_size": 2, "warmup": 40})
    compare("batch", 15, product((3e-2, 1e-1), (5e-3, 1e-2)), batch_of_32={"batch_size": 32, "warmup": 3})
    compare("insurance", 60, [(3e-2, 2e-3)], no_clipping={"clip_norm": None}, no_weight_decay={"weight_decay": 0})
    compare("decay", 240, product([3e-2], (2e-3, 5e-3)), no_decay={"schedule": "constant"})


if __name__ == "__main__":
    main()
