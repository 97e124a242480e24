"""Claims: our model reaches nanoGPT's published loss in a twelfth of the time; `train` is faster than a plain loop.

The script has three parts (`--part` runs only one):

* **quality**: characters of Tiny Shakespeare; models train on the first 90 %, and the loss is over all of the last 10 %
  with a context of at most 64. The reference is the recipe for CPUs in nanoGPT's readme (Karpathy, 2022; 4 layers,
  4 heads, 128 wide, context 64, batch 12, 2,000 steps; published: 1.88), trained by `llmlib.train`. Our model for this
  race has at most 0.85 million weights; we use three seeds. Claim: at most 1.88 in at most a twelfth of the time.
* **throughput**: tokens a second of our GPT-2-style model in `llmlib.train`, compared with `transformers`'
  `GPT2LMHeadModel` of the same size in a plain loop with AdamW, in float32 and bfloat16 (theirs with autocast, as
  usual). With a C++ compiler, ours is also measured compiled. The script prints each run's speed as a share of this
  machine's measured peak for matrix products. Each run has its own process, since `train` makes its process keep freed
  memory. Aim: 1.3x. The shares show what is out of reach: both models compute the same products, so if theirs already
  runs at 74 % of the peak (10.7 M weights in float32 on a processor without matrix units), 1.3x would be 96 % of it. On
  that processor, one product for query, key and value, written-out attention or gelu, and compiling gained nothing.
* **scale**: time and memory for several sizes of model and context, and one process compared with two.
"""

import argparse
import contextlib
import csv
import itertools
import math
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmlib import CharTokenizer, TrainConfig, Transformer, TransformerConfig, train
from llmlib.attention import causal_mask
from llmlib.corpora import tiny_shakespeare
from llmlib.corpora.datasets import TokenDataset
from llmlib.costs import count
from llmlib.embeddings import rotary_cos_sin, rotary_frequencies, rotate
from llmlib.layers import rms_norm
from llmlib.training import Muon
from llmlib.training.compiling import require_compiler
from llmlib.training.precision import WorkingCopy

CONTEXT, GOAL = 64, 1.88
PUBLISHED = TransformerConfig(vocab_size=65, max_seq_len=CONTEXT, d_model=128, n_layers=4, n_heads=4)
PUBLISHED_RUN = TrainConfig(
    2000,
    12,
    CONTEXT,
    warmup=100,
    learning_rate=1e-3,
    betas=(0.9, 0.99),
    weight_decay=0.1,
    final_share=0.1,
    dtype="float32",
)


# --- time to quality ------------------------------------------------------------------------------------------------


class Racer(nn.Module):
    """A one-layer Transformer with tables that predict the next character from the last *two* or *three* characters.

    The tables take the place of more layers, and a look-up costs almost nothing. Each pair of characters has a row;
    triples are hashed, and some share a row (Huang et al., 2025, "Over-Tokenized Transformer"). The two rows are added;
    the sum goes into the residual stream before the layer, and straight to the logits. The model uses squared ReLU (So
    et al., 2021, "Primer"), norms without weights, rotary positions and capped logits (Gemma 2, 2024). The layer's maps
    into the residual stream start at zero, so it starts as the identity. (With two layers, the loss after 100 steps was
    1.98 to 2.03 if the pair tables started as logs of counted probabilities, and 1.96 if they started as noise.)
    """

    D, HEADS, WIDE, NGRAM, TRIPLES, CAP = 128, 4, 384, 64, 4093, 30.0  # TRIPLES is prime, as usual for hashing

    def __init__(self, vocab_size: int, seed: int):
        super().__init__()
        self.vocab_size = vocab_size
        generator = torch.Generator().manual_seed(seed)

        def table(rows: int, columns: int, std: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(rows, columns, generator=generator) * std)

        d = self.D
        self.embed = table(vocab_size, d, 0.5)
        self.pairs, self.triples = table(vocab_size**2, self.NGRAM, 0.02), table(self.TRIPLES, self.NGRAM, 0.0)
        self.ngram_in, self.ngram_out = table(d, self.NGRAM, self.NGRAM**-0.5), table(vocab_size, self.NGRAM, 0.02)
        self.qkv, self.output = table(3 * d, d, d**-0.5), table(d, d, 0.0)
        self.up, self.down = table(self.WIDE, d, d**-0.5), table(d, self.WIDE, 0.0)
        self.head = table(vocab_size, d, 0.0)

    def matrices(self) -> list[nn.Parameter]:
        return [self.qkv, self.output, self.up, self.down]

    def forward(self, ids: Tensor) -> Tensor:  # batch seq -> batch seq vocab
        ngram = self.look_up(ids)
        residual = F.embedding(ids, self.embed) + F.linear(ngram, self.ngram_in)
        residual = residual + F.linear(self.attend(F.linear(rms_norm(residual), self.qkv)), self.output)
        residual = residual + F.linear(F.linear(rms_norm(residual), self.up).relu().square(), self.down)
        logits = F.linear(rms_norm(residual), self.head) + F.linear(ngram, self.ngram_out)
        return self.CAP * torch.tanh(logits.float() / self.CAP)

    def look_up(self, ids: Tensor) -> Tensor:  # batch seq -> batch seq NGRAM
        """Look up and add the rows of each pair and triple; character 0 stands in for those before the text."""
        last, before = F.pad(ids, (2, 0))[:, 1:-1], F.pad(ids, (2, 0))[:, :-2]
        pair = last * self.vocab_size + ids
        triple = (before * self.vocab_size**2 + pair) % self.TRIPLES
        return F.embedding(pair, self.pairs) + F.embedding(triple, self.triples)

    def attend(self, qkv: Tensor) -> Tensor:
        """Attend with two explicit products: for 64 tokens, torch's fused kernel is slower in the backward pass."""
        seq, dtype = qkv.shape[1], qkv.dtype
        q, k, v = qkv.unflatten(-1, (3, self.HEADS, -1)).permute(2, 0, 3, 1, 4)  # each: batch head seq d_head
        angles = rotary_cos_sin(torch.arange(seq), rotary_frequencies(q.shape[-1], 1000.0))
        cos, sin = (each.to(dtype) for each in angles)
        q, k = rms_norm(rotate(q, cos, sin)), rms_norm(rotate(k, cos, sin))
        hidden = torch.zeros(seq, seq, dtype=dtype).masked_fill(~causal_mask(seq, seq), -math.inf)
        scores = q @ k.mT * (2 * q.shape[-1] ** -0.5) + hidden
        return (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(-2)


Lap = tuple[int, float, nn.Module]  # the steps so far, the seconds that they took, and the model
STEPS, TURNS = 150, 10


def race(ids: Tensor, seed: int, batch: int = 24) -> Iterator[Lap]:
    """Train a Racer, and yield its laps; the seconds include making the model, but not reading the corpus."""
    started, spent = time.perf_counter(), 0.0
    model = Racer(65, seed)
    work = WorkingCopy(model, torch.bfloat16)
    by_muon = {id(matrix) for matrix in model.matrices()}
    others = [parameter for parameter in model.parameters() if id(parameter) not in by_muon]
    muon = Muon(model.matrices(), momentum=0.85, weight_decay=0.0, steps=3, dtype=torch.bfloat16)
    adamw = torch.optim.AdamW(others, betas=(0.8, 0.95), weight_decay=0.0, fused=True)
    order = torch.randperm((len(ids) - 1) // CONTEXT, generator=torch.Generator().manual_seed(seed))
    for step, places in zip(range(STEPS), order.split(batch)):
        share = min(1.0, (1 - step / STEPS) / 0.6)  # flat for 40 % of the run, then down to 0
        for optimizer, peak in ((muon, 0.02), (adamw, 0.025)):
            optimizer.param_groups[0]["lr"] = peak * share
        windows = ids[places[:, None] * CONTEXT + torch.arange(CONTEXT + 1)]  # adjacent: nothing is predicted twice
        x, y = windows[:, :-1], windows[:, 1:]
        F.cross_entropy(work.model(x).flatten(0, 1), y.flatten()).backward()
        work.hand_over()
        muon.step()
        adamw.step()
        work.refresh()
        spent += time.perf_counter() - started
        yield step + 1, spent, work.model
        started = time.perf_counter()


def published(ids: Tensor) -> Iterator[Lap]:
    """Train a model with nanoGPT's recipe."""
    model, spent = Transformer(PUBLISHED, seed=0), 0.0
    for step in train(model, TokenDataset(ids), PUBLISHED_RUN):
        spent += PUBLISHED_RUN.batch_size * CONTEXT / step.tokens_per_second
        yield step.step, spent, model


@torch.no_grad()
def loss_on(ids: Tensor, model: nn.Module) -> float:
    """Return the mean loss over the whole text, in adjacent windows of CONTEXT characters."""
    n = (len(ids) - 1) // CONTEXT * CONTEXT
    pieces = zip(ids[:n].view(-1, CONTEXT).split(256), ids[1 : n + 1].view(-1, CONTEXT).split(256))
    sums = (F.cross_entropy(model(x).float().flatten(0, 1), y.flatten(), reduction="sum").item() for x, y in pieces)
    return sum(sums) / n


def quality() -> None:
    """Compare the runs; they take turns every tenth of their steps, so that a busy machine slows them all alike."""
    text = tiny_shakespeare()
    ids = torch.tensor(CharTokenizer.train(text).encode(text))
    seen, unseen = ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :]
    print(f"Tiny Shakespeare: loss on {len(unseen):,} unseen characters, nats per character")
    runs = [("published recipe", PUBLISHED_RUN.steps, published(seen))]
    runs += [(f"ours, seed {seed}", STEPS, race(seen, seed)) for seed in range(3)]
    ends = {}
    for turn in range(1, TURNS + 1):
        for name, steps, run in runs:
            *_, (step, seconds, model) = itertools.islice(run, steps // TURNS)
            if turn % 2 == 0:
                ends[name] = seconds, loss_on(unseen, model)
                print(f"  {name:16} ({sizes(model)}), step {step:5}  {seconds:6.1f} s  {ends[name][1]:.4f}", flush=True)
    (whole, _), *ours = ends.values()
    for seed, (seconds, reached) in enumerate(ours):
        verdict = "reached" if reached <= GOAL else "NOT reached"
        print(f"  seed {seed}: {GOAL} {verdict} in 1/{whole / seconds:.1f} of the time   (claim: 1/12 or less)")


def sizes(model: nn.Module) -> str:
    return f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M weights"


# --- throughput -----------------------------------------------------------------------------------------------------

SHAPES = {"0.8 M": (4, 4, 128, 64, 12), "10.7 M": (6, 6, 384, 256, 4)}  # layers, heads, width, context, batch
ROUNDS, STEPS_A_ROUND = 12, {"0.8 M": 20, "10.7 M": 3}


def gpt2_style(name: str) -> TransformerConfig:
    layers, heads, width, context, _ = SHAPES[name]
    return TransformerConfig(
        65, context, width, layers, heads, mlp="gelu_tanh", qkv_bias=True, output_bias=True, mlp_bias=True
    )


def our_rounds(name: str, data: TokenDataset, dtype: str, compile: bool) -> Iterator[float]:
    """Yield how many tokens a second each round processed."""
    steps = STEPS_A_ROUND[name]
    *_, context, batch = SHAPES[name]
    config = TrainConfig(
        steps=steps * (ROUNDS + 1), batch_size=batch, seq_len=context, learning_rate=1e-3, dtype=dtype, compile=compile
    )
    run = train(Transformer(gpt2_style(name)), data, config)
    yield from rounds(lambda: next(run), steps, batch * context)


def their_rounds(name: str, data: TokenDataset, dtype: str) -> Iterator[float]:
    from transformers import GPT2Config, GPT2LMHeadModel

    layers, heads, width, context, batch = SHAPES[name]
    torch.manual_seed(0)
    no_dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    shape = {"vocab_size": 65, "n_positions": context, "n_embd": width, "n_layer": layers, "n_head": heads}
    config = GPT2Config(**shape, **no_dropout, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    precision = torch.autocast("cpu", torch.bfloat16) if dtype == "bfloat16" else contextlib.nullcontext()
    numbers = iter(range(10**9))

    def step() -> None:
        x, _ = data.batch(next(numbers), batch_size=batch, seq_len=context)
        with precision:
            loss = model(x, labels=x).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    yield from rounds(step, STEPS_A_ROUND[name], batch * context)


def rounds(step: Callable[[], object], steps: int, tokens: int) -> Iterator[float]:
    for _ in range(steps):  # warm up
        step()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(steps):
            step()
        yield steps * tokens / (time.perf_counter() - started)


def apart(rates_of: Callable[..., Iterator[float]], *arguments: object) -> Iterator[float]:
    """Yield the rates that `rates_of` yields in a separate process, which measures each rate only on request."""
    spawning = multiprocessing.get_context("spawn")
    here, there = spawning.Pipe()
    spawning.Process(target=answer, args=(there, rates_of, arguments), daemon=True).start()
    here.send("next")
    while (rate := here.recv()) is not None:
        yield rate
        here.send("next")


def answer(asked: Connection, rates_of: Callable[..., Iterator[float]], arguments: tuple[object, ...]) -> None:
    rates = rates_of(*arguments)
    with contextlib.suppress(EOFError):  # nobody asks any more
        while asked.recv():
            asked.send(next(rates, None))


def peak(dtype: torch.dtype, size: int = 2048) -> float:
    """Return how many FLOPs a second a large matrix product reaches, in the best of ten tries."""
    a = torch.randn(size, size).to(dtype)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds)


def throughput() -> None:
    data = TokenDataset(torch.randint(65, (100_000,), generator=torch.Generator().manual_seed(0)))
    peaks = {dtype: peak(getattr(torch, dtype)) for dtype in ("float32", "bfloat16")}
    print(f"peak of matrix products: {', '.join(f'{dtype} {p / 1e9:.0f} GFLOP/s' for dtype, p in peaks.items())}")
    for name in SHAPES:
        for dtype in peaks:
            # The runs take turns, one round each, so that a busy machine slows all of them alike.
            runs = [apart(our_rounds, name, data, dtype, False), apart(their_rounds, name, data, dtype)]
            if has_compiler():
                runs.append(apart(our_rounds, name, data, dtype, True))
            rates = list(zip(*runs))
            ours, theirs, *_ = (statistics.median(each) for each in zip(*rates))
            ratio, *compiled = (
                statistics.median(each[run] / each[1] for each in rates) for run in (0, 2)[: len(runs) - 1]
            )
            of_peak = count(gpt2_style(name)).training_flops / peaks[dtype]
            print(
                f"  {name}, {dtype:8}: ours {ours:8,.0f} tokens/s ({ours * of_peak:.0%} of the peak), transformers "
                f"{theirs:8,.0f} ({theirs * of_peak:.0%}): {ratio:.2f}x"
                + "".join(f", compiled {ratio:.2f}x" for ratio in compiled)
                + "   (aim: 1.3x)",
                flush=True,
            )


def has_compiler() -> bool:
    try:
        require_compiler(torch.device("cpu"))
    except ValueError:
        return False
    return True


# --- scale ----------------------------------------------------------------------------------------------------------


def scale() -> None:
    print("  training time per token, and the peak memory of the process (each in its own process)")
    print("  width layers context   weights   µs a token    MB")
    for width, layers, context in ((128, 4, 64), (128, 4, 256), (128, 4, 1024), (256, 4, 256), (512, 8, 256)):
        call = [sys.executable, __file__, "--measure", *map(str, (width, layers, context))]
        print(subprocess.run(call, check=True, capture_output=True, text=True).stdout, end="")
    for processes in (1, 2):
        print(f"  {processes} process{'es' * (processes > 1)}: {distributed_rate(processes):,.0f} tokens/s in total")


def measure(width: int, layers: int, context: int) -> None:
    """Train a model of this size, and print its row of the table."""
    config = TransformerConfig(
        2048, context, width, layers, width // 32, positions="rotary", norm="rmsnorm", mlp="swiglu"
    )
    model, batch = Transformer(config), max(1, 2048 // context)
    data = TokenDataset(torch.randint(2048, (10_000,), generator=torch.Generator().manual_seed(0)))
    run = train(model, data, TrainConfig(steps=4, batch_size=batch, seq_len=context))
    rates = [step.tokens_per_second for step in run]
    print(f"  {width:5} {layers:6} {context:7}  {sizes(model):>16}  {1e6 / max(rates):6.0f} {most_memory():8,.0f}")


def most_memory() -> float:
    """Return the peak memory in megabytes; `ru_maxrss` would be wrong: a new process inherits its parent's value."""
    status = Path("/proc/self/status").read_text(encoding="ascii") if sys.platform == "linux" else ""
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else math.nan


SETTINGS = """\
folder = "{folder}"
[data]
corpus = "shakespeare"
characters = 200_000
[model]
max_seq_len = 128
d_model = 256
n_layers = 4
n_heads = 8
[train]
steps = 12
batch_size = 16
seq_len = 128
"""


def distributed_rate(processes: int) -> float:
    """Train under torchrun with one thread per process; return the median of the tokens a second in the run's log."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.toml"
        settings.write_text(SETTINGS.format(folder=f"{folder}/run"), encoding="utf-8")
        call = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        call += ["-m", "llmlib", "train", str(settings)]
        subprocess.run(call, check=True, capture_output=True, env=environment)
        with open(f"{folder}/run/log.csv", encoding="utf-8") as file:
            return statistics.median(float(row["tokens_per_second"]) for row in csv.DictReader(file))


PARTS = {"quality": quality, "throughput": throughput, "scale": scale}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part")
    parser.add_argument("--measure", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return
    for name in arguments.part or PARTS:
        print(f"\n-- {name}")
        PARTS[name]()


if __name__ == "__main__":
    main()
