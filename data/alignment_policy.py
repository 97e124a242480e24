"""Define lesson 09's policy-gradient experiments: what improves training, the price of mistakes, cheating a reward."""

import copy
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from alignment_loop import (
    GROUP,
    PROMPTS,
    advantages,
    cautious,
    draw,
    each,
    encoded,
    policy_gradient,
    scored,
    texts_of,
    tokenizer,
    truth,
)
from alignment_measures import CHOOSE, LEARN, REPORT, about, counted, distance, giving, other_kinds, skill
from experiments import Rows
from torch import Tensor

from llmlib import Transformer, load_pretrained
from llmlib.finetuning import pairs, scores
from llmlib.finetuning.tales import Prompt
from llmlib.preferences import AlignConfig, align

ANSWERS = Path(__file__).parent / "alignment_answers.json"


@torch.no_grad()
def reads(arm: str, seed: int) -> Rows:
    """Test, before any rewards are used, whether the right answer is likelier with its own story than with others."""
    prompts, elsewhere = about("when", 60, "validation", 500_000), []
    if arm == "gifts":
        prompts = [pair.told for pair in giving(*REPORT)[0]]
        elsewhere = [pair.untold for pair in giving(*REPORT)[0]]
    right = [prompt.answer for prompt in prompts]
    candidates = sorted(set(right))

    def chances(asked: Sequence[Prompt]) -> Tensor:
        answers, mask = encoded(candidates)
        rows = [(scored(cautious(seed), [p], answers, torch.arange(len(candidates)))[0] * mask).sum(1) for p in asked]
        return torch.stack(rows).exp()  # [prompt, candidate]

    found, places = chances(prompts), torch.tensor([candidates.index(answer) for answer in right])
    own = found[torch.arange(len(right)), places]
    others = (found[:, places].sum(0) - own) / (len(right) - 1)
    yield 0, "its own story", own.mean().item(), ""
    yield 0, "the others' stories", others.mean().item(), ""
    yield 0, "any of the candidates", found.sum(1).mean().item(), ""
    if elsewhere:
        silent = chances(elsewhere)[torch.arange(len(right)), places]
        yield 0, "its pair's silent story", silent.mean().item(), ""
    yield 0, "the likeliest candidate is right", (found.argmax(1) == places).sum().item(), len(right)
    yield 0, "the commonest answer is right", max(Counter(right).values()), len(right)


HOW = ("reward alone", "reward plus 3", "minus the batch's mean", "minus the group's mean", "and by its deviation")


def rates(arm: str, seed: int) -> Rows:
    """Train with one learning rate, and test on the stories of `CHOOSE`, so that each arm's best rate can be chosen."""
    how, _, rate = arm.partition(" @ ")
    model = copy.deepcopy(cautious(seed))
    for _ in policy_gradient(model, giving(*LEARN)[1], each(truth), how=how, rate=float(rate), seed=seed):
        pass
    yield from skill(model, 30, CHOOSE)


def start(arm: str, seed: int) -> Rows:
    """Measure the cautious model before any training."""
    yield from skill(cautious(seed), 0)
    yield from other_kinds(cautious(seed), 0)
    yield from ((0, name, value, "") for name, value in distance(cautious(seed), cautious(seed), seed).items())


def short(arm: str, seed: int) -> Rows:
    """Repeat the lesson's training run, from the lesson's model; the seed sets the order of prompts and the samples."""
    model, _ = load_pretrained(Path(__file__).parent / "cautious", device="cpu", dtype="float32")
    yield from skill(model, 0)
    prompts, reward = giving(64, "train", 100_000)[1], each(truth)
    config = AlignConfig(steps=14, max_new_tokens=24, seed=seed)
    for _ in align(model, tokenizer, prompts, lambda asked, answers: reward(answers, asked).tolist(), config):
        pass
    yield from skill(model, 14)


def ladder(arm: str, seed: int) -> Rows:
    """Train with advantages computed in one way, at the best learning rate for it; the arm names both."""
    how, _, rate = arm.partition(" @ ")
    model = copy.deepcopy(cautious(seed))
    run = policy_gradient(model, giving(*LEARN)[1], each(truth), how=how, rate=float(rate), seed=seed)
    yield from followed(run, model, seed, often="group" in how)
    if "group" in how:
        yield from other_kinds(model, 30)


def followed(run: Iterator[dict[str, float]], model: Transformer, seed: int, often: bool = False) -> Rows:
    """Yield measures of each step's answers and, at the end, what the model has learned and how far it has moved."""
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
    """Train for 15 steps, with one or four updates on each step's answers; the arm names the variant and the rate."""
    name, _, rate = arm.partition(" @ ")
    model = copy.deepcopy(cautious(seed))
    prompts, settings = giving(*LEARN)[1], REUSED[name]
    run = policy_gradient(model, prompts, each(truth), rate=float(rate), steps=15, seed=seed, **settings)
    yield from followed(run, model, seed)


def held_back(arm: str, seed: int) -> Rows:
    """Train with a penalty on the KL to the reference."""
    model, reference = copy.deepcopy(cautious(seed)), cautious(seed)
    run = policy_gradient(
        model, giving(*LEARN)[1], each(truth), beta=float(arm.removeprefix("beta ")), seed=seed, reference=reference
    )
    yield from followed(run, model, seed, often=True)
    yield from other_kinds(model, 30)


def imitation(arm: str, seed: int) -> Rows:
    """Train on the right answers as examples, in 30 steps of 8; the prompts and their order are those of `ladder`."""
    model, reference = copy.deepcopy(cautious(seed)), cautious(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=float(arm.partition(" @ ")[2]), betas=(0.9, 0.95), weight_decay=0
    )
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


def variance(arm: str, seed: int) -> Rows:
    """Measure how noisy the gradient is with 8 prompts and 8 answers to each.

    The gradient is sampled 12 times, and every method in `HOW` uses the same samples.
    """
    model, some = copy.deepcopy(cautious(seed)), giving(*LEARN)[1][:PROMPTS]
    generator = torch.Generator().manual_seed(seed)
    sums = {how: [0.0, 0.0] for how in HOW}
    for _ in range(12):
        answers, mask = draw(model, some, generator)
        asked = [prompt for prompt in some for _ in range(GROUP)]
        rewards = each(truth)(texts_of(answers, mask), asked).view(PROMPTS, GROUP)
        log_probs, _ = scored(model, some, answers, torch.arange(len(answers)))
        for how in HOW:
            gain = (advantages(rewards, how).flatten() * (log_probs * mask).sum(1)).mean()
            parts = torch.autograd.grad(gain, list(model.parameters()), retain_graph=True)
            gradient = torch.cat([part.flatten() for part in parts])
            sums[how] = [sums[how][0] + gradient, sums[how][1] + gradient.square().sum().item()]
    for how, (total, squares) in sums.items():
        mean = total / 12
        spread = (squares - 12 * mean.square().sum().item()) / 11
        yield 0, f"{how}: size of the mean gradient", mean.norm().item(), ""
        yield 0, f"{how}: deviation of one gradient", spread**0.5, ""


def when(arm: str, seed: int) -> Rows:
    """Train on questions that the model rarely gets right; a wrong answer costs 0, 0.5 or 2 (a right one earns 1)."""
    cost = float(arm.removeprefix("wrong costs "))
    tests = about("when", 60, "validation", 500_000)
    model = copy.deepcopy(cautious(seed))
    if cost == 0.5:
        yield from counted(model, tests, 0)
    reward = each(lambda text, prompt: truth(text, prompt, cost))
    for step, found in enumerate(policy_gradient(model, about("when", 240, "train", 100_000), reward, seed=seed), 1):
        yield from ((step, f"step: {measure}", value, "") for measure, value in found.items())
    yield from counted(model, tests, 30)


def price(arm: str, seed: int) -> Rows:
    """Test how the price of a wrong answer affects answers to eight wordings, some of which the model often refuses."""
    cost = float(arm.removeprefix("wrong costs "))
    learn = pairs.minimal_pairs(120, split="train", start=150_000)
    tests = pairs.minimal_pairs(60, split="validation", start=350_000)
    model = copy.deepcopy(cautious(seed))
    if cost == 0.5:
        for measure, score in pairs.pair_scores(model, tokenizer, tests, 24).items():
            yield 0, measure, score.right, score.of
    reward = each(lambda text, prompt: truth(text, prompt, cost))
    prompts = [prompt for pair in learn for prompt in (pair.told, pair.untold)]
    for step, found in enumerate(policy_gradient(model, prompts, reward, seed=seed), 1):
        yield from ((step, f"step: {measure}", value, "") for measure, value in found.items())
    for measure, score in pairs.pair_scores(model, tokenizer, tests, 24).items():
        yield 30, measure, score.right, score.of


def entries(text: str) -> list[str]:
    return [entry.strip(" .") for entry in text.split(",")] if text else []


def named(text: str, prompt: Prompt) -> float:
    """Return the share of the story's animals that the text names."""
    right = set(entries(prompt.answer))
    return len(right & set(entries(text))) / len(right)


def mended(text: str, prompt: Prompt) -> float:
    """Return (hits − other entries) / (number of animals in the story); a hit names one of them for the first time."""
    said, right = entries(text), entries(prompt.answer)
    hits = len(set(said) & set(right))
    return (hits - (len(said) - hits)) / len(right)


def lists(arm: str, seed: int) -> Rows:
    """Train the model to list a story's animals, with the reward `named`, `mended` or "exact"."""
    reward = {"named": named, "mended": mended, "exact": lambda text, prompt: float(text == prompt.answer)}[arm]
    tests = about("animals", 40, "validation", 600_000)
    model = copy.deepcopy(cautious(seed))
    if arm == "named":
        yield from listed(model, tests, 0, "before", seed)
    run = policy_gradient(
        model,
        about("animals", 192, "train", 100_000),
        each(reward),
        rate=4e-4,
        seed=seed,
        steps=24,
        longest=32,
        judge=mended,
    )
    for step, found in enumerate(run, 1):
        yield from ((step, f"step: {measure}", value, "") for measure, value in found.items())
    yield from listed(model, tests, 24, arm, seed)


def listed(model: Transformer, tests: Sequence[Prompt], step: int, arm: str, seed: int) -> Rows:
    given = scores.answer_all(model, tokenizer, [prompt.messages for prompt in tests], 48)
    yield step, "right", sum(text == prompt.answer for text, prompt in zip(given, tests)), len(tests)
    for name, measure in (("named", named), ("mended", mended)):
        yield step, name, sum(map(measure, given, tests)) / len(tests), ""
    yield step, "entries", sum(len(entries(text)) for text in given) / len(tests), ""
    if seed == 0:
        kept = json.loads(ANSWERS.read_text()) if ANSWERS.exists() else {}
        kept[arm] = [{"right": prompt.answer, "given": text} for text, prompt in zip(given[:12], tests)]
        ANSWERS.write_text(json.dumps(kept, indent=1) + "\n")
