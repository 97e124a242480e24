"""Define the measures that lesson 09's experiments share, and the prompts that these measures use."""

from collections.abc import Sequence
from functools import cache

import torch
from alignment_loop import draw, kl_of, scored, texts_of, tokenizer, truth
from experiments import Rows

from llmlib import Transformer
from llmlib.corpora.tinytales.tasks import NOT_TOLD
from llmlib.finetuning import pairs, scores, tales
from llmlib.finetuning.tales import Prompt


@cache
def giving(n: int, split: str, start: int) -> tuple[list[pairs.Pair], list[Prompt]]:
    """Return minimal pairs with the question "What did … give to …?", and their prompts."""
    found = pairs.minimal_pairs(n, wordings=[pairs.GIVING], split=split, start=start)
    return found, [prompt for pair in found for prompt in (pair.told, pair.untold)]


LEARN, CHOOSE, REPORT = (200, "train", 100_000), (30, "validation", 20_000), (40, "validation", 300_000)


def skill(model: Transformer, step: int, which=REPORT) -> Rows:
    for measure, score in pairs.pair_scores(model, tokenizer, giving(*which)[0], 24).items():
        yield step, measure, score.right, score.of


@torch.no_grad()
def distance(model: Transformer, reference: Transformer, seed: int, n: int = 24) -> dict[str, float]:
    """Sample answers; return their exact KL (summed over the tokens), their true reward, and their entropy."""
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


@cache
def about(kind: str, n: int, split: str, start: int) -> list[Prompt]:
    return tales.held_out_prompts(n, kinds=[kind], split=split, start=start)


def counted(model: Transformer, tests: Sequence[Prompt], step: int) -> Rows:
    given = scores.answer_all(model, tokenizer, [prompt.messages for prompt in tests], 32)
    yield step, "right", sum(text == prompt.answer for text, prompt in zip(given, tests)), len(tests)
    yield step, "refused", sum(text == NOT_TOLD for text in given), len(tests)


def opposites(n_pairs: Sequence[pairs.Pair]) -> list[tuple[Prompt, str, str]]:
    """Return each prompt, its right answer, and the cautious model's possible mistake: a refusal or an invention."""
    both = [(pair.told, pair.told.answer, NOT_TOLD) for pair in n_pairs]
    return both + [(pair.untold, NOT_TOLD, pair.told.answer) for pair in n_pairs]
