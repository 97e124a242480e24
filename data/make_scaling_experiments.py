"""Run the experiments of lesson 10: train a grid of small models, try what spoils a law, and test a prediction.

    python data/make_scaling_experiments.py  (about 55 minutes on one quiet core; run it again to continue after a stop)

Every run of the grid has a schedule that ends with the training, and the learning rate that was best for its size on
validation stories ("rates"). The reported losses are measured on held-out stories. "prediction" uses a law that is
fitted to the grid, and is written to the file before "target" is trained. "width" transfers a learning rate to wider
models, "wider" does so with more steps, and "names" and "kinds" ask what models have learned about the village. Each
line of scaling_experiments.csv holds one number: the experiment, its arm (a size, and thousands of tokens), the seed,
the step, the measure, the value, and, for a count, the total.
"""

import csv
import math
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from experiments import Experiment, Rows, run_missing
from scaling_names import facts, kinds_of_homes, names_or_kinds

from llmlib import BPETokenizer, TrainConfig, Transformer, TransformerConfig, tinytales_text, train
from llmlib.corpora import tiny_shakespeare
from llmlib.corpora.datasets import TokenDataset
from llmlib.scaling import Fit, fit
from llmlib.training import TrainingDiverged, maximal_update, widened

FILE = Path(__file__).parent / "scaling_experiments.csv"
VOCABULARY, WINDOW, BATCH = 512, 64, 8
EVALUATION = 64  # a loss is the mean over this many batches of windows

# for each name: width, layers, heads, width of the MLP
SIZES = {
    "3XS": (12, 2, 2, 32),
    "XXS": (20, 2, 2, 56),
    "XS": (32, 2, 2, 88),
    "S": (48, 2, 3, 128),
    "M": (64, 3, 4, 168),
    "L": (96, 3, 4, 256),
    "XL": (128, 4, 4, 344),
    "2XL": (160, 5, 5, 424),
    "3XL": (224, 5, 4, 600),
}
# The first rates to try for matrices, by size; more are tried while the best rate is the lowest or the highest. The
# rates for tables are five times as high.
RATES = {
    "3XS": (6e-3, 1.2e-2, 2.4e-2),
    "XXS": (6e-3, 1.2e-2, 2.4e-2),
    "XS": (6e-3, 1.2e-2, 2.4e-2),
    "S": (3e-3, 6e-3, 1.2e-2),
    "M": (3e-3, 6e-3, 1.2e-2),
    "L": (3e-3, 6e-3, 1.2e-2),
    "XL": (1.5e-3, 3e-3, 6e-3),
    "2XL": (1.5e-3, 3e-3, 6e-3),
    "3XL": (7.5e-4, 1.5e-3, 3e-3),
}

# Thousands of tokens, by size: in each line of the table, all sizes get about the same compute.
GRID = {
    1e10: {"XXS": 82, "XS": 40},
    2e10: {"3XS": 347, "XXS": 164, "XS": 80, "S": 42},
    5e10: {"3XS": 868, "XXS": 411, "XS": 200, "S": 104, "M": 47},
    1.25e11: {"XXS": 1028, "XS": 500, "S": 260, "M": 116, "L": 55},
    3.1e11: {"XS": 1241, "S": 646, "M": 288, "L": 136, "XL": 60},
    7.8e11: {"XS": 3123, "S": 1626, "M": 726, "L": 341, "XL": 152, "2XL": 81, "3XL": 41},
}
SMALL = tuple(f"{size} {k}" for compute in (1e10, 2e10, 5e10, 1.25e11) for size, k in GRID[compute].items())
LARGE = tuple(f"{size} {k}" for compute in (3.1e11, 7.8e11) for size, k in GRID[compute].items())
SWEEP = {"3XS": 200, "XXS": 164, "XS": 130, "S": 104, "M": 80, "L": 60, "XL": 60, "2XL": 45, "3XL": 41}


def config_of(size: str) -> TransformerConfig:
    return shaped(*SIZES[size])


def shaped(width: int, layers: int, heads: int, mlp: int) -> TransformerConfig:
    return TransformerConfig(
        VOCABULARY,
        WINDOW,
        d_model=width,
        n_layers=layers,
        n_heads=heads,
        d_mlp=mlp,
        positions="rotary",
        norm="rmsnorm",
        mlp="swiglu",
        tied_embeddings=True,
    )


@cache
def tales() -> tuple[BPETokenizer, dict[str, TokenDataset]]:
    """Return the tokenizer, and the tokens for training, for choosing rates, and for the reported losses."""
    stories = tinytales_text(9_000_000)
    tokenizer = BPETokenizer.train(stories[:300_000], VOCABULARY)
    texts = {"train": stories} | {split: tinytales_text(300_000, split=split) for split in ("validation", "heldout")}
    return tokenizer, {split: TokenDataset(torch.tensor(tokenizer.encode(text))) for split, text in texts.items()}


@cache
def plays() -> dict[str, TokenDataset]:
    text = tiny_shakespeare()
    tokenizer = BPETokenizer.train(text[:300_000], VOCABULARY)
    ids = torch.tensor(tokenizer.encode(text))
    return {"train": TokenDataset(ids[:-40_000]), "heldout": TokenDataset(ids[-40_000:])}


@torch.inference_mode()
def loss_on(model: Transformer, data: TokenDataset, batches: int = EVALUATION) -> float:
    """Return the loss in nats per token, always over the same windows."""
    total = 0.0
    for number in range(batches):
        x, y = data.batch(number, batch_size=BATCH, seq_len=WINDOW)
        total += torch.nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten()).item() / batches
    return total


def run(
    size: str,
    thousands: float,
    rate: float,
    seed: int,
    data: TokenDataset,
    validation: TokenDataset,
    look: Sequence[int] = (),
    schedule: str = "cosine",
) -> tuple[Transformer | None, int, dict[int, float]]:
    """Train a model; return it (None if it diverged), the number of steps, and the loss at each step in `look`."""
    steps = round(1000 * thousands / (BATCH * WINDOW))
    plan = TrainConfig(
        steps=steps,
        batch_size=BATCH,
        seq_len=WINDOW,
        seed=seed,
        dtype="float32",
        warmup=max(25, steps // 10),
        schedule=schedule,
        learning_rate=5 * rate,
        matrix_learning_rate=rate,
    )
    model, seen = Transformer(config_of(size), seed=seed), {}
    try:
        for step in train(model, data, plan):
            if step.step in look:
                seen[step.step] = loss_on(model, validation)
    except TrainingDiverged:
        return None, steps, seen
    return model, steps, seen


def known(experiment: str, measure: str) -> dict[tuple[str, int], float]:
    """Read one measure of an experiment from the file, and return its values by arm and seed."""
    with FILE.open(newline="") as lines:
        return {
            (row["arm"], int(row["seed"])): float(row["value"])
            for row in csv.DictReader(lines)
            if row["experiment"] == experiment and row["measure"] == measure
        }


def best_rate(size: str) -> float:
    """Return the rate that gave this size its lowest loss on validation stories."""
    losses = {arm: loss for (arm, _), loss in known("rates", "loss").items() if arm.startswith(f"{size} ")}
    return float(min(losses, key=losses.__getitem__).split(" @ ")[1])


def arms_beyond() -> tuple[str, ...]:
    """Return arms with rates beyond those tried so far, for the sizes that need them.

    If a size's best rate is the lowest so far, its arm has half that rate; if it is the highest, twice that rate.
    """
    arms = []
    for size, thousands in SWEEP.items():
        tried = {float(arm.split(" @ ")[1]) for arm, _ in known("rates", "loss") if arm.startswith(f"{size} ")}
        best = best_rate(size)
        arms += [f"{size} {thousands} @ {best / 2}"] * (best == min(tried))
        arms += [f"{size} {thousands} @ {best * 2}"] * (best == max(tried))
    return tuple(arms)


def rates(arm: str, seed: int) -> Rows:
    """Measure the validation loss of a model size at a learning rate."""
    point, rate = arm.split(" @ ")
    size, thousands = point.split()
    _, data = tales()
    model, steps, _ = run(size, float(thousands), float(rate), 100 + seed, data["train"], data["validation"])
    yield steps, "loss", loss_on(model, data["validation"]) if model else math.inf, ""


def measured(arm: str, seed: int, rate: float | None = None) -> Rows:
    """Train a model with the arm's size and number of tokens; measure its loss, and what it knows about the village."""
    size, thousands = arm.split()
    tokenizer, data = tales()
    # Each size's longest run is also measured at the steps where the size's shorter runs end.
    ends = {1000 * k // (BATCH * WINDOW) for line in GRID.values() for s, k in line.items() if s == size}
    longest = float(thousands) == max(k for line in GRID.values() for s, k in line.items() if s == size)
    started = time.process_time()
    rate = rate or best_rate(size)
    model, steps, seen = run(
        size, float(thousands), rate, seed, data["train"], data["heldout"], ends if longest and seed == 0 else ()
    )
    seconds = time.process_time() - started
    yield steps, "rate", rate, ""
    yield steps, "parameters", size_of(size), ""
    for step, loss in seen.items():
        yield step, "loss on the way", loss, ""
    yield steps, "seconds", seconds, ""
    if model:
        yield from ((steps, *row) for row in facts(model, tokenizer))
    yield steps, "loss", loss_on(model, data["heldout"]) if model else math.inf, ""


def grid(arm: str, seed: int) -> Rows:
    yield from measured(arm, seed)


def size_of(size: str) -> int:
    return sum(p.numel() for p in Transformer(config_of(size), seed=None).parameters())


def law_of(experiment: str) -> Fit:
    losses = known(experiment, "loss")
    points = [(size_of(arm.split()[0]), 1000 * float(arm.split()[1])) for arm, _ in losses]
    return fit(*zip(*points), list(losses.values()))


def prediction(arm: str, seed: int) -> Rows:
    """Predict, from the law fitted to the grid, the loss of a model that has not been trained yet."""
    size, thousands = arm.split()
    said = law_of("shakespeare" if arm == AIM_OF_PLAYS else "grid").predict(
        size_of(size), 1000 * float(thousands), level=0.9
    )
    steps = round(1000 * float(thousands) / (BATCH * WINDOW))
    yield steps, "low", said.low, ""
    yield steps, "high", said.high, ""
    yield steps, "loss", said.loss, ""


def target(arm: str, seed: int) -> Rows:
    """Train a model with more compute than any in the grid, after the prediction has been written down."""
    yield from shakespeare(arm, seed) if arm == AIM_OF_PLAYS else measured(arm, seed)


def one_rate(arm: str, seed: int) -> Rows:
    """Repeat part of the grid, but give every size the rate of the largest size."""
    yield from measured(arm, seed, best_rate("3XL"))


def shakespeare(arm: str, seed: int) -> Rows:
    """Train a smaller grid on Shakespeare, with the rates that were best on the tales."""
    size, thousands = arm.split()
    data = plays()
    model, steps, _ = run(size, float(thousands), best_rate(size), seed, data["train"], data["heldout"])
    yield steps, "parameters", size_of(size), ""
    yield steps, "loss", loss_on(model, data["heldout"]) if model else math.inf, ""


def names(arm: str, seed: int) -> Rows:
    """Train the model of "target" with more seeds, and measure what it knows about names and about kinds."""
    size, thousands = arm.split()
    tokenizer, data = tales()
    model, steps, _ = run(size, float(thousands), best_rate(size), seed, data["train"], data["heldout"])
    if model:
        yield from ((steps, *row) for row in names_or_kinds(model, tokenizer))
    yield steps, "loss", loss_on(model, data["heldout"]) if model else math.inf, ""


def kinds(arm: str, seed: int) -> Rows:
    """Train some models of the grid again, and measure whether they know which kind lives where."""
    size, thousands = arm.split()
    tokenizer, data = tales()
    model, steps, _ = run(size, float(thousands), best_rate(size), seed, data["train"], data["heldout"])
    if model:
        yield from ((steps, *row) for row in kinds_of_homes(model, tokenizer))
    yield steps, "loss", loss_on(model, data["heldout"]) if model else math.inf, ""


def width(arm: str, seed: int, steps: int = 64) -> Rows:
    """Train a widened version of the narrowest model; the arm gives the factor and the narrowest model's rate.

    "standard" uses the same rate and initial weights at any width, as everywhere in the course. "muP" is described in
    `maximal_update`. "rates alone" is "standard" with the rates of muP. "tuned muP" starts from a narrow model with two
    other choices that suit muP, and keeps both at any width: a final norm whose weights start at 4, and lower rates for
    tables.
    """
    named, rate = arm.split(" @ ")
    way, times = named.rsplit(" ", 1)
    _, data = tales()
    model = Transformer(widened(NARROW, int(times)), seed=seed)
    if tuned := way == "tuned muP":
        torch.nn.init.constant_(model.final_norm.weight, 4.0)
    if tuned or way == "muP":
        maximal_update(model, NARROW)
    plan = TrainConfig(
        steps,
        BATCH,
        WINDOW,
        seed=seed,
        dtype="float32",
        warmup=steps // 6,
        weight_decay=0.0,
        learning_rate=(2.5 if tuned else 5) * float(rate),
        matrix_learning_rate=float(rate) / (1 if way == "standard" else int(times)),
    )
    broken = False
    try:
        for _ in train(model, data["train"], plan):
            pass
    except TrainingDiverged:
        broken = True
    for split in ("validation", "heldout"):
        yield steps, split, math.inf if broken else loss_on(model, data[split], EVALUATION // 4), ""


def wider(arm: str, seed: int) -> Rows:
    """Run the experiment of `width` with four times as many steps."""
    yield from width(arm, seed, 256)


# For "width": the narrowest model, and the rates for each way and each width (a multiple of the narrowest width).
NARROW = shaped(24, 2, 2, 64)
WIDTHS = {
    "standard 1": (6e-3, 1.2e-2, 2.4e-2, 4.8e-2, 9.6e-2),
    "standard 2": (6e-3, 1.2e-2, 2.4e-2, 4.8e-2),
    "standard 4": (3e-3, 6e-3, 1.2e-2, 2.4e-2, 4.8e-2),
    "muP 2": (1.2e-2, 2.4e-2, 4.8e-2),
    "muP 4": (1.2e-2, 2.4e-2, 4.8e-2, 9.6e-2),
    "rates alone 4": (1.2e-2, 2.4e-2, 4.8e-2),
    **dict.fromkeys(("tuned muP 1", "tuned muP 4"), (1.2e-2, 2.4e-2)),
}
WIDTH_ARMS = tuple(f"{way} @ {rate}" for way, rates in WIDTHS.items() for rate in rates)
WIDER = {
    **dict.fromkeys(("standard 1", "muP 4"), (1.2e-2, 2.4e-2, 4.8e-2)),
    "standard 4": (6e-3,),
    **dict.fromkeys(("rates alone 4", "tuned muP 4"), (2.4e-2,)),
}
WIDER_ARMS = tuple(f"{way} @ {rate}" for way, rates in WIDER.items() for rate in rates)
RATE_ARMS = tuple(f"{size} {k} @ {rate}" for size, k in SWEEP.items() for rate in RATES[size])
PLAYS = tuple(
    f"{size} {k}"
    for compute, line in GRID.items()
    for size, k in line.items()
    if compute < 2e11 and k < 450 and size != "3XS"
)
# One size from each grid, to be trained with more than four times the compute of any run in that grid.
AIM_OF_TALES, AIM_OF_PLAYS = "L 1485", "L 230"
WITH_ONE_RATE = tuple(
    f"{size} {k}" for compute in (5e10, 1.25e11, 3.1e11) for size, k in GRID[compute].items() if k < 800
)
# The two models of the grid with the lowest losses, and some models with higher losses.
KINDS_BEGIN, KINDS_AROUND = ("S 1626", "M 726"), ("L 341", "M 288", "S 260", "S 104")
EXPERIMENTS: list[Experiment] = [
    (grid, SMALL, 3),
    (grid, LARGE, 1),
    (one_rate, WITH_ONE_RATE, 1),
    (shakespeare, PLAYS, 2),
]


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    if not wanted or "rates" in wanted:
        run_missing(FILE, [(rates, RATE_ARMS, 1)])
        while further := arms_beyond():
            run_missing(FILE, [(rates, further, 1)])
    run_missing(FILE, EXPERIMENTS, wanted)
    if not wanted or "target" in wanted:
        for arm in (AIM_OF_TALES, AIM_OF_PLAYS):
            run_missing(FILE, [(prediction, (arm,), 1)])  # first write the prediction,
            run_missing(FILE, [(target, (arm,), 2)])  # then train the model
    if not wanted or "width" in wanted:
        run_missing(FILE, [(width, WIDTH_ARMS, 3)])
    if not wanted or "wider" in wanted:
        run_missing(FILE, [(wider, WIDER_ARMS, 3)])
    if not wanted or "names" in wanted:
        run_missing(FILE, [(names, (AIM_OF_TALES,), 3)])
    if not wanted or "kinds" in wanted:
        run_missing(FILE, [(kinds, KINDS_BEGIN, 3)])
        run_missing(FILE, [(kinds, (*KINDS_AROUND, AIM_OF_TALES), 1)])
