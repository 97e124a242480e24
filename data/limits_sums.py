"""For lesson 11, train a small model to add at once or in steps, and the course's model to use a calculator."""

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from experiments import Rows
from torch import Tensor

from llmlib import Sampler, TrainConfig, Transformer, TransformerConfig, generate, load_pretrained, train
from llmlib.training.loss import IGNORED

MUON: dict[str, Any] = {
    "optimizer": "muon",
    "betas": (0.9, 0.98),
    "weight_decay": 0.0,
    "schedule": "linear",
    "dtype": "float32",
}


class Characters:
    """A tokenizer with a token for each character that a sum needs."""

    CHARACTERS = "0123456789+=,.:\n"

    def encode(self, text: str) -> list[int]:
        return [self.CHARACTERS.index(character) for character in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.CHARACTERS[id] for id in ids)


class Examples:
    """A data set with new examples in each step: questions with answers, where only the answers are targets.

    The model also reads any text in `‹›` in the answer, but this text is not a target: a tool writes it.
    """

    def __init__(self, made: Callable[[random.Random], tuple[str, str]], tokenizer: Any, seed: int) -> None:
        self.made, self.tokenizer, self.seed = made, tokenizer, seed

    def batch(self, step: int, *, batch_size: int, **_: Any) -> tuple[Tensor, Tensor]:
        chance, rows = random.Random(f"{self.seed} {step}"), []
        for question, answer in (self.made(chance) for _ in range(batch_size)):
            row = [(id, False) for id in self.tokenizer.encode(question)]
            for n, part in enumerate(re.split("[‹›]", answer)):
                row += [(id, n % 2 == 0) for id in self.tokenizer.encode(part)]
            rows.append(row)
        width = max(map(len, rows))
        ids, counts = torch.zeros(batch_size, width, dtype=torch.long), torch.zeros(batch_size, width, dtype=torch.bool)
        for n, row in enumerate(rows):
            ids[n, : len(row)], counts[n, : len(row)] = (torch.tensor(each) for each in zip(*row))
        return ids[:, :-1], ids[:, 1:].where(counts[:, 1:], IGNORED)


def continued(model: Transformer, tokenizer: Any, texts: Sequence[str], most: int, end: str = "\n") -> list[str]:
    """Return the model's greedy continuation of each text, up to and including `end`."""
    rows, (end_id,) = [tokenizer.encode(text) for text in texts], tokenizer.encode(end)
    found, width = [""] * len(rows), max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    real = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])
    written = list(generate(model, ids, most, Sampler(temperature=0), attention_mask=real, end_ids=[end_id]))
    for n, row in enumerate(torch.stack(written, dim=1).tolist()):
        found[n] = tokenizer.decode(row[: row.index(end_id) + 1] if end_id in row else row)
    return found


# --- at once, or in written steps ---

AT_ONCE, LONGER = "at once", "at once, three times as long"


def columns(one: int, other: int) -> list[str]:
    """Write an addition as on paper: from the last digits to the first, with carries.

    >>> columns(348, 275)
    ['8+5=13', '4+7+1=12', '3+2+1=6']
    """
    found, carried = [], 0
    for a, b in zip(reversed(str(one)), reversed(str(other))):
        total = int(a) + int(b) + carried
        found.append(f"{a}+{b}{'+1' if carried else ''}={total}")
        carried = total // 10
    return found


def worked(one: int, other: int, how: str, chance: random.Random) -> str:
    """Return the text that the model learns to write after a sum such as "348+275:"."""
    steps, result = columns(one, other), f"={one + other}\n"
    if how in (AT_ONCE, LONGER):
        return result
    if how == "steps from the left":  # the same steps, but each needs a carry that is not written yet
        steps.reverse()
    if how == "steps in any order":
        steps = chance.sample(steps, len(steps))
    elif how == "another sum's steps":
        steps = columns(*numbers(len(str(one)), chance))
    text = ",".join(steps)
    return ("." * len(text) if how == "dots" else text) + result


def numbers(digits: int, chance: random.Random) -> tuple[int, int]:
    return chance.randrange(10 ** (digits - 1), 10**digits), chance.randrange(10 ** (digits - 1), 10**digits)


STEPS, RATE = 200, 1e-2
AT_A_RATE = ("steps", "steps from the left", "steps in any order", "dots", AT_ONCE, LONGER)
IN_STEPS = (
    *(AT_ONCE, LONGER, "steps", "dots", "steps in any order", "another sum's steps", "steps from the left"),
    *(f"{how} @ {rate}" for rate in ("3e-3", "3e-2") for how in AT_A_RATE),
)


def new_adder(seed: int) -> Transformer:
    return Transformer(
        TransformerConfig(
            16, 64, d_model=96, n_layers=3, n_heads=4, d_mlp=256, positions="rotary", norm="rmsnorm", mlp="swiglu"
        ),
        seed=seed,
    )


def tested_sums(seed: int) -> dict[int, list[tuple[int, int]]]:
    chance = random.Random(f"test {seed}")
    return {digits: [numbers(digits, chance) for _ in range(100)] for digits in (1, 2, 3, 4)}


def sums_to_learn(how: str, seed: int) -> Examples:
    """Return examples of sums of one- to three-digit numbers, except the two- and three-digit sums in the tests."""
    tests = tested_sums(seed)
    held_out = {each for digits in (2, 3) for each in tests[digits]}

    def made(chance: random.Random) -> tuple[str, str]:
        while (each := numbers(chance.choice((1, 2, 3, 3)), chance)) in held_out:
            pass
        return f"{each[0]}+{each[1]}:", worked(*each, how, chance)

    return Examples(made, Characters(), seed)


def adder_plan(steps: int, rate: float) -> TrainConfig:
    return TrainConfig(steps, 64, 64, warmup=20, learning_rate=0.3 * rate, matrix_learning_rate=rate, **MUON)


def in_steps(arm: str, seed: int) -> Rows:
    """Train an adder, and test it on sums of numbers with one to four digits.

    The examples contain neither the two- and three-digit sums in the tests nor any four-digit numbers.

    The learning rate for the matrices is 1e-2 unless the arm names another; the other parameters get 0.3 times this
    rate.
    """
    how, _, rate = arm.partition(" @ ")
    model, tokenizer, tests = new_adder(seed), Characters(), tested_sums(seed)
    steps = 600 if how == LONGER else STEPS
    for step in train(model, sums_to_learn(how, seed), adder_plan(steps, float(rate or RATE))):
        if step.step in (100, 200, 400, 600):
            for digits, asked in tests.items():
                texts = continued(model, tokenizer, [f"{a}+{b}:" for a, b in asked], 40)
                right = [text.rpartition("=")[2] == f"{a + b}\n" for text, (a, b) in zip(texts, asked)]
                yield step.step, f"{digits} digits", sum(right), len(right)
    if arm == "steps":  # change the last step by one: does the answer follow?
        changed = []
        for a, b in tests[3]:
            *others, last = columns(a, b)
            text, total = last.split("=")
            by = -1 if total.endswith("9") else 1
            changed.append((f"{a}+{b}:{','.join(others)},{text}={int(total) + by}=", a + b, a + b + 100 * by))
        said = continued(model, tokenizer, [text for text, _, _ in changed], 6)
        for measure, place in (("right all the same", 1), ("follows a changed step", 2)):
            same = [text == f"{each[place]}\n" for text, each in zip(said, changed)]
            yield steps, measure, sum(same), len(same)


# --- a call to a calculator ---

NAMES, THINGS = ("Pip", "Mabel", "Rusty", "Olive", "Tom"), ("nuts", "apples", "shells", "buttons", "stones")
MORE = ("{who} has {a} {what} and finds {b} more.", "{who} has {a} {what}. Then {who} gets {b} from a friend.")
FEWER = ("{who} has {a} {what} and loses {b}.", "{who} has {a} {what}. Then {who} gives {b} to a friend.")
OTHER_WORDS = ("{who} has {a} {what} and picks up {b} more.", "{who} has {a} {what}. Then {b} roll into the pond.")
TOOL = "calculator"


def word_problem(
    chance: random.Random, digits: int, extra: bool = False, wordings: Sequence[str] = (*MORE, *FEWER)
) -> tuple:
    """Make a word problem; return its question, the call that it needs, and its answer."""
    wording = chance.choice(wordings)
    a, b = sorted(numbers(digits, chance), reverse=True)
    adds = wording in (*MORE, OTHER_WORDS[0])
    who, what = chance.choice(NAMES), chance.choice(THINGS)
    text = wording.format(who=who, what=what, a=a, b=b)
    if extra:
        text = f"{who} is {chance.randint(2, 9)} years old. {text}"
    return f"{text} How many {what} are there?", f"{a}{'+' if adds else '-'}{b}", a + b if adds else a - b


def by_calls(model: Transformer, tokenizer: Any, questions: Sequence[str]) -> list[tuple[str, str]]:
    """Let the model write a call, compute the result, and let the model continue; return the calls and the answers."""
    calls = [text.strip(" [=") for text in continued(model, tokenizer, questions, 12, "=")]
    texts = [f"{q} [{call}={worked_out(call)}]" for q, call in zip(questions, calls)]
    return [*zip(calls, [text.strip(" .\n") for text in continued(model, tokenizer, texts, 8)])]


def worked_out(call: str) -> str:
    found = re.fullmatch(r"(\d+)([+-])(\d+)", call)
    return str(int(found[1]) + (1 if found[2] == "+" else -1) * int(found[3])) if found else "error"


ANIMALS = ("fox", "cat", "sheep", "mouse", "rabbit", "bear", "owl", "duck", "hen", "frog")


@torch.no_grad()
def give_digits_a_start(model: Transformer, tokenizer: Any) -> None:
    """Replace the ten digits' rows with the rows of ten animals, whose names the model can already copy.

    The digits do not occur in the tales.
    """
    for digit, animal in enumerate(ANIMALS):
        (new,), (known,) = tokenizer.encode(str(digit)), tokenizer.encode(f" {animal}")
        for weight in model.parameters():
            if weight.shape[0] == model.config.vocab_size:
                weight[new] = weight[known]


def by_calculator(arm: str, seed: int) -> Rows:
    """Train the course's model on word problems with one- or two-digit numbers, to answer at once or after a call."""
    model, tokenizer = load_pretrained("tinytales", device="cpu", dtype="float32")
    give_digits_a_start(model, tokenizer)

    def made(chance: random.Random) -> tuple[str, str]:
        question, call, result = word_problem(chance, chance.choice((1, 2, 2)))
        return question, (f" [{call}=‹{result}]› " if arm == TOOL else " ") + f"{result}.\n"

    plan = TrainConfig(120, 16, 64, warmup=8, learning_rate=6e-3, matrix_learning_rate=1e-2, **MUON)
    for _ in train(model, Examples(made, tokenizer, seed), plan):
        pass
    tests: list[tuple[str, dict[str, Any]]] = [(f"{n} digits", {"digits": n}) for n in (1, 2, 3)]
    tests += [("a number too many", {"digits": 2, "extra": True})]
    tests += [("other words", {"digits": 2, "wordings": OTHER_WORDS})]
    for name, how in tests:
        chance = random.Random(f"test {seed}")
        asked = [word_problem(chance, **how) for _ in range(50)]
        questions = [question for question, _, _ in asked]
        if arm == TOOL:
            calls, answers = zip(*by_calls(model, tokenizer, questions))
            yield 120, f"{name}: right call", sum(c == call for c, (_, call, _) in zip(calls, asked)), len(asked)
        else:
            answers = [text.strip(" .\n") for text in continued(model, tokenizer, questions, 8)]
        yield 120, f"{name}: right", sum(text == str(n) for text, (_, _, n) in zip(answers, asked)), len(asked)
        yield 120, f"{name}: a number", sum(text.isdigit() for text in answers), len(asked)
