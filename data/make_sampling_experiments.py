"""Run the experiments of lesson 07 that take too long for a lesson; each prompt counts as an independent case.

    python data/make_sampling_experiments.py    (five minutes on one core; if you stop it, run it again to continue)

Each line of sampling_experiments.csv holds one number: the experiment, its arm, the number of the prompt, the measure,
and the value. Each line of sampling_answers.csv holds one answer: the kind of question, the question, the answer, its
log-probability, and (for capitals) its log-probability when no country is named. sampling_json.csv holds descriptions
of people, written freely and under a constraint. Everything is computed in float32 with fixed seeds. Greedy texts are
nearly the same on every machine; sampled texts may differ.
"""

import csv
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from llmlib import Constraint, Sampler, ablate, encode_chat, generate, load_pretrained, trace
from llmlib.interpret.head_scores import induction_score
from llmlib.sampling import quality

FILE = Path(__file__).parent / "sampling_experiments.csv"
FIELDS = ("experiment", "arm", "prompt", "measure", "value")
ANSWERS = Path(__file__).parent / "sampling_answers.csv"
JSON = Path(__file__).parent / "sampling_json.csv"
COUNTRIES = """France, Germany, Italy, Spain, Portugal, Greece, Austria, Switzerland, Poland, Hungary, Norway, Sweden,
Finland, Denmark, Ireland, Iceland, Russia, Ukraine, Turkey, Egypt, Kenya, Nigeria, Ghana, Morocco, Algeria, Tunisia,
Ethiopia, Tanzania, Uganda, Senegal, Japan, China, India, Pakistan, Nepal, Thailand, Vietnam, Indonesia, Malaysia,
Mongolia, Iran, Iraq, Syria, Lebanon, Jordan, Israel, Australia, Canada, Mexico, Cuba, Brazil, Argentina, Chile, Peru,
Colombia, Venezuela, Ecuador, Bolivia, Uruguay, Paraguay, Romania, Bulgaria, Serbia, Croatia, Slovenia, Slovakia,
Estonia, Latvia, Lithuania, Belarus, Georgia, Armenia""".replace("\n", " ").split(", ")
PROMPTS = (
    "Once upon a time there was a",
    "The best thing about living in a small town is",
    "In the year 2050, most people will",
    "My grandmother always told me that",
    "The scientists were surprised to find that",
    "To make a good soup, you first",
    "The old house at the end of the street",
    "I have never understood why",
    "When the train finally arrived,",
    "The first thing I do in the morning is",
    "Nobody in the village knew that",
    "If I could travel anywhere, I would",
    "The main reason why bees are important is",
    "At the bottom of the lake there was",
    "A good teacher is someone who",
    "The letter began with the words",
    "On the last day of the holidays, we",
    "Most people believe that money",
    "The king had three daughters, and",
    "To learn a new language, you should",
    "Every winter, the birds",
    "The problem with modern music is that",
    "She opened the door and saw",
    "The history of this city begins with",
)
TEMPERATURES, TEXTS, SHORT = (0.4, 1.0, 1.5), 3, 20  # temperatures, texts per prompt, tokens per text
RULES = {"temperature alone": {}, "top-k 40": {"top_k": 40}, "top-p 0.9": {"top_p": 0.9}, "min-p 0.1": {"min_p": 0.1}}
PENALTIES = {
    "repetition 1.2": {"repetition_penalty": 1.2},
    "frequency 0.5": {"frequency_penalty": 0.5},
    "presence 1": {"presence_penalty": 1.0},
}

Rows = Iterator[tuple[int, str, float]]  # the number of the prompt, the measure, the value
smol, tokenizer = load_pretrained("smollm2-135m-instruct", device="cpu", dtype="float32")
smol.requires_grad_(False)


def write(prompts: list[str], sampler: Sampler, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Write n tokens after each prompt, but no end token; return their ids and log-probabilities, both (prompt, n)."""
    rows = [tokenizer.encode(prompt) for prompt in prompts]
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    real = torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])
    sampler = dataclasses.replace(sampler, logit_bias=dict.fromkeys(tokenizer.eos_ids, -torch.inf))
    steps = generate(smol, ids, n, sampler, seed, attention_mask=real, end_ids=(), top_log_probs=0)
    sampled = [[(choice.id, choice.log_prob) for choice in step] for step in steps]
    tokens, log_p = torch.tensor(sampled, dtype=torch.float64).permute(2, 1, 0).unbind()  # from (n, prompt, 2)
    return tokens.long(), log_p


def induction_heads(count: int) -> list[tuple[int, int]]:
    """Return the heads that look most at the token after the previous occurrence of the current token."""
    noise = torch.randint(1000, 20_000, (20,), generator=torch.Generator().manual_seed(0)).repeat(2)
    with torch.no_grad(), trace(smol, names=("pattern",)) as t:
        smol(noise[None])
    scores = torch.stack([induction_score(pattern[0], noise) for pattern in t.pattern])  # (layer, head)
    return [divmod(int(place), scores.shape[1]) for place in scores.flatten().topk(count).indices]


def others_like(heads: list[tuple[int, int]], seed: int) -> list[tuple[int, int]]:
    """For each of these heads, sample another head from the same layer."""
    chance, found = torch.Generator().manual_seed(seed), list[tuple[int, int]]()
    for layer, _ in heads:
        while (head := (layer, int(torch.randint(0, smol.config.n_heads, (), generator=chance)))) in heads + found:
            pass
        found.append(head)
    return found


def loops(arm: str) -> Rows:
    """Measure how much greedy or sampled texts repeat themselves, with all heads or with some heads off."""
    heads: list[tuple[int, int]] = []
    if arm.endswith("off"):
        heads = induction_heads(12)
        heads = heads if arm.startswith("induction") else others_like(heads, seed=int(arm.split()[1]))
    with ablate(smol, heads):
        sampler = Sampler(temperature=1.0 if arm == "drawn" else 0)
        tokens, _ = write(list(PROMPTS), sampler, 80 if heads else 120)
    for prompt, row in enumerate(tokens.tolist()):
        yield prompt, "repeated of 80", quality.repetition(row[:80])
        if not heads:
            yield prompt, "repeated of 120", quality.repetition(row)


SENTENCES = (
    " The old man walked slowly along the river and thought about his wife.",
    " Bread is made of flour, water, salt and a little yeast.",
    " She had never seen such a large bird in the garden before.",
    " My sister plays the piano every evening after school.",
    " The train was late again, as on most days.",
    " Cats sleep for more than half of the day.",
    " He bought two kilos of apples and a jar of honey.",
    " No one knows who built the tower on the hill.",
)


def contagion(arm: str) -> Rows:
    """Measure the mean probability of a repeated sentence's tokens at each reading, with all heads on or some off."""
    heads = [] if arm == "all heads on" else induction_heads(12)
    heads = others_like(heads, seed=int(arm.split()[1])) if arm.startswith("others") else heads
    for number, sentence in enumerate(SENTENCES):
        ids = tokenizer.encode(sentence)
        with ablate(smol, heads):
            log_p = quality.log_probs_of(smol, torch.tensor([[0, *ids * 4]]))[0]
        for time, part in enumerate(log_p.split(len(ids)), start=1):
            yield number, f"reading {time}", part.exp().mean().item()


def penalties(arm: str) -> Rows:
    """Measure how much greedy texts repeat themselves with one penalty."""
    tokens, _ = write(list(PROMPTS), Sampler(temperature=0, **PENALTIES[arm]), 80)
    for prompt, row in enumerate(tokens.tolist()):
        yield prompt, "repeated of 80", quality.repetition(row)


def rules(arm: str) -> Rows:
    """Measure how diverse and how likely three short texts per prompt are under one rule, at three temperatures."""
    rows = [(T, prompt) for T in TEMPERATURES for prompt in PROMPTS[:12] for _ in range(TEXTS)]
    sampler = Sampler(temperature=[T for T, _ in rows], **RULES[arm])
    tokens, log_p = write([prompt for _, prompt in rows], sampler, SHORT)
    for place, (texts, surprise) in enumerate(zip(tokens.split(TEXTS), log_p.split(TEXTS))):
        number, prompt = divmod(place, 12)
        yield prompt, f"distinct-2 @ {TEMPERATURES[number]}", quality.distinct_n(texts.tolist(), 2)
        yield prompt, f"self-BLEU @ {TEMPERATURES[number]}", quality.self_bleu(texts.tolist())
        yield prompt, f"surprise @ {TEMPERATURES[number]}", -surprise.mean().item()


def up_to(signs: str, ids: list[int], log_p: Tensor) -> tuple[str, float]:
    """Return the text before the first token with a character from `signs`, and the text's log-probability."""
    pieces = [tokenizer.decode([id]) for id in ids]
    length = next((i for i, piece in enumerate(pieces) if set(piece) & set(signs)), len(pieces))
    return "".join(pieces[:length]), log_p[:length].sum().item()


def log_probs_after(beginning: str, texts: list[str]) -> list[float]:
    """Return the log-probability of each text after the same beginning, which the model reads once."""
    start, rows = tokenizer.encode(beginning), [tokenizer.encode(text) for text in texts]
    width = max(map(len, rows))
    cache = smol.new_cache(max_seq_len=len(start) + width)
    first = smol(torch.tensor([start]), cache=cache)[:, -1:]
    cache.reorder(torch.zeros(len(rows), dtype=torch.long))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    logits = torch.cat([first.expand(len(rows), -1, -1), smol(ids, cache=cache)[:, :-1]], dim=1)
    log_p = logits.log_softmax(dim=-1).gather(-1, ids[..., None])[..., 0]
    return [of_row[: len(row)].sum().item() for of_row, row in zip(log_p, rows)]


def answers() -> Iterator[tuple[str, str, str, float, float | str]]:
    """Yield greedy answers about capitals and sums, and eight sampled answers to each of 63 harder sums."""
    asked = [f"Question: What is the capital of {one}?\nAnswer: The capital of {one} is" for one in COUNTRIES]
    tokens, log_p = write(asked, Sampler(temperature=0), 7)
    said = [up_to(".,\n", ids, one) for ids, one in zip(tokens.tolist(), log_p)]
    elsewhere = log_probs_after("The capital of the country is", [text for text, _ in said])
    for country, (text, own), other in zip(COUNTRIES, said, elsewhere):
        yield "capital", country, text, own, round(other, 4)
    shown = "2 + 3 = 5\n4 + 7 = 11\n"
    easy = [f"{a} + {b} =" for a in range(3, 30, 3) for b in range(4, 30, 4)]
    hard = [f"{a} + {b} =" for a in range(10, 60, 6) for b in range(11, 45, 5)]
    for kind, sums, temperature, n in (("sum", easy, 0, 1), ("harder sum", hard, 0, 1), ("drawn sum", hard, 1, 8)):
        rows = [one for one in sums for _ in range(n)]
        tokens, log_p = write([shown + one for one in rows], Sampler(temperature=temperature), 4)
        for one, ids, of_row in zip(rows, tokens.tolist(), log_p):
            yield kind, one.removesuffix(" ="), *up_to("\n", ids, of_row), ""


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer"},
        "city": {"type": "string", "maxLength": 20},
        "student": {"type": "boolean"},
        "colour": {"enum": ["red", "green", "blue"]},
    },
    "required": ["name", "age", "city", "student", "colour"],
}
PEOPLE = (
    ("Mary", 24, "Boston", True, "green"),
    ("Ahmed", 41, "Cairo", False, "blue"),
    ("Yuki", 19, "Osaka", True, "red"),
    ("Olga", 67, "Riga", False, "green"),
    ("Tom", 33, "London", False, "red"),
    ("Ana", 21, "Lisbon", True, "blue"),
    ("Chen", 58, "Beijing", False, "blue"),
    ("Lea", 20, "Paris", True, "green"),
)


def descriptions() -> Iterator[tuple[object, ...]]:
    """Yield each person with the model's JSON from a sentence about them: written freely, and under a constraint."""
    rows = []
    for name, age, city, student, colour in PEOPLE:
        does = "studies" if student else "works"
        fact = f"{name} is {age} years old, lives in {city}, {does}, and loves {colour} things."
        fields = "name, age, city, student (true or false), colour (red, green or blue)"
        task = f"Describe {name} as JSON with the fields {fields}, in this order. Only JSON."
        rows.append(encode_chat(tokenizer, f"{fact} {task}"))
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows] * 2)
    each = [None] * len(rows) + [Constraint.json(SCHEMA, tokenizer)] * len(rows)
    steps = generate(smol, ids, 60, Sampler(temperature=0), attention_mask=ids > 0, constraint=each)
    special = set(tokenizer.special_tokens.values())
    written = [
        tokenizer.decode([id for id in row if id not in special]) for row in torch.stack(list(steps), dim=1).tolist()
    ]
    for person, free, forced in zip(PEOPLE, written, written[len(rows) :]):
        yield *person, free, forced


EXPERIMENTS: tuple[tuple[Callable[[str], Rows], tuple[str, ...]], ...] = (
    (loops, ("greedy", "drawn", "induction heads off", "others 1 off", "others 2 off")),
    (contagion, ("all heads on", "induction heads off", "others 1 off", "others 2 off")),
    (penalties, tuple(PENALTIES)),
    (rules, tuple(RULES)),
)


def main() -> None:
    known = set()
    if FILE.exists():
        with FILE.open(newline="") as file:
            known = {(row["experiment"], row["arm"]) for row in csv.DictReader(file)}
    else:
        FILE.write_text(",".join(FIELDS) + "\n")
    for run, arms in EXPERIMENTS:
        for arm in arms:
            if (run.__name__, arm) in known:
                continue
            measured = [[run.__name__, arm, prompt, what, f"{value:.4g}"] for prompt, what, value in run(arm)]
            with FILE.open("a", newline="") as file:  # an arm is written completely or not at all
                csv.writer(file, lineterminator="\n").writerows(measured)
            print(run.__name__, arm, flush=True)
    if not ANSWERS.exists():
        rows = [[kind, asked, said, f"{log_p:.5g}", other] for kind, asked, said, log_p, other in answers()]
        with ANSWERS.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(
                [("kind", "question", "answer", "log_prob", "elsewhere"), *rows]
            )
    if not JSON.exists():
        people = list(descriptions())
        with JSON.open("w", newline="") as file:
            names = ("name", "age", "city", "student", "colour", "freely", "under the constraint")
            csv.writer(file, lineterminator="\n").writerows([names, *people])


if __name__ == "__main__":
    main()
