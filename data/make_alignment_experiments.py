"""The experiments of lesson 09 that take longer than a lesson may: validation stories, three seeds where not said.

    python data/make_alignment_experiments.py [EXPERIMENT …]     (stopped, it goes on where it was)

Nothing here touches the held-out stories: those are asked once, in the lesson. A line of alignment_experiments.csv is
one number: the experiment, its arm, the seed, the step, what was measured, its value, and of how many prompts it is a
count, if it is one. alignment_answers.json holds answers of two models that were trained on lists.

The seed is that of the starting model (lesson 08's cautious one: the order and the choice of its conversations), of the
prompts' order and of the drawn answers. The loop is written out here, not taken from `llmlib.preferences.align`, so
that each way to spoil it can be an arm, and so that a prompt is read once for its eight answers, in training too.
"""

import copy
import csv
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from llmlib import TrainConfig, Transformer, load_pretrained
from llmlib.chat import TALES, encode_chat, with_chat_template
from llmlib.corpora.tinytales.tasks import NOT_TOLD
from llmlib.finetuning import pairs, start_tokens, tales, tune
from llmlib.finetuning.tales import Prompt
from llmlib.transformer import Cache

FILE = Path(__file__).parent / "alignment_experiments.csv"
ANSWERS = FILE.with_name("alignment_answers.json")
FIELDS = ("experiment", "arm", "seed", "step", "measure", "value", "of")
MUON = {
    "seq_len": 512, "optimizer": "muon", "learning_rate": 3e-3, "matrix_learning_rate": 6e-3,
    "betas": (0.9, 0.98), "weight_decay": 0.0, "schedule": "linear",
}  # fmt: skip
PROMPTS, GROUP = 8, 8  # prompts a step, and answers drawn for each

Rows = Iterator[tuple[int, str, float, int | str]]  # step, measure, value, of
Reward = Callable[[str, Prompt], float]

torch.set_num_threads(1)
base, plain = load_pretrained("tinytales", device="cpu", dtype="float32")
tokenizer = with_chat_template(plain, TALES)
start_tokens(base, tokenizer, {"<|user|>": "\n", "<|assistant|>": "?"})
(END,) = tokenizer.encode("<|endoftext|>", allowed_special="all")


@cache
def cautious(seed: int) -> Transformer:
    """Lesson 08's model that refuses by the wording. Copy it before you train it."""
    talks = tales.training_conversations(240, kinds=tales.KINDS, balanced=False, start=10_000 * seed)
    model = copy.deepcopy(base)
    for _ in tune(model, tokenizer, talks, TrainConfig(60, 4, warmup=8, seed=seed, **MUON)):
        pass
    return model.requires_grad_(True)


# --- drawing answers, and their log-probabilities: the prompt is read once for all answers of its group ---


class Growing:
    """A layer's keys and values that gradients flow through, unlike a `KVCache`, which is written in place."""

    keys: Tensor | None = None
    values: Tensor | None = None

    def write(self, k: Tensor, v: Tensor, start: int) -> tuple[Tensor, Tensor]:
        self.keys = k if self.keys is None else torch.cat((self.keys, k), dim=2)
        self.values = v if self.values is None else torch.cat((self.values, v), dim=2)
        return self.keys, self.values


def padded(prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
    rows = [encode_chat(tokenizer, prompt.messages) for prompt in prompts]
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    return ids, torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])


@torch.no_grad()
def draw(
    model: Transformer, prompts: Sequence[Prompt], generator: torch.Generator, longest: int = 24, group: int = GROUP
) -> tuple[Tensor, Tensor]:
    """Return answers at temperature 1 [prompt·group, token], and a mask that is True up to their end tokens."""
    ids, real = padded(prompts)
    memory = model.new_cache(len(ids), ids.shape[1] + longest)
    logits = model(ids, cache=memory, attention_mask=real, last_only=True)[:, -1]
    rows = torch.arange(len(ids)).repeat_interleave(group)
    memory.reorder(rows)
    logits, held = logits[rows], torch.arange(len(rows))
    answers = torch.full((len(rows), longest), END)
    for place in range(longest):
        answers[held, place] = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
        on = answers[held, place] != END
        if not on.any() or place == longest - 1:
            break
        if on.float().mean() <= 0.7:  # to drop a row costs a copy of all others
            memory.reorder(on.nonzero()[:, 0])
            held = held[on]
        logits = model(answers[held, place, None], cache=memory, last_only=True)[:, -1]
    answers = answers[:, : place + 1]
    ended = answers == END
    return answers, ended.cumsum(1) - ended.long() == 0


def scored(model: Transformer, prompts: Sequence[Prompt], answers: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of some rows of `answers` [row, token], and the whole distributions."""
    group = len(answers) // len(prompts)
    needed, of = torch.unique(rows // group, return_inverse=True)
    ids, real = padded([prompts[i] for i in needed.tolist()])
    memory = Cache(model.config, len(ids))
    memory.layers = [Growing() for _ in model.blocks]  # type: ignore[misc]
    first = model(ids, cache=memory, attention_mask=real, last_only=True)
    memory.reorder(of)
    rest = model(answers[rows, :-1], cache=memory) if answers.shape[1] > 1 else first[of, :0]
    log_probs = torch.cat((first[of], rest), dim=1).log_softmax(-1)
    return log_probs.gather(-1, answers[rows, :, None])[..., 0], log_probs


def texts_of(answers: Tensor, mask: Tensor) -> list[str]:
    return [
        tokenizer.decode([id for id in row[real].tolist() if id != END]).strip() for row, real in zip(answers, mask)
    ]


def truth(text: str, prompt: Prompt, wrong: float = 0.5) -> float:
    """1 for the right answer, 0 for "The story does not say.", and minus `wrong` for anything else."""
    return 1.0 if text == prompt.answer else 0.0 if text == NOT_TOLD else -wrong


# --- the policy gradient: each arm changes one line ---


def advantages(rewards: Tensor, how: str) -> Tensor:
    """`rewards` are [prompt, answer]."""
    if how == "reward alone":
        return rewards
    if how == "minus the batch's mean":
        return rewards - rewards.mean()
    centred = rewards - rewards.mean(dim=1, keepdim=True)
    if how == "minus the group's mean":
        return centred
    return centred / (rewards.std(dim=1, keepdim=True) + 1e-4)  # "and by its deviation"


def policy_gradient(
    model: Transformer, prompts: Sequence[Prompt], reward: Callable[[list[str], list[Prompt]], Tensor], *,
    how: str = "minus the group's mean", rate: float = 2e-4, steps: int = 30, seed: int = 0, updates: int = 1,
    ratio: bool = True, clip: float = math.inf, beta: float = 0.0, reference: Transformer | None = None,
    longest: int = 24,
) -> Iterator[dict[str, float]]:  # fmt: skip
    """Train in place; yield what a step's answers were like."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(prompts), generator=generator).tolist()
    for step in range(steps):
        some = [prompts[order[i % len(order)]] for i in range(step * PROMPTS, (step + 1) * PROMPTS)]
        answers, mask = draw(model, some, generator, longest)
        texts, asked = texts_of(answers, mask), [prompt for prompt in some for _ in range(GROUP)]
        rewards = reward(texts, asked).view(PROMPTS, GROUP)
        advantage = advantages(rewards, how).flatten()
        rows = torch.arange(len(answers)) if beta else advantage.abs().gt(1e-6).nonzero()[:, 0]
        entropy, kl = 0.0, 0.0
        for update in range(updates if len(rows) else 0):
            log_probs, whole = scored(model, some, answers, rows)
            real = mask[rows]
            if update == 0:
                old = log_probs.detach()
                entropy = (-(whole.exp() * whole).sum(-1) * real).sum().item() / real.sum().item()
            change = (log_probs - old).exp() if ratio else log_probs
            gain = change * advantage[rows, None]
            if ratio:
                gain = torch.minimum(gain, change.clamp(1 - clip, 1 + clip) * advantage[rows, None])
            loss = -(gain * real).sum() / len(answers)
            if beta:
                with torch.no_grad():
                    theirs, _ = scored(reference, some, answers, rows)
                log_ratio = (theirs - log_probs) * real
                k3 = ((log_ratio.exp() - 1 - log_ratio) * real).sum() / len(answers)
                kl = -log_ratio.sum().item() / len(answers)
                loss = loss + beta * k3
            optimizer.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
            optimizer.step()
        equal = (rewards.std(dim=1) < 1e-6).sum().item()
        yield {
            "reward": rewards.mean().item(), "entropy": entropy, "length": mask.sum().item() / len(mask),
            "equal groups": equal, "cut off": (answers[:, -1] != END).sum().item() / len(mask) if answers.shape[1] == longest else 0.0,
            "norm": norm if len(rows) else 0.0, "k1": kl,
            "truth": sum(map(truth, texts, asked)) / len(texts),
        }  # fmt: skip


def each(reward: Reward) -> Callable[[list[str], list[Prompt]], Tensor]:
    return lambda texts, prompts: torch.tensor([reward(*both) for both in zip(texts, prompts)])


# --- what is measured ---


@cache
def giving(n: int, split: str, start: int) -> tuple[list[pairs.Pair], list[Prompt]]:
    """Minimal pairs of "What did … give to …?", and their prompts."""
    found = pairs.minimal_pairs(n, wordings=[pairs.GIVING], split=split, start=start)
    return found, [prompt for pair in found for prompt in (pair.told, pair.untold)]


LEARN, CHOOSE, REPORT = (200, "train", 100_000), (30, "validation", 20_000), (40, "validation", 300_000)


def skill(model: Transformer, step: int, which=REPORT) -> Rows:
    for measure, score in pairs.pair_scores(model, tokenizer, giving(*which)[0], 24).items():
        yield step, measure, score.right, score.of


@torch.no_grad()
def distance(model: Transformer, reference: Transformer, seed: int, n: int = 24) -> dict[str, float]:
    """On drawn answers: the exact KL by token, summed, and the true reward."""
    some = giving(*REPORT)[1][:n]
    answers, mask = draw(model, some, torch.Generator().manual_seed(1000 + seed), group=4)
    rows = torch.arange(len(answers))
    (_, ours), (_, theirs) = scored(model, some, answers, rows), scored(reference, some, answers, rows)
    kl = ((ours.exp() * (ours - theirs)).sum(-1) * mask).sum(1)
    right = [truth(*both) for both in zip(texts_of(answers, mask), [p for p in some for _ in range(4)])]
    entropy = ((-(ours.exp() * ours).sum(-1)) * mask).sum() / mask.sum()
    return {"KL": kl.mean().item(), "drawn: reward": sum(right) / len(right), "drawn: entropy": entropy.item()}


@cache
def others() -> list[Prompt]:
    return tales.held_out_prompts(10, split="validation", start=400_000)


def other_kinds(model: Transformer, step: int) -> Rows:
    for kind, score in tales.scores(model, tokenizer, others(), 32).items():
        yield step, f"other kinds, {kind}", score.right, score.of


HOW = ("reward alone", "minus the batch's mean", "minus the group's mean", "and by its deviation")


def rates(arm: str, seed: int) -> Rows:
    """One seed, another set of stories: which learning rate is best for each arm?"""
    how, _, rate = arm.partition(" @ ")
    model = copy.deepcopy(cautious(seed))
    for _ in policy_gradient(model, giving(*LEARN)[1], each(truth), how=how, rate=float(rate), seed=seed):
        pass
    yield from skill(model, 30, CHOOSE)


def start(arm: str, seed: int) -> Rows:
    """The cautious model, before anything."""
    yield from skill(cautious(seed), 0)
    yield from other_kinds(cautious(seed), 0)
    yield from ((0, name, value, "") for name, value in distance(cautious(seed), cautious(seed), seed).items())


def ladder(arm: str, seed: int) -> Rows:
    """From the naive policy gradient to the group's mean, each at its best rate."""
    how, _, rate = arm.partition(" @ ")
    model = copy.deepcopy(cautious(seed))
    run = policy_gradient(model, giving(*LEARN)[1], each(truth), how=how, rate=float(rate), seed=seed)
    yield from followed(run, model, seed, often="group" in how)
    if "group" in how:
        yield from other_kinds(model, 30)


def followed(run: Iterator[dict[str, float]], model: Transformer, seed: int, often: bool = False) -> Rows:
    """What each step's answers were like, and at the end what the model has learned and how far it has moved."""
    steps = 0
    for steps, found in enumerate(run, 1):
        yield from ((steps, f"step: {measure}", value, "") for measure, value in found.items())
        if often and steps in (10, 20):
            yield from ((steps, name, value, "") for name, value in distance(model, cautious(seed), seed).items())
    yield from skill(model, steps)
    yield from ((steps, name, value, "") for name, value in distance(model, cautious(seed), seed).items())


REUSED = {
    "one update": {},
    "four updates, no ratio": {"updates": 4, "ratio": False},
    "four updates, ratio": {"updates": 4},
    "four updates, ratio and clip": {"updates": 4, "clip": 0.2},
}


def reuse(arm: str, seed: int) -> Rows:
    """The same answers used for four updates: 15 steps at half the rate or the whole one."""
    name, _, rate = arm.partition(" @ ")
    model = copy.deepcopy(cautious(seed))
    prompts, settings = giving(*LEARN)[1], REUSED[name]
    run = policy_gradient(model, prompts, each(truth), rate=float(rate), steps=15, seed=seed, **settings)
    yield from followed(run, model, seed)


def held_back(arm: str, seed: int) -> Rows:
    """A price on the KL to the reference."""
    model, reference = copy.deepcopy(cautious(seed)), cautious(seed)
    run = policy_gradient(
        model, giving(*LEARN)[1], each(truth), beta=float(arm.removeprefix("beta ")), seed=seed, reference=reference
    )
    yield from followed(run, model, seed, often=True)
    yield from other_kinds(model, 30)


def imitation(arm: str, seed: int) -> Rows:
    """The same prompts in the same order, and their right answers as examples: 30 steps of 8."""
    model, reference = copy.deepcopy(cautious(seed)), cautious(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=float(arm.partition(" @ ")[2]), betas=(0.9, 0.95), weight_decay=0)
    prompts = giving(*LEARN)[1]
    order = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(seed)).tolist()
    for step in range(1, 31):
        some = [prompts[order[i]] for i in range((step - 1) * PROMPTS, step * PROMPTS)]
        answers, mask = encoded([prompt.answer for prompt in some])
        log_probs, _ = scored(model, some, answers, torch.arange(len(some)))
        optimizer.zero_grad()
        (-(log_probs * mask).sum() / mask.sum()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step in (10, 20, 30):
            yield from ((step, name, value, "") for name, value in distance(model, reference, seed).items())
    yield from skill(model, 30)
    yield from other_kinds(model, 30)


def encoded(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Answers as ids [text, token] with their end tokens, and a mask that is True up to these."""
    rows = [[*tokenizer.encode(" " + text), END] for text in texts]
    width = max(map(len, rows))
    ids = torch.tensor([row + [END] * (width - len(row)) for row in rows])
    return ids, torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows])


EXPERIMENTS: tuple[tuple[Callable[[str, int], Rows], tuple[str, ...], int], ...] = (  # run, its arms, how many seeds
    (start, ("cautious",), 3),
    (ladder, tuple(f"{how} @ 0.0002" for how in HOW), 3),
    (rates, tuple(f"{how} @ {rate}" for how in HOW for rate in ("0.0001", "0.0004")), 1),
)


def main() -> None:
    known = set()
    if FILE.exists():
        with FILE.open(newline="") as file:
            known = {(row["experiment"], row["arm"], row["seed"]) for row in csv.DictReader(file)}
    else:
        FILE.write_text(",".join(FIELDS) + "\n")
    for run, arms, seeds in EXPERIMENTS:
        for seed in range(seeds):
            for arm in arms:
                if (run.__name__, arm, str(seed)) in known or (sys.argv[1:] and run.__name__ not in sys.argv[1:]):
                    continue
                measured = [[step, what, f"{value:.4g}", of] for step, what, value, of in run(arm, seed)]
                with FILE.open("a", newline="") as file:  # a run is written whole, or not at all
                    rows = [[run.__name__, arm, seed, *row] for row in measured]
                    csv.writer(file, lineterminator="\n").writerows(rows)
                print(run.__name__, arm, seed, measured[-1][1:], flush=True)


if __name__ == "__main__":
    main()
