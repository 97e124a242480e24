"""Train the course's own base model, `load_pretrained("tinytales")`, from scratch.

    python data/make_tinytales.py

The script trains the model (a run that was stopped resumes), scores it, and writes the model and its card. Two cores
with matrix units for bfloat16 (10 thousand tokens a second) need 24 minutes in all; other cores (6 thousand) need 40.
Everything that determines the result is in this file.
"""

import argparse
import copy
import csv
import dataclasses
import statistics
from pathlib import Path
from typing import Any

import torch

from llmlib import Sampler, Transformer, TransformerConfig, generate, load_pretrained, save_pretrained
from llmlib.corpora.reading import ReadingBook, page
from llmlib.corpora.tinytales import STORY_SEPARATOR, tinytales
from llmlib.corpora.tinytales.tasks import animals_in
from llmlib.tokenization import BPETokenizer
from llmlib.training import Step, TrainConfig, train

FOLDER = Path(__file__).parent.parent / "llmlib" / "pretrained" / "tinytales"
STORIES_TO_SCORE = 100

SPECIAL_TOKENS = ("<|endoftext|>", "<|user|>", "<|assistant|>")  # the last two are for instruction tuning
VOCAB_SIZE, PAGES_FOR_TOKENIZER, MAX_SEQ_LEN = 2048, 4000, 512
RUN = TrainConfig(
    steps=4500,
    batch_size=8,
    seq_len=384,
    optimizer="muon",
    learning_rate=4e-3,
    matrix_learning_rate=1e-2,
    betas=(0.9, 0.98),
    weight_decay=0.05,
    warmup=50,
    schedule="wsd",
    decay_share=0.6,
    dtype="bfloat16",
    seed=0,
    validate_every=500,
    validation_batches=16,
    save_every=500,
)


def make_tokenizer() -> BPETokenizer:
    text = "\n\n".join(page(story) for story in tinytales(seed=0, n_stories=PAGES_FOR_TOKENIZER))
    learned = BPETokenizer.train(text, VOCAB_SIZE, special_tokens=SPECIAL_TOKENS)
    end_id = learned.special_tokens["<|endoftext|>"]
    return BPETokenizer(learned.vocabulary, learned.pattern, learned.special_tokens, eos_ids=[end_id])


def make_model(tokenizer: BPETokenizer) -> Transformer:
    """Make a model with four layers of width 256 and 4.2 million weights.

    The initial weights are larger than GPT-2's. With embeddings that hardly differ, the vectors of names that occur in
    the same contexts would become almost equal before the model learns to repeat the names of a story.
    """
    end_id = tokenizer.special_tokens["<|endoftext|>"]
    config = TransformerConfig(
        vocab_size=VOCAB_SIZE,
        max_seq_len=MAX_SEQ_LEN,
        d_model=256,
        n_layers=4,
        n_heads=8,
        d_mlp=672,
        positions="rotary",
        norm="rmsnorm",
        mlp="swiglu",
        qk_norm=True,
        tied_embeddings=False,
        end_ids=(end_id,),
    )
    model = Transformer(config, seed=0)
    with torch.no_grad():
        model.embed.weight *= 10
        for parameter in model.blocks.parameters():
            if parameter.ndim == 2:
                parameter *= 2
    return model


def trained(tokenizer: BPETokenizer, folder: Path) -> tuple[Transformer, list[dict[str, str]]]:
    """Train the model, and return it with a row of the log for each step."""
    model = make_model(tokenizer)
    books = [ReadingBook(tokenizer, end_id=model.config.end_ids[0], split=split) for split in ("train", "validation")]
    run = train(model, books[0], RUN, validation=books[1], folder=folder, resume=True)
    with open(folder / "log.csv", "a", encoding="utf-8", newline="") as file:
        log = csv.DictWriter(file, [field.name for field in dataclasses.fields(Step)])
        if not file.tell():
            log.writeheader()
        for step in run:
            log.writerow(dataclasses.asdict(step))
            if step.validation_loss is not None:
                print(
                    f"step {step.step}: loss {step.loss:.3f}, on unseen stories {step.validation_loss:.3f}", flush=True
                )
                file.flush()
    with open(folder / "log.csv", encoding="utf-8", newline="") as file:
        return model, list(csv.DictReader(file))


# --- scores ---------------------------------------------------------------------------------------------------------


def exercises(split: str) -> list[tuple[str, str, str]]:
    """Return exercises about new stories, each with its kind, the page up to the answer, and the answer."""
    found = []
    for story in tinytales(seed=1, split=split, n_stories=STORIES_TO_SCORE):
        above = story.text + STORY_SEPARATOR
        asked = [(q.kind, q.text, q.reply) for q in story.questions if q.kind != "unanswerable"]
        asked.append(("summary", "In one sentence:", story.summary))
        if animals := animals_in(story.text):
            asked.append(("animals", "Animals:", f"{', '.join(animals)}."))
        found += [(kind, above + question, answer) for kind, question, answer in asked]
    return found


def answers_of(model: Transformer, tokenizer: BPETokenizer, pages: list[str]) -> list[str]:
    """Return the model's answers: always its likeliest token, up to the end of the line."""
    rows = [tokenizer.encode(page) for page in pages]
    length = max(map(len, rows))
    ids = torch.tensor([[0] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[False] * (length - len(row)) + [True] * len(row) for row in rows])
    (newline,) = tokenizer.encode("\n")
    written = generate(model, ids, 40, Sampler(temperature=0), attention_mask=mask, end_ids=[newline])
    texts = [tokenizer.decode(row) for row in torch.stack(list(written), dim=1).tolist()]
    return [text.partition("\n")[0].strip() for text in texts]


def scores(model: Transformer, tokenizer: BPETokenizer, split: str) -> dict[str, tuple[int, int, int]]:
    """Count, by kind, the right answers, the right answers with the story replaced (control), and all answers."""
    asked = exercises(split)
    stories = list(dict.fromkeys(page.partition(STORY_SEPARATOR)[0] for _, page, _ in asked))
    after = dict(zip(stories, stories[1:] + stories[:1]))
    counts: dict[str, list[int]] = {}
    for begin in range(0, len(asked), 40):
        part = asked[begin : begin + 40]
        pages = [page for _, page, _ in part]
        others = [after[(halves := page.partition(STORY_SEPARATOR))[0]] + halves[1] + halves[2] for page in pages]
        for (kind, _, right), ours, control in zip(
            part, answers_of(model, tokenizer, pages), answers_of(model, tokenizer, others)
        ):
            count = counts.setdefault(kind, [0, 0, 0])
            for place, value in enumerate((ours == right, control == right, True)):
                count[place] += value
    return {kind: (right, control, of) for kind, (right, control, of) in sorted(counts.items())}


# --- files ----------------------------------------------------------------------------------------------------------


def write(model: Transformer, tokenizer: BPETokenizer, folder: Path) -> None:
    """Write the model in the format of the Hugging Face hub, in bfloat16; its architecture is Qwen3's."""
    save_pretrained(copy.deepcopy(model).bfloat16(), tokenizer, folder)


def chosen(config: Any) -> str:
    """Write a config with only the fields that differ from the defaults."""
    fields = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    }
    return f"{type(config).__name__}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"


def card(model: Transformer, log: list[dict[str, str]]) -> str:
    """Write the model card; all its numbers are measured or read from the run."""
    loaded, tokenizer = load_pretrained(FOLDER, device="cpu", dtype="float32")
    measured = {split: scores(loaded, tokenizer, split) for split in ("validation", "heldout")}
    rows = [
        f"| {'kind of exercise'} | {' | '.join(f'{split}: right | with another story above' for split in measured)} |"
    ]
    rows.append("| --- |" + " ---: |" * 4)
    for kind in [*measured["validation"], "all"]:
        cells = []
        for counts in measured.values():
            some = counts.values() if kind == "all" else [counts.get(kind, (0, 0, 0))]
            right, control, of = (sum(column) for column in zip(*some))
            cells += [f"{right / max(of, 1):.0%} of {of}", f"{control / max(of, 1):.0%}"]
        rows.append(f"| {kind} | {' | '.join(cells)} |")
    curve = [
        f"| {row['step']} | {float(row['loss']):.3f} | {float(row['validation_loss']):.3f} |"
        for row in log
        if row["validation_loss"]
    ]
    tokens = RUN.steps * RUN.batch_size * RUN.seq_len
    _, median, quick = statistics.quantiles((float(row["tokens_per_second"]) for row in log), n=4)
    size = (FOLDER / "model.safetensors").stat().st_size
    return CARD.format(
        parameters=sum(p.numel() for p in model.parameters()),
        megabytes=size / 1e6,
        config=chosen(model.config),
        run=chosen(RUN),
        seed=RUN.seed,
        seq_len=RUN.seq_len,
        max_seq_len=MAX_SEQ_LEN,
        tokens=tokens,
        minutes=tokens / quick / 60,
        busy_minutes=tokens / median / 60,
        curve="\n".join(curve),
        scores="\n".join(rows),
        stories=STORIES_TO_SCORE,
    )


CARD = """# TinyTales base

The base model of this course: {parameters:,} weights, {megabytes:.1f} MB in bfloat16; `load_pretrained("tinytales")`.
It is made from scratch by `python data/make_tinytales.py`, which also writes this card.

## What it is for

You can study, steer and tune it on a laptop. It continues pages of a reading book about one small village: a story,
then exercises with their answers, one per line. It has never seen a conversation. It is not an assistant, knows nothing
about the real world, and writes only the English of TinyTales.

## Data

The model was trained on pages that `llmlib.corpora.reading` makes from TinyTales (`data/README.md`), split "train",
seed {seed}. No page appears twice. Questions that a story does not answer are left out, so the model has never read
that an answer may be unknown.

## Recipe

    {config}

    {run}

{tokens:,} tokens. On two cores this takes {minutes:.0f} minutes at the speed of the fastest quarter of the steps, and
{busy_minutes:.0f} minutes at the median speed (the machine had other work to do).

| step | loss on the step's batch, nats per token | loss on unseen stories |
| ---: | ---: | ---: |
{curve}

## Scores

We give the model exercises about {stories} stories of each split, and compare its likeliest continuation with the right
answer, word by word. The stories in "heldout" combine heroes, things and shapes that no training story combines. As a
control, we put the same exercises below another story: an answer that is right there was guessed from the question.

{scores}

## Limits

- It answers every question. If the story does not contain the answer, the model invents one.
- It errs most in longer lists and sentences; above, a single wrong word makes an answer wrong.
- It was trained on rows of {seq_len} tokens. Its context has {max_seq_len}, but only tuning teaches it to use the rest.
- bfloat16 sums differ from one kind of processor to another, so a run elsewhere ends with slightly different weights.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, default=Path("runs/tinytales"), help="folder for checkpoints and the log")
    tokenizer = make_tokenizer()
    model, log = trained(tokenizer, parser.parse_args().run)
    write(model, tokenizer, FOLDER)
    (FOLDER / "README.md").write_text(card(model, log), encoding="utf-8")
    print(f"The model is in {FOLDER}.")


if __name__ == "__main__":
    main()
