"""Define lesson 09's experiments with preferences: DPO, a reward model, and policies that are trained with it."""

import copy
from collections.abc import Sequence

import torch
from alignment_judge import asking, preferences, reward_model
from alignment_loop import (
    GROUP,
    PROMPTS,
    cautious,
    draw,
    each,
    encoded,
    kl_of,
    policy_gradient,
    scored,
    texts_of,
    truth,
)
from alignment_measures import LEARN, REPORT, distance, giving, opposites, other_kinds, skill
from experiments import Rows
from torch import Tensor

from llmlib import Transformer
from llmlib.corpora.tinytales.tasks import NOT_TOLD
from llmlib.finetuning import tales
from llmlib.finetuning.tales import Prompt
from llmlib.preferences import best_of_n, dpo_loss


def drawn(model: Transformer, seed: int, prompts: Sequence[Prompt]) -> list[tuple[Prompt, str, str]]:
    """Return the best and the worst of eight sampled answers to each prompt, if their rewards differ."""
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
    """Train with DPO for 60 steps of 8 pairs; the arm names the source of the answers, beta, and the learning rate."""
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


# --- a reward model ---


MIXED = ("who", "what", "where", "why", "unanswerable")


def mixed(n: int, split: str, start: int, seed: int) -> list[Prompt]:
    found = tales.held_out_prompts(n, kinds=MIXED, split=split, start=start)
    return [found[i] for i in torch.randperm(len(found), generator=torch.Generator().manual_seed(seed)).tolist()]


# More training pairs for the reward model: 100 of a kind that its 500 pairs lack, or 100 of the kinds that they have.
EXTRA = {"reward model": "", "refusals below": "refusals", "more stories": "stories"}


@torch.no_grad()
def judged(arm: str, seed: int) -> Rows:
    """Test the reward model on held-back pairs, grouped by the fault of the worse answer, and on refusals."""
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
    """Measure best-of-n on 40 prompts: the reward model chooses among up to 32 answers, sampled at temperature 1.5."""
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
    """Train with the reward model for 32 steps at a high learning rate; test the policy on 60 prompts every 8 steps."""
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
        answered = [(text, prompt.answer) for text, prompt in zip(texts, asked) if prompt.answer != NOT_TOLD]
        yield step, "refused though told", sum(text == NOT_TOLD for text, _ in answered), len(answered)
        wrong = [text not in (NOT_TOLD, prompt.answer) for text, prompt in zip(texts, asked)]
        yield step, "wrong answers", sum(wrong), len(wrong)
        yield step, "KL", kl_of(model, reference, tests, answers, mask).mean().item(), ""

    run = policy_gradient(
        model,
        mixed(70, "train", 300_000, seed),
        proxy,
        how="and by its deviation",
        rate=float(rate.split()[1]),
        seed=seed,
        steps=32,
        beta=float(beta.split()[1]),
        reference=reference if beta != "beta 0" else None,
    )
    yield from watched(0)
    for step, found in enumerate(run, 1):
        yield from ((step, f"step: {measure}", value, "") for measure, value in found.items())
        if step % 8 == 0:
            yield from watched(step)
