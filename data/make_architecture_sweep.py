"""Find learning rates and initial weights for each architecture of lesson 05, with the same search for all.

    python data/make_architecture_sweep.py        (about 10 minutes on an idle core; writes architecture_sweep.csv)

The search for each version tries 24 random settings with one seed ("try") and 12 settings near the best of them
("near"), runs the best three with two more seeds ("again"), and keeps the setting with the best mean of three seeds.
All these runs are judged on validation stories. The setting that was kept ("own") is then trained with five new seeds
and judged on held-out stories, which had no influence on the choice. The setting that all versions share in the unfair
comparison ("shared") is trained and judged in the same way. For runs with four times as many steps, the search tries
the kept rates, and rates half and a quarter as high ("longer try"), and trains the best with three new seeds
("longer"). Runs that are already in the file are not repeated.
"""

import csv
import dataclasses
import random
from pathlib import Path

import torch
import torch.nn.functional as F

from llmlib import BPETokenizer, Transformer, TransformerConfig, tinytales_text

STEPS, TRIES, NEAR, FINALISTS, SEEDS = 80, 24, 12, 3, (10, 11, 12, 13, 14)
OUT = Path(__file__).with_name("architecture_sweep.csv")
SHARED = {"table_rate": 3e-3, "matrix_rate": 3e-3, "table_start": 1, "position_start": 1, "matrix_start": 1}
BASE = TransformerConfig(
    512, 64, d_model=64, n_layers=2, n_heads=4, mlp="gelu_tanh", qkv_bias=True, output_bias=True, mlp_bias=True
)
NO_BIASES = {"qkv_bias": False, "output_bias": False, "mlp_bias": False}
CHANGES = {
    "GPT-2": {},
    "rotary positions": {"positions": "rotary"},
    "SwiGLU": {"mlp": "swiglu", "d_mlp": 168},
    "untied tables": {"tied_embeddings": False},
    "RMSNorm, no biases": {"norm": "rmsnorm", **NO_BIASES},
}


def texts():
    """Return three texts as ids: for training, for choosing settings, and for the final comparison."""
    stories = tinytales_text(320_000)
    tokenizer = BPETokenizer.train(stories[:150_000], 512)
    ids = torch.tensor(tokenizer.encode(stories))
    return ids[:-18_000], ids[-18_000:-9_000], ids[-9_000:]


def settings(chance):
    """Sample rates evenly on a logarithmic scale, and factors by which the library's initial weights are multiplied."""
    return {
        "table_rate": round(10 ** chance.uniform(-2.7, -1.3), 5),
        "matrix_rate": round(10 ** chance.uniform(-2.9, -1.7), 5),
        "table_start": chance.choice([0.5, 1, 2, 4]),
        "position_start": chance.choice([0.1, 0.3, 1]),
        "matrix_start": chance.choice([0.5, 1, 2, 4]),
    }


def nearby(setting, chance):
    """Return a setting near this one: each number stays the same, or is doubled or halved."""
    changed = {name: chance.choice([0.5, 1, 1, 2]) for name in setting}
    return {name: round(value * changed[name], 5) for name, value in setting.items()}


def trained(config, learn_from, seed, table_rate, matrix_rate, table_start, position_start, matrix_start, steps=STEPS):
    """Train with AdamW; the rate warms up over a tenth of the steps, and follows half a cosine wave over all steps."""
    model = Transformer(config, seed=seed)
    tables, matrices = [], []
    for name, parameter in model.named_parameters():
        in_block = name.startswith("blocks.")
        (matrices if in_block else tables).append(parameter)
        if parameter.ndim == 2:
            start = matrix_start if in_block else position_start if "position" in name else table_start
            parameter.data *= start
    groups = [{"params": tables, "peak": table_rate}, {"params": matrices, "peak": matrix_rate}]
    optimizer = torch.optim.AdamW(groups, lr=0, betas=(0.9, 0.95), weight_decay=0)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        share = min(1, 10 * (step + 1) / steps) * (1 + torch.tensor(torch.pi * step / steps).cos().item()) / 2
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share
        begins = torch.randint(len(learn_from) - 65, (8, 1), generator=generator)
        windows = learn_from[begins + torch.arange(65)]
        loss = F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return model


def loss_on(model, ids):
    """Return the loss in nats per token, over windows of 64 tokens."""
    windows = ids[: len(ids) // 65 * 65].reshape(-1, 65)
    with torch.inference_mode():
        return F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten()).item()


def main():
    torch.set_num_threads(1)
    learn_from, validation, heldout = texts()
    known, rows = {}, []
    if OUT.exists():
        with OUT.open(newline="") as file:
            for row in csv.DictReader(file):
                known[key(row)] = row

    def run(version, stage, seed, setting, judged_on, steps=STEPS):
        row = {"version": version, "stage": stage, "seed": seed, **setting}
        if key(row) not in known:
            config = dataclasses.replace(BASE, **CHANGES[version])
            model = trained(config, learn_from, seed, **setting, steps=steps)
            known[key(row)] = row | {"loss": f"{loss_on(model, judged_on):.3f}"}
        rows.append(known[key(row)])
        return float(rows[-1]["loss"])

    for version in CHANGES:
        chance = random.Random(0)  # the same search for every version
        tried = [settings(chance) for _ in range(TRIES)]
        first = [run(version, "try", 0, setting, validation) for setting in tried]
        best = tried[min(range(TRIES), key=first.__getitem__)]
        tried += [nearby(best, chance) for _ in range(NEAR)]
        first += [run(version, "near", 0, setting, validation) for setting in tried[TRIES:]]
        means = {}
        for k in sorted(range(len(tried)), key=first.__getitem__)[:FINALISTS]:
            means[k] = first[k] + sum(run(version, "again", seed, tried[k], validation) for seed in (1, 2))
        own = tried[min(means, key=means.get)]
        for seed in SEEDS:
            run(version, "shared", seed, SHARED, heldout)
            run(version, "own", seed, own, heldout)
        slower = [own | {rate: own[rate] * share for rate in ("table_rate", "matrix_rate")} for share in (1, 0.5, 0.25)]
        longer = [run(version, "longer try", 0, setting, validation, 4 * STEPS) for setting in slower]
        for seed in SEEDS[:3]:
            run(version, "longer", seed, slower[longer.index(min(longer))], heldout, 4 * STEPS)
        write(rows if version == list(CHANGES)[-1] else [*rows, *(r for r in known.values() if r not in rows)])


def key(row):
    return tuple(
        str(float(row[name])) if name in SHARED else str(row[name]) for name in ("version", "stage", "seed", *SHARED)
    )


def write(rows):
    with OUT.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["version", "stage", "seed", *SHARED, "loss"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
