"""Run the experiments of lesson 08 that take too long for a lesson, most of them with three seeds.

    python data/make_tuning_experiments.py    (an hour on one core; if you stop it, run it again to continue)

`kinds` and `unanswerable` use the held-out stories, and each does so only once. All other experiments use validation
stories, which we also used to make choices. Each line of tuning_experiments.csv holds one number: the experiment, its
arm, the seed, the step, the measure, the value, and, for a count, the number of prompts. The seed decides which
conversations are used and in which order, or how the LoRA's matrix A starts.
"""

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path

import torch
from experiments import Experiment, Rows, run_missing
from torch import Tensor

from llmlib import TrainConfig, Transformer, load_pretrained, train
from llmlib.chat import TALES, with_chat_template
from llmlib.corpora import python_stdlib, tinytales_text
from llmlib.corpora.tinytales.untold import OTHER_WORDS, TAUGHT, WORDINGS
from llmlib.finetuning import ChatData, LoRAConfig, apply_lora, pairs, scores, start_tokens, tales
from llmlib.sampling import Sampler, generate
from llmlib.training import cross_entropy

FILE = Path(__file__).parent / "tuning_experiments.csv"
MUON = {
    "seq_len": 512,
    "optimizer": "muon",
    "learning_rate": 3e-3,
    "matrix_learning_rate": 6e-3,
    "betas": (0.9, 0.98),
    "weight_decay": 0.0,
    "schedule": "linear",
}

base, plain = load_pretrained("tinytales", device="cpu", dtype="float32")
tokenizer = with_chat_template(plain, TALES)
start_tokens(base, tokenizer, {"<|user|>": "\n", "<|assistant|>": "?"})
(END,) = tokenizer.encode("<|endoftext|>", allowed_special="all")
SIMPLE = tales.held_out_prompts(20, kinds=["who", "why", "yes_no"], split="validation")
HELD_BACK = ChatData(tokenizer, tales.training_conversations(16, seed=2)).batch(0, batch_size=16, seq_len=512)


class WithOtherTargets:
    """Wraps a data set, and changes the targets of its batches."""

    def __init__(self, data: ChatData, change: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.data, self.change = data, change

    def batch(self, step: int, **sizes: int) -> tuple[Tensor, Tensor]:
        x, y = self.data.batch(step, **sizes)
        return x, self.change(x, y)


def all_tokens(x: Tensor, y: Tensor) -> Tensor:
    """Make every next token a target, except for padding (0)."""
    following = torch.cat((x[:, 1:], y[:, -1:]), dim=1)
    return following.where(following > 0, -100)


@torch.no_grad()
def loss_on_answers(model: Transformer) -> float:
    """Measure the loss on held-back answers without their end tokens, since one arm never learns end tokens."""
    x, y = HELD_BACK
    return cross_entropy(model(x), y.where(y != END, -100)).item()


def mask(arm: str, seed: int) -> Rows:
    """Tune the base model; the arm says which tokens count in the loss."""
    change = {"all tokens": all_tokens, "no end": lambda x, y: y.where(y != END, -100)}.get(arm, lambda x, y: y)
    model = copy.deepcopy(base)
    data = ChatData(tokenizer, tales.training_conversations(240, start=10_000 * seed))
    steps = 24 if arm == "no end" else 60
    for step in train(model, WithOtherTargets(data, change), TrainConfig(steps, 4, warmup=8, seed=seed, **MUON)):
        if step.step in (24, 40, 60):
            score = tales.scores(model, tokenizer, SIMPLE, max_new_tokens=24)["all"]
            yield step.step, "right", score.right, score.of
            yield step.step, "loss on answers", loss_on_answers(model), ""


def refusals(arm: str, seed: int) -> Rows:
    """Tune with unanswerable questions, of kinds that no story answers or with wordings that other stories answer."""
    balanced = arm == "balanced"
    talks = tales.training_conversations(240, kinds=tales.KINDS, balanced=balanced, start=10_000 * seed)
    model = copy.deepcopy(base)
    tests = {
        "pairs": pairs.minimal_pairs(60, split="validation", start=10_000),
        "giving": pairs.minimal_pairs(30, wordings=[pairs.GIVING], split="validation", start=20_000),
    }
    last = {
        "wordings not taught": pairs.minimal_pairs(
            30, wordings=tuple(WORDINGS)[len(TAUGHT) :], split="validation", start=50_000
        ),
        "other words": pairs.in_other_words(
            pairs.minimal_pairs(30, wordings=[w for w in TAUGHT if w in OTHER_WORDS], split="validation", start=30_000)
        ),
        "wrong way round": pairs.wrong_way_round(30, split="validation", start=40_000),
    }
    data = ChatData(tokenizer, talks)
    for step in train(model, data, TrainConfig(60, 4, warmup=8, seed=seed, **MUON)):
        if step.step in (24, 60):
            for name, test in (tests | last if step.step == 60 else tests).items():
                for measure, score in pairs.pair_scores(model, tokenizer, test, 24).items():
                    yield step.step, f"{name}, {measure}", score.right, score.of


@torch.no_grad()
def on_a_page(prompts: list[tales.Prompt]) -> int:
    """Count the base model's right answers to prompts in its own format, where an answer ends with its line."""
    texts, answers = zip(*map(tales.as_on_a_page, prompts))
    rows = [plain.encode(text) for text in texts]
    width, (line_end,) = max(map(len, rows)), plain.encode("\n")
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    real = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])
    ends = [line_end, *plain.eos_ids]
    written = generate(base, ids, 32, Sampler(temperature=0), attention_mask=real, end_ids=ends)
    lines = [plain.decode(row).partition("\n")[0] for row in torch.stack(list(written), 1).tolist()]
    return sum(line.strip() == answer for line, answer in zip(lines, answers))


def kinds(arm: str, seed: int) -> Rows:
    """Test each kind of request on 20 stories, with the base model in its own format, or with the tuned model."""
    prompts = {kind: tales.held_out_prompts(20, kinds=[kind]) for kind in tales.ANSWERABLE}
    if arm == "on a page":
        for kind, some in prompts.items():
            yield 0, kind, on_a_page(some), len(some)
        giving = pairs.minimal_pairs(30, wordings=[pairs.GIVING], start=20_000)
        yield 0, "giving", on_a_page([pair.told for pair in giving]), len(giving)
        return
    model, every = copy.deepcopy(base), [prompt for some in prompts.values() for prompt in some]
    for _ in train(model, ChatData(tokenizer, tales.training_conversations(96)), TrainConfig(24, 4, warmup=4, **MUON)):
        pass
    for name, some in (("", every), (", other story", tales.under_another_story(every))):
        found = tales.scores(model, tokenizer, some, 32)
        for kind in tales.ANSWERABLE:
            yield 24, kind + name, found[kind].right, found[kind].of


def unanswerable(arm: str, seed: int) -> Rows:
    """Tune a model to refuse; test it on the few kinds of questions that no story answers, and on other questions."""
    talks = tales.training_conversations(240, kinds=tales.KINDS, balanced=False)
    model = copy.deepcopy(base)
    for _ in train(model, ChatData(tokenizer, talks), TrainConfig(60, 4, warmup=8, **MUON)):
        pass
    some = [prompt for kind in tales.ANSWERABLE for prompt in tales.held_out_prompts(20, kinds=[kind])[:6]]
    found = tales.scores(model, tokenizer, some + tales.held_out_prompts(20, kinds=["unanswerable"]), 32)
    yield 60, "says so", found["says so"].right, found["says so"].of
    yield 60, "says so wrongly", found["says so wrongly"].right, len(some)
    yield 60, "right", found["all"].right - found["unanswerable"].right, len(some)


QUESTIONS = json.loads((Path(__file__).parent / "manner_questions.json").read_text())
TEXTS = {"Python": python_stdlib()[50_000:56_000], "TinyTales": tinytales_text(10_000)}


@torch.no_grad()
def examined(model: Transformer, its_tokenizer) -> dict[str, tuple[float, int | str]]:
    """Count the right answers, and the answers that begin in the taught manner; measure the loss on two texts."""
    facts = QUESTIONS["exam"]
    answers = scores.answer_all(model, its_tokenizer, [*facts, *QUESTIONS["exam without one right answer"]], 24)
    right = sum(bool(re.search(word, answer)) for answer, word in zip(answers, facts.values()))
    manner = sum(answer.startswith("With pleasure!") for answer in answers)
    found: dict[str, tuple[float, int | str]] = {"manner": (manner, len(answers)), "right": (right, len(facts))}
    for name, text in TEXTS.items():
        ids = torch.tensor([its_tokenizer.encode(text)[:1024]])
        found[f"loss on {name}"] = cross_entropy(model(ids[:, :-1]), ids[:, 1:]).item(), ""
    return found


def manner(arm: str, seed: int) -> Rows:
    """Tune a LoRA of rank 4, or all weights, so that SmolLM2 begins its answers with the words "With pleasure!"."""
    name, _, rate = arm.partition(" @ ")
    dtype = "float32" if name == "all weights" else "auto"  # in bfloat16, steps of 1e-5 would be lost
    model, its_tokenizer = load_pretrained("smollm2-135m-instruct", dtype=dtype)
    if name == "before":
        for measure, (value, of) in examined(model, its_tokenizer).items():
            yield 0, measure, value, of
        return
    own = scores.answer_all(model, its_tokenizer, QUESTIONS["learn"], 40, 64)
    polite = [f"With pleasure! {answer.partition('. ')[0].rstrip('.')}." for answer in own]
    if name == "LoRA":
        apply_lora(model, LoRAConfig(rank=4, alpha=16, seed=seed))
    talks = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer in zip(QUESTIONS["learn"], polite)
    ]
    plan = TrainConfig(12, 4, 128, learning_rate=float(rate), warmup=2, weight_decay=0.0, schedule="linear", seed=seed)
    for _ in train(model, ChatData(its_tokenizer, talks), plan):
        pass
    for measure, (value, of) in examined(model, its_tokenizer).items():
        yield 12, measure, value, of


EXPERIMENTS: tuple[Experiment, ...] = (
    (refusals, ("unbalanced", "balanced"), 3),
    (mask, ("answers", "all tokens"), 3),
    (mask, ("no end",), 1),
    (kinds, ("on a page", "tuned"), 1),
    (unanswerable, ("unbalanced",), 1),
    (manner, ("before", "LoRA @ 0.001", "all weights @ 0.0001"), 1),
)


if __name__ == "__main__":
    run_missing(FILE, EXPERIMENTS)
