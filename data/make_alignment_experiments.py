"""The experiments of lesson 09 that take longer than a lesson may: validation stories, three seeds where not said.

    python data/make_alignment_experiments.py [EXPERIMENT …]     (stopped, it goes on where it was)

Nothing here touches the held-out stories: those are asked once, in the lesson. A line of alignment_experiments.csv is
one number: the experiment, its arm, the seed, the step, what was measured, its value, and of how many prompts it is a
count, if it is one. alignment_answers.json holds answers of two models that were trained on lists.

The seed is that of the starting model (lesson 08's cautious one: the order and the choice of its conversations), of the
prompts' order and of the drawn answers. The loop is in alignment_loop.py, the reward model in
alignment_judge.py.
"""

import copy
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import torch
from alignment_judge import asking, preferences, reward_model
from alignment_loop import (
    GROUP,
    PROMPTS,
    advantages,
    cautious,
    draw,
    each,
    encoded,
    kl_of,
    policy_gradient,
    scored,
    texts_of,
    tokenizer,
    truth,
)
from experiments import Experiment, Rows, run_missing
from torch import Tensor

from llmlib import Transformer
from llmlib.corpora.tinytales.tasks import NOT_TOLD
from llmlib.finetuning import pairs, scores, tales
from llmlib.finetuning.tales import Prompt
from llmlib.preferences import best_of_n, dpo_loss

FILE = Path(__file__).parent / "alignment_experiments.csv"
ANSWERS = FILE.with_name("alignment_answers.json")
FIELDS = ("experiment", "arm", "seed", "step", "measure", "value", "of")
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
    kl = kl_of(model, reference, some, answers, mask).mean().item()
    right = [truth(*both) for both in zip(texts_of(answers, mask), [p for p in some for _ in range(4)])]
    _, whole = scored(model, some, answers, torch.arange(len(answers)))
    entropy = (-(whole.exp() * whole).sum(-1) * mask).sum() / mask.sum()
    return {"KL": kl, "drawn: reward": sum(right) / len(right), "drawn: entropy": entropy.item()}


@cache
def others() -> list[Prompt]:
    return tales.held_out_prompts(10, split="validation", start=400_000)


def other_kinds(model: Transformer, step: int) -> Rows:
    for kind, score in tales.scores(model, tokenizer, others(), 32).items():
        yield step, f"other kinds, {kind}", score.right, score.of


@torch.no_grad()
def reads(arm: str, seed: int) -> Rows:
    """Before any reward: is the right answer likelier with its own story than with others, or is it a guess?"""
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
    """How noisy is the gradient? The same 8 prompts, 8 answers each, drawn 12 times: the same draws for all arms."""
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


# --- what it does not lift, what a mistake costs, and a reward that is cheated ---


@cache
def about(kind: str, n: int, split: str, start: int) -> list[Prompt]:
    return tales.held_out_prompts(n, kinds=[kind], split=split, start=start)


def when(arm: str, seed: int) -> Rows:
    """Questions that it rarely gets right; a wrong answer costs nothing, half of what a right one earns, or twice."""
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
    """Eight wordings, some of them often refused: what does the price of a wrong answer change?"""
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


def counted(model: Transformer, tests: Sequence[Prompt], step: int) -> Rows:
    given = scores.answer_all(model, tokenizer, [prompt.messages for prompt in tests], 32)
    yield step, "right", sum(text == prompt.answer for text, prompt in zip(given, tests)), len(tests)
    yield step, "refused", sum(text == NOT_TOLD for text in given), len(tests)


def entries(text: str) -> list[str]:
    return [entry.strip(" .") for entry in text.split(",")] if text else []


def named(text: str, prompt: Prompt) -> float:
    """The share of the story's animals that are named."""
    right = set(entries(prompt.answer))
    return len(right & set(entries(text))) / len(right)


def mended(text: str, prompt: Prompt) -> float:
    """The same, less one for each entry that names no new animal of the story."""
    said, right = entries(text), entries(prompt.answer)
    hits = len(set(said) & set(right))
    return (hits - (len(said) - hits)) / len(right)


def lists(arm: str, seed: int) -> Rows:
    """List the animals in the story: a reward for the share that is named, or the mended one."""
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


# --- DPO ---


def opposites(n_pairs: Sequence[pairs.Pair]) -> list[tuple[Prompt, str, str]]:
    """The right answer, and the mistake that the cautious model may make: to refuse, or to invent."""
    both = [(pair.told, pair.told.answer, NOT_TOLD) for pair in n_pairs]
    return both + [(pair.untold, NOT_TOLD, pair.told.answer) for pair in n_pairs]


def drawn(model: Transformer, seed: int, prompts: Sequence[Prompt]) -> list[tuple[Prompt, str, str]]:
    """The model's own answers: of eight, a best one and a worst one, where their rewards differ."""
    generator, found = torch.Generator().manual_seed(seed), []
    for begin in range(0, len(prompts), PROMPTS):
        some = prompts[begin : begin + PROMPTS]
        texts = texts_of(*draw(model, some, generator))
        for number, prompt in enumerate(some):
            group = sorted(texts[number * GROUP : (number + 1) * GROUP], key=lambda text: truth(text, prompt))
            if truth(group[0], prompt) < truth(group[-1], prompt):
                found.append((prompt, group[-1], group[0]))
    return found


def both_scored(model: Transformer, some: Sequence[tuple[Prompt, str, str]]) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of the chosen and of the rejected answers."""
    answers, mask = encoded([text for _, chosen, rejected in some for text in (chosen, rejected)])
    log_probs, _ = scored(model, [prompt for prompt, *_ in some], answers, torch.arange(2 * len(some)))
    chosen, rejected = (log_probs * mask).sum(1).view(-1, 2).T
    return chosen, rejected


def dpo(arm: str, seed: int) -> Rows:
    """60 steps of 8 pairs; arms: whose answers, beta, learning rate."""
    whose, beta, rate = arm.split(", ")
    model, reference = copy.deepcopy(cautious(seed)), cautious(seed)
    learn = drawn(reference, seed, giving(*LEARN)[1]) if whose == "own answers" else opposites(giving(*LEARN)[0])
    watched = {"": opposites(giving(*REPORT)[0])[::3], ", own answers": drawn(reference, seed, giving(*REPORT)[1])[:24]}
    optimizer = torch.optim.AdamW(model.parameters(), lr=float(rate), betas=(0.9, 0.95), weight_decay=0.0)
    order = torch.randperm(len(learn), generator=torch.Generator().manual_seed(seed)).tolist()
    yield 0, "pairs to learn from", len(learn), ""
    for step in range(61):
        if step % 10 == 0:
            for pairs_of, held_back in watched.items():
                with torch.no_grad():
                    chosen, rejected = both_scored(model, held_back)
                yield step, f"ln p of the chosen{pairs_of}", chosen.mean().item(), ""
                yield step, f"ln p of the rejected{pairs_of}", rejected.mean().item(), ""
            if step % 20 == 0:
                yield from ((step, name, value, "") for name, value in distance(model, reference, seed).items())
        if step == 60:
            break
        some = [learn[order[i % len(order)]] for i in range(step * PROMPTS, (step + 1) * PROMPTS)]
        with torch.no_grad():
            theirs = both_scored(reference, some)
        ours = both_scored(model, some)
        optimizer.zero_grad()
        dpo_loss(*ours, *theirs, beta=float(beta.removeprefix("beta "))).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    yield from skill(model, 60)
    yield from other_kinds(model, 60)


# --- a reward model, and what becomes of those who believe it ---


MIXED = ("who", "what", "where", "why", "unanswerable")


def mixed(n: int, split: str, start: int, seed: int) -> list[Prompt]:
    found = tales.held_out_prompts(n, kinds=MIXED, split=split, start=start)
    return [found[i] for i in torch.randperm(len(found), generator=torch.Generator().manual_seed(seed)).tolist()]


# What the reward model is trained on besides: the pair that its 500 lack, or as many more like them.
EXTRA = {"reward model": "", "refusals below": "refusals", "more stories": "stories"}


@torch.no_grad()
def judged(arm: str, seed: int) -> Rows:
    """The reward model on held-back pairs, by what is wrong with the worse answer; and on refusals."""
    judge = reward_model(seed, EXTRA[arm])
    tests = preferences(50, "validation", 200_000)
    wins = []
    for begin in range(0, len(tests), 20):
        some = tests[begin : begin + 20]
        pair = judge(list(map(asking, some)), [t for p in some for t in (p.chosen, p.rejected)]).view(-1, 2)
        wins += (pair[:, 0] > pair[:, 1]).tolist()
    for fault in dict.fromkeys(p.fault for p in tests):
        of = [win for win, p in zip(wins, tests) if p.fault == fault]
        yield 0, fault, sum(of), len(of)
    yield 0, "all", sum(wins), len(wins)
    some = opposites(giving(40, "validation", 300_000)[0])
    pair = judge([p for p, *_ in some], [text for _, *both in some for text in both]).view(-1, 2)
    for name, part in (("right answer above refusal", pair[:40]), ("refusal above invention", pair[40:])):
        yield 0, name, (part[:, 0] > part[:, 1]).sum().item(), 40


@torch.no_grad()
def many(arm: str, seed: int) -> Rows:
    """Best of n: 32 answers to each of 40 prompts at temperature 1.5, chosen by the reward model."""
    tests, temperature = mixed(8, "validation", 700_000, 0), 1.5
    generator, judge, proxy, true, distinct = torch.Generator().manual_seed(seed), reward_model(seed), [], [], 0
    for begin in range(0, len(tests), 4):
        some = tests[begin : begin + 4]
        texts = texts_of(*draw(cautious(seed), some, generator, group=32, temperature=temperature))
        proxy.append(judge(some, texts).view(-1, 32))
        true.append(each(truth)(texts, [p for p in some for _ in range(32)]).view(-1, 32))
        distinct += sum(len(set(texts[i * 32 : (i + 1) * 32])) for i in range(len(some)))
    rewards, values = torch.cat(proxy), torch.cat(true)
    yield 0, "different answers of 32", distinct / len(tests), ""
    for n in (1, 2, 4, 8, 16, 32):
        yield n, "proxy", best_of_n(rewards, n), ""
        yield n, "truth", best_of_n(rewards, n, values), ""
        yield n, "truth, chosen by the truth", best_of_n(values, n), ""


def believed(arm: str, seed: int) -> Rows:
    """The policy gradient with the reward model's reward, at a high rate: 32 steps, watched on the same 60 prompts."""
    rate, beta, *more = arm.split(", ")
    judge = reward_model(seed, EXTRA[more[0]] if more else "")
    model, reference = copy.deepcopy(cautious(seed)), cautious(seed)
    tests = mixed(12, "validation", 800_000, 0)

    @torch.no_grad()
    def proxy(texts: list[str], prompts: list[Prompt]) -> Tensor:
        return judge(prompts[::GROUP], texts)

    def watched(step: int) -> Rows:
        answers, mask = draw(model, tests, torch.Generator().manual_seed(seed), group=2)
        texts, asked = texts_of(answers, mask), [prompt for prompt in tests for _ in range(2)]
        with torch.no_grad():
            yield step, "proxy", judge(tests, texts).mean().item(), ""
        yield step, "truth", sum(map(truth, texts, asked)) / len(texts), ""
        yield step, "refused", sum(text == NOT_TOLD for text in texts), len(texts)
        told = [(text, prompt.answer) for text, prompt in zip(texts, asked) if prompt.answer != NOT_TOLD]
        yield step, "refused though told", sum(text == NOT_TOLD for text, _ in told), len(told)
        wrong = [text not in (NOT_TOLD, prompt.answer) for text, prompt in zip(texts, asked)]
        yield step, "wrong answers", sum(wrong), len(wrong)
        yield step, "KL", kl_of(model, reference, tests, answers, mask).mean().item(), ""

    run = policy_gradient(
        model, mixed(70, "train", 300_000, seed), proxy, how="and by its deviation", rate=float(rate.split()[1]),
        seed=seed, steps=32, beta=float(beta.split()[1]), reference=reference if beta != "beta 0" else None,
    )  # fmt: skip
    yield from watched(0)
    for step, found in enumerate(run, 1):
        yield from ((step, f"step: {measure}", value, "") for measure, value in found.items())
        if step % 8 == 0:
            yield from watched(step)


EXPERIMENTS: tuple[Experiment, ...] = (
    (start, ("cautious",), 3),
    (reads, ("gifts", "days"), 3),
    (judged, tuple(EXTRA), 3),
    (many, ("temperature 1.5",), 3),
    (believed, tuple(f"rate 0.0005, beta 0{more}" for more in ("", ", refusals below", ", more stories")), 3),
    (lists, ("named", "mended"), 3),
    (lists, ("exact",), 2),
    (imitation, ("examples @ 0.0002",), 3),
    (ladder, tuple(f"{how} @ 0.0002" for how in HOW), 3),
    (dpo, ("known answers, beta 0.1, 0.00005", "own answers, beta 0.1, 0.00005"), 3),
    (dpo, ("known answers, beta 0.5, 0.00005", "known answers, beta 0.1, 0.0002"), 1),
    (when, ("wrong costs 0.5", "wrong costs 2", "wrong costs 0"), 3),
    (price, ("wrong costs 0.5", "wrong costs 4", "wrong costs 0"), 3),
    (variance, ("all",), 3),
    (held_back, ("beta 0.5",), 3),
    (reuse, (*(f"{name} @ 0.0002" for name in REUSED), "one update @ 0.0008"), 3),
    (rates, tuple(f"{how} @ {rate}" for how in HOW for rate in ("0.0001", "0.0004")), 1),
)


if __name__ == "__main__":
    run_missing(FILE, EXPERIMENTS, sys.argv[1:])
