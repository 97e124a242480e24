"""Run the experiments of lesson 11 that take too long for a lesson.

    python data/make_limits_experiments.py [EXPERIMENT …]     (if you stop it, run it again to continue)

The experiments use SmolLM2 unless another model is named. Each line of limits_experiments.csv holds one number: the
experiment, its arm, the seed, the step (the number of examples, the position, the length, or 0), the measure, the
value, and, for a count, the number of questions. limits_answers.json holds what the model says about people, and each
capital that it writes, with the model's confidence.

The seed decides the examples and their order, the wrong choices, the texts, and which heads serve as controls.
"""

import json
import random
import re
import sys
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiments import Experiment, Rows, run_missing
from limits_adders import COURSE, GROUPED, course_adder, grouped
from limits_agents import EXAMPLES, agents
from limits_documents import INJECTIONS, by_year, cutoff, injection, like_needles, untold
from limits_retrieval import BELIEVED, PLANTED, RETRIEVAL, SEARCHES, believed, planted, retrieval, wordings
from limits_sums import AT_ONCE, IN_STEPS, TOOL, by_calculator, in_steps
from limits_tasks import (
    HOW,
    LETTER_SHOTS,
    MATERIALS,
    TASKS,
    Shared,
    answered,
    capitals,
    letters,
    shots,
    smollm2,
    sums,
    task,
)

from llmlib import load_pretrained
from llmlib.corpora import tinytales_text
from llmlib.corpora.reading import ReadingBook
from llmlib.evaluation import (
    auc,
    calibration_error,
    chance_calibration_error,
    fit_temperature,
    loss_by_position,
    needle_grid,
    reliability,
)
from llmlib.evaluation.bits import windows
from llmlib.evaluation.multiple_choice import ChoiceScores
from llmlib.finetuning.scores import answer_all
from llmlib.interpret import ablate, trace
from llmlib.interpret.head_scores import induction_score
from llmlib.training.loss import cross_entropy
from llmlib.transformer import with_longer_context

FILE = Path(__file__).parent / "limits_experiments.csv"
ANSWERS = FILE.with_name("limits_answers.json")
TRAINED = 384  # the course's own model was trained on sequences of 384 tokens, though its context has 512
LENGTH = 3 * TRAINED
RATES = ("1e-3", "3e-3", "3e-4")  # learning rates for tuning the course's own model on longer texts

# --- examples in the prompt ---


def few_shot(arm: str, seed: int) -> Rows:
    """Measure accuracy for each number of examples, also with shuffled or wrong labels and with mixed layouts."""
    name, how = arm.split(", ")
    for n in (0, 1, 4, 16) if how == "right labels" else (4, 16):
        scored = answered(name, shots(name, n, how, seed))
        yield n, "right", sum(each.is_right() for each in scored), len(scored)
        if len(scored[0].log_probs) == 2:  # does the model tell the two choices apart, even if it prefers one?
            odds = [each.log_probs[0] - each.log_probs[1] for each in scored]
            yield n, "area under the curve", auc(odds, [each.right == 0 for each in scored]), ""
            yield n, "says the first", sum(each.chosen() == 0 for each in scored), len(scored)


def without_a_model(arm: str, seed: int) -> Rows:
    """Measure a baseline without a model: take the choice that shares the most letters with the question."""
    _, asked = task(arm)
    best = [
        max(range(len(item.choices)), key=lambda n: SequenceMatcher(None, item.asked, item.choices[n]).ratio())
        for item in asked
    ]
    yield 0, "most letters in common", sum(n == item.right for n, item in zip(best, asked)), len(asked)


@cache
def induction_scores() -> torch.Tensor:
    """Return each head's induction score on repeated random tokens: Float[Tensor, "layer head"]."""
    model, _ = smollm2()
    half = torch.randint(1000, 40_000, (1, 60), generator=torch.Generator().manual_seed(0))
    ids = torch.cat((half, half), dim=1)
    with torch.inference_mode(), trace(model, names=("pattern",)) as seen:
        model(ids)
    return torch.stack([induction_score(pattern[0], ids[0]) for pattern in seen.pattern])


def heads_of(arm: str, seed: int) -> list[tuple[int, int]]:
    """Return the heads with the highest induction scores, or at most as many low-scoring heads from the same layers."""
    scores = induction_scores()
    order = scores.flatten().argsort(descending=True).tolist()
    best = [divmod(place, scores.shape[1]) for place in order[: int(arm.split()[0])]]
    if arm.endswith("induction heads"):
        return best
    chance = random.Random(seed)
    taken: list[tuple[int, int]] = []
    for layer, _ in best:
        free = [
            (layer, head) for head in range(scores.shape[1]) if scores[layer, head] < 0.1 and (layer, head) not in taken
        ]
        taken += chance.sample(free, min(1, len(free)))
    return taken


def heads_off(arm: str, seed: int) -> Rows:
    """Measure few-shot accuracy when induction heads or up to as many others are replaced by their mean on a story."""
    model, tokenizer = smollm2()
    reference = torch.tensor([tokenizer.encode(tinytales_text(1500))])
    chosen = heads_of(arm, seed)
    yield 0, "heads", len(chosen), ""
    for name in TASKS:
        for n in (0, 16):
            with ablate(model, chosen, "mean", reference):
                scored = answered(name, shots(name, n, "right labels", seed))
            yield n, name, sum(each.is_right() for each in scored), len(scored)


# --- confidence and accuracy ---


def measured(scored: Sequence[ChoiceScores], temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each question, the confidence in the chosen answer, and whether this answer is right."""
    sure = np.array([each.probabilities(temperature).max() for each in scored])
    return sure, np.array([each.is_right() for each in scored])


def calibration(arm: str, seed: int) -> Rows:
    """Compare confidence and accuracy on questions with four choices, at temperature 1 and at a fitted temperature.

    The temperature is fitted on one half of the questions, and both temperatures are judged on the other half.
    """
    items = {"capitals": capitals, "sums": sums}[arm](seed)
    scored = Shared("").ask(items)
    order = random.Random(seed).sample(range(len(scored)), len(scored))
    learn, test = ([scored[place] for place in order[half::2]] for half in (0, 1))
    try:
        t = fit_temperature([each.log_probs for each in learn], [each.right for each in learn])
    except ValueError:
        t = float("nan")  # the model's choices are no better than chance
    yield 0, "temperature", t, ""
    for step, at in enumerate((1.0, t)):
        if not np.isnan(at):
            sure, right = measured(test, at)
            yield step, "right", int(right.sum()), len(right)
            yield step, "mean confidence", float(sure.mean()), ""
            yield step, "calibration error", calibration_error(sure, right, 5), ""
            yield step, "calibration error by chance", chance_calibration_error(sure, 5), ""
    for each in reliability(*measured(scored, 1.0), bins=5):
        yield 0, f"bin up to {each.high:.1f}: confidence", each.confidence, ""
        yield 0, f"bin up to {each.high:.1f}: right", round(each.right * each.count), each.count


DOUBTS = re.compile(
    r"don['’]t (?:have|know)|do not (?:have|know)|not (?:aware|familiar|sure|known|a real)|no (?:information|record)|"
    r"fictional|couldn['’]t find|could not find|unable|sorry|cannot|can['’]t|unknown",
    re.I,
)


def invented(arm: str, seed: int) -> Rows:
    """Ask who famous people and invented people were, and count the answers that show no doubt."""
    model, tokenizer = smollm2()
    names = list(MATERIALS["famous"]) if arm == "famous" else MATERIALS["invented"]
    given = answer_all(model, tokenizer, [f"Who was {name}?" for name in names], 32, batch_size=24)
    yield 0, "without any doubt", sum(not DOUBTS.search(text) for text in given), len(given)
    if arm == "famous":
        hits = [re.search(word, text, re.I) for word, text in zip(MATERIALS["famous"].values(), given)]
        yield 0, "names what they are famous for", sum(map(bool, hits)), len(given)
    keep(arm, dict(zip(names, given)))


def keep(name: str, answers: Any) -> None:
    kept = json.loads(ANSWERS.read_text(encoding="utf-8")) if ANSWERS.exists() else {}
    kept[name] = answers
    text = json.dumps(kept, indent=1, ensure_ascii=False)
    text = re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)  # write each list on one line
    ANSWERS.write_text(text + "\n", encoding="utf-8")


SAMPLES = 8


@torch.inference_mode()
def self_consistency(arm: str, seed: int) -> Rows:
    """Test on capitals, after four examples, whether agreement with eight samples tells right answers from wrong."""
    model, tokenizer = smollm2()
    known: dict[str, str] = MATERIALS["capitals"]
    countries = random.Random(seed).sample(sorted(known), 44)
    shared = Shared("".join(f"Country: {each}\nCapital: {known[each]}\n\n" for each in countries[:4]))
    generator = torch.Generator().manual_seed(seed)
    agreement, confidence, length, right, written = [], [], [], [], []
    for country in countries[4:]:
        begin = tokenizer.encode(f"{shared.space}Country: {country}\nCapital:")
        memory = shared.copied(SAMPLES + 1, len(begin) + 8)  # the first row is the most likely answer
        logits = model(torch.tensor([begin] * (SAMPLES + 1)), cache=memory, last_only=True)[:, -1]
        rows, sure = [], 0.0
        for _ in range(8):
            drawn = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
            drawn[0] = logits[0].argmax()
            rows.append(drawn)
            sure += logits[0].log_softmax(-1).max().item() if "\n" not in tokenizer.decode([r[0] for r in rows]) else 0
            if all("\n" in tokenizer.decode([row[n] for row in rows]) for n in range(SAMPLES + 1)):
                break
            logits = model(drawn[:, None], cache=memory)[:, -1]
        texts = [tokenizer.decode(row).partition("\n")[0].strip() for row in torch.stack(rows, dim=1)]
        agreement.append(sum(text == texts[0] for text in texts[1:]) / SAMPLES)
        confidence.append(sure)
        length.append(-len(texts[0]))
        right.append(texts[0] == known[country])
        written.append(f"{country}: {texts[0]}")
    answers = zip(written, agreement, (round(each, 4) for each in confidence), right)
    keep(f"capitals, seed {seed}: answer, agreement, ln p, right", [list(answer) for answer in answers])
    yield 0, "right", sum(right), len(right)
    yield 0, "mean agreement", float(np.mean(agreement)), ""
    if 0 < sum(right) < len(right):
        for name, score in (("agreement", agreement), ("log-probability", confidence), ("shortness", length)):
            yield 0, f"area under the curve: {name}", auc(score, right), ""


# --- long texts ---


def tales(split: str, step: int, n: int, seed: int) -> torch.Tensor:
    """Return pages cut at random, so that all positions are equally difficult: Int[Tensor, "text 3 * TRAINED + 1"]."""
    model, tokenizer = load_pretrained("tinytales", device="cpu", dtype="float32")
    book = ReadingBook(tokenizer, end_id=model.config.end_ids[0], split=split)
    rows, _ = book.batch(step, batch_size=n, seq_len=LENGTH + 1 + 400)
    chance = random.Random(seed)
    begins = [chance.randrange(400) for _ in rows]
    return torch.stack([row[begin : begin + LENGTH + 1] for row, begin in zip(rows, begins)])


def in_blocks(loss: torch.Tensor) -> Rows:
    for end, value in zip(range(64, LENGTH + 1, 64), loss.unflatten(1, (-1, 64)).mean(dim=(0, 2)).tolist()):
        yield end, "loss", value, ""


@torch.inference_mode()
def positions(arm: str, seed: int) -> Rows:
    """Measure the loss of the course's model up to position 1,152 (trained up to 384), with or without a remedy."""
    model, _ = load_pretrained("tinytales", device="cpu", dtype="float32")
    ids = tales("validation", seed, 24, seed)
    if arm == "window":
        loss = torch.empty(len(ids), LENGTH)
        for begin, scored, end in windows(LENGTH, TRAINED, 64):
            loss[:, scored:end] = loss_by_position(model, ids[:, begin : end + 1], 4)[:, scored - end :]
    else:
        how, _, factor = arm.partition(" ")
        loss = loss_by_position(with_longer_context(model, float(factor or 3), how), ids, 4)  # type: ignore[arg-type]
    yield from in_blocks(loss)


def tuned(arm: str, seed: int) -> Rows:
    """Measure the loss after 40 steps, each on two long texts: do stretched positions help, or only the tuning?"""
    how, _, rate = arm.partition(" @ ")
    model, _ = load_pretrained("tinytales", device="cpu", dtype="float32")
    longer = with_longer_context(model, 3, how)  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(longer.parameters(), lr=float(rate), betas=(0.9, 0.95), weight_decay=0.0)
    for step in range(40):
        ids = tales("train", 1000 * (seed + 1) + step, 2, step)
        optimizer.zero_grad()
        cross_entropy(longer(ids[:, :-1]), ids[:, 1:]).backward()
        torch.nn.utils.clip_grad_norm_(longer.parameters(), 1.0)
        optimizer.step()
    yield from in_blocks(loss_by_position(longer, tales("validation", seed, 24, seed), 4))


def needle(arm: str, seed: int) -> Rows:
    """Ask for a number that is hidden in stories, for different text lengths and depths."""
    model, tokenizer = smollm2()
    chance = random.Random(seed)
    number, place = chance.randint(1000, 9999), ("mill", "harbour", "castle", "station")[seed % 4]
    sentence = f" The secret number of the {place} is {number}."
    question = f"\n\nWhat is the secret number of the {place}? The secret number of the {place} is"
    depths = (0.0, 0.25, 0.5, 0.75, 1.0)
    length = int(arm.removesuffix(" tokens"))
    story = tinytales_text(9 * length, seed=seed)
    grid = needle_grid(model, tokenizer, story, [(sentence, question, f" {number}")], [length], depths)
    yield from ((length, f"depth {depth}", int(value), 1) for depth, value in zip(depths, grid[0].tolist()))


# --- what tokens hide ---


def spelling(arm: str, seed: int) -> Rows:
    """Ask for the first, the second, … letter of a word, with four letters of the word as choices.

    Also count how often the model says the first letter when the question asks for a later letter.
    """
    asked = list(letters(seed))
    scored = Shared(LETTER_SHOTS).ask([(text, item) for _, text, item in asked])
    for place in range(1, 6):
        here = [(item, each) for (at, _, item), each in zip(asked, scored) if at == place]
        yield place, "right", sum(each.is_right() for _, each in here), len(here)
        if place > 1:  # only questions with the first letter among the wrong choices
            first = [(item.asked[0], item, each) for item, each in here if item.asked[0] in item.choices]
            first = [(letter, item, each) for letter, item, each in first if letter != item.answer]
            said = sum(item.choices[each.chosen()] == letter for letter, item, each in first)
            yield place, "says the first letter", said, len(first)


def digits(arm: str, seed: int) -> Rows:
    """Count right sums after four examples, by the number of digits; digits are written together or with spaces."""
    chance = random.Random(seed)

    def written(number: int) -> str:
        return " ".join(str(number)) if arm == "spaced" else str(number)

    for n in (1, 2, 3, 4):
        made = []
        for _ in range(34):
            one, other = (chance.randrange(10 ** (n - 1), 10**n) for _ in range(2))
            made.append((f"{written(one)} + {written(other)} =", f"{written(one + other)}"))
        shared = Shared("".join(f"{text} {answer}\n" for text, answer in made[:4]))
        right = shared.writes([(text, answer + "\n") for text, answer in made[4:]])
        yield n, "right", sum(right), len(right)


EXPERIMENTS: tuple[Experiment, ...] = (
    (positions, ("none", "linear", "ntk", "ntk 6", "window"), 3),
    (tuned, tuple(f"{how} @ {rate}" for how in ("none", "linear", "ntk") for rate in RATES), 3),
    (retrieval, RETRIEVAL, 3),
    (planted, PLANTED, 3),
    (believed, BELIEVED, 3),
    (wordings, SEARCHES, 1),
    (calibration, ("capitals", "sums"), 3),
    (spelling, ("SmolLM2",), 3),
    (digits, ("together", "spaced"), 3),
    (invented, ("famous", "invented"), 1),
    (few_shot, tuple(f"{name}, {how}" for name in TASKS for how in HOW), 3),
    (few_shot, ("French, moved labels",), 3),
    (without_a_model, TASKS, 1),
    (heads_off, ("20 induction heads", "20 other heads"), 3),  # for all heads on, see few_shot, "right labels"
    (self_consistency, ("capitals",), 3),
    (needle, ("256 tokens", "512 tokens", "1024 tokens", "2048 tokens"), 3),
    (in_steps, IN_STEPS, 3),
    (course_adder, COURSE, 3),
    (grouped, GROUPED, 3),
    (by_calculator, (AT_ONCE, TOOL), 3),
    (injection, INJECTIONS, 3),
    (cutoff, tuple(by_year()), 1),
    (like_needles, ("512 tokens", "1024 tokens", "2048 tokens"), 3),
    (untold, ("without", "with"), 3),
    (agents, tuple(EXAMPLES), 1),
)

if __name__ == "__main__":
    run_missing(FILE, EXPERIMENTS, sys.argv[1:])
