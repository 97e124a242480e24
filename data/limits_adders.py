"""Train the course's own model to add, and new models that group digits in three ways, for lesson 11."""

import random
import re
import time
from collections.abc import Sequence
from typing import Any

import torch
from experiments import Rows
from limits_sums import AT_ONCE, MUON, Examples, continued, give_digits_a_start, numbers, worked

from llmlib import TrainConfig, Transformer, TransformerConfig, load_pretrained, train

Sum = tuple[int, int]
RATES = ("3e-3", "1e-2", "3e-2")  # learning rates for the matrices; the other parameters get 0.3 times the rate


def trained(model: Transformer, data: Any, batch_size: int, steps: int, rate: str) -> None:
    plan = TrainConfig(
        steps, batch_size, 64, warmup=steps // 10, learning_rate=0.3 * float(rate), matrix_learning_rate=float(rate),
        **MUON,
    )  # fmt: skip
    torch.set_float32_matmul_precision("medium")  # computes matrix products in bfloat16 if that is faster on the CPU
    for _ in train(model, data, plan):
        pass
    torch.set_float32_matmul_precision("highest")


def held_out(tests: dict[int, list[Sum]], longest: int, chance: random.Random) -> Sum:
    """Return a sum of numbers with up to `longest` digits; only one-digit sums may also occur in the tests.

    Numbers with `longest` digits are twice as likely as numbers of any other length.
    """
    while True:
        digits = min(chance.randint(1, longest + 1), longest)
        each = numbers(digits, chance)
        if digits == 1 or each not in tests[digits]:
            return each


# --- the course's own model ---

# A sum with steps is 2.7 times as long as a sum without. With these batches, both arms see the same number of tokens.
BATCH = {AT_ONCE: 86, "steps": 32}
STEPS = 60
COURSE = tuple(f"{how} @ {rate}" for rate in RATES for how in BATCH)


def course_adder(arm: str, seed: int) -> Rows:
    """Tune the course's own model to add at once or in steps; each digit is a token that the tales do not contain."""
    how, _, rate = arm.partition(" @ ")
    model, tokenizer = load_pretrained("tinytales", device="cpu", dtype="float32")
    give_digits_a_start(model, tokenizer)
    tested = random.Random(f"test {seed}")
    tests = {digits: [numbers(digits, tested) for _ in range(50)] for digits in (1, 2, 3, 4)}

    def made(chance: random.Random) -> tuple[str, str]:
        each = held_out(tests, 3, chance)
        return f"{each[0]}+{each[1]}:", worked(*each, how, chance)

    begun = time.process_time()
    trained(model, Examples(made, tokenizer, seed), BATCH[how], STEPS, rate)
    yield STEPS, "seconds of one core", time.process_time() - begun, ""
    for digits, asked in tests.items():
        texts = continued(model, tokenizer, [f"{a}+{b}:" for a, b in asked], 40)
        right = [text.rpartition("=")[2] == f"{a + b}\n" for text, (a, b) in zip(texts, asked)]
        yield STEPS, f"{digits} digits", sum(right), len(right)


# --- digits in groups ---


class Pairs:
    """A tokenizer with a token for each digit and, except in the arm "one digit per token", for each pair of digits.

    >>> left, right = Pairs("pairs from the left"), Pairs("pairs from the right")
    >>> left.split("123+4567="), right.split("123+4567=")
    (['12', '3', '+', '45', '67', '='], ['1', '23', '+', '45', '67', '='])
    """

    def __init__(self, how: str) -> None:
        self.how, self.size = how, 1 if how == ONE_BY_ONE else 2
        self.tokens = ["+", "=", "\n", *(f"{n:0{size}}" for size in (1, 2)[: self.size] for n in range(10**size))]
        self.ids = {token: n for n, token in enumerate(self.tokens)}

    def split(self, text: str) -> list[str]:
        found: list[str] = []
        for part in re.findall(r"\d+|\D", text):
            begin = len(part) % self.size if self.how.endswith("right") else 0
            found += [part[:begin]] * (begin > 0)
            found += [part[at : at + self.size] for at in range(begin, len(part), self.size)]
        return found

    def encode(self, text: str) -> list[int]:
        return [self.ids[token] for token in self.split(text)]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.tokens[id] for id in ids)


ONE_BY_ONE = "one digit per token"
PAIRS = (ONE_BY_ONE, "pairs from the left", "pairs from the right")
GROUP_STEPS = {"": 600, ", longer": 1500}
GROUPED = (
    *(f"{how} @ {rate}" for rate in ("1e-2", "3e-3", "3e-2") for how in PAIRS),
    *(f"{how}, longer @ 1e-2" for how in PAIRS),
)
LENGTHS = {"3 and 3 digits": (3, 3), "3 and 2 digits": (3, 2), "2 and 3 digits": (2, 3), "2 and 2 digits": (2, 2)}


def grouped(arm: str, seed: int) -> Rows:
    """Train a new model to add numbers of one to three digits at once; a token is one digit or a pair of digits.

    All arms see the same sums, 256 new sums in each step, and none of the sums in the tests. With pairs from the left,
    the length of a number decides whether a pair holds tens and ones, or hundreds and tens.
    """
    name, _, rate = arm.partition(" @ ")
    how, longer, _ = name.partition(", longer")
    tokenizer, steps = Pairs(how), GROUP_STEPS[longer]
    model = Transformer(
        TransformerConfig(
            len(tokenizer.tokens), 64, d_model=64, n_layers=2, n_heads=4, d_mlp=256, positions="rotary",
            norm="rmsnorm", mlp="swiglu",
        ),
        seed=seed,
    )  # fmt: skip
    tested = random.Random(f"test {seed}")
    tests = {name: [tuple(long(n, tested) for n in lengths) for _ in range(200)] for name, lengths in LENGTHS.items()}
    left_out = {each for asked in tests.values() for each in asked}

    def made(chance: random.Random) -> tuple[str, str]:
        while (each := (long(chance.choice((1, 2, 3)), chance), long(chance.choice((1, 2, 3)), chance))) in left_out:
            pass
        return "{}+{}=".format(*each), f"{sum(each)}\n"

    trained(model, Examples(made, tokenizer, seed), 256, steps, rate)
    for what, asked in tests.items():
        texts = continued(model, tokenizer, ["{}+{}=".format(*each) for each in asked], 5)
        yield steps, what, sum(text == f"{sum(each)}\n" for text, each in zip(texts, asked)), len(asked)


def long(digits: int, chance: random.Random) -> int:
    return chance.randrange(10 ** (digits - 1), 10**digits)
