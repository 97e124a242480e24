"""`llmlib train`: a run from a file of settings."""

import contextlib
import csv
import dataclasses
import difflib
import inspect
import io
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from llmlib.files.atomic import atomic_write

EXAMPLE = """\
folder = "runs/tales"        # checkpoints, tokenizer.json and log.csv go here

[data]
corpus = "tinytales"         # or "shakespeare", "python", or a list of text files
characters = 2_000_000       # of the corpus, at most
tokenizer = 512              # learn so many tokens; or a name or file that load_tokenizer knows
validation_share = 0.1       # of the tokens, at the end of the text

[model]                      # any field of TransformerConfig but vocab_size
max_seq_len = 128
d_model = 128
n_layers = 4
n_heads = 4
positions = "rotary"
norm = "rmsnorm"
mlp = "swiglu"

[train]                      # any field of TrainConfig
steps = 1000
batch_size = 32
seq_len = 128
optimizer = "muon"
learning_rate = 3e-3
warmup = 50
validate_every = 100
save_every = 200
"""
DATA = {
    "corpus": "tinytales",
    "characters": 2_000_000,
    "tokenizer": 512,
    "validation_share": 0.1,
}


class SettingsError(ValueError):
    """The file of settings cannot be used; the message says which part, and what is expected."""


def train_command(
    settings: Annotated[Path, typer.Argument(help="A TOML file; see the example below.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")] = False,
) -> None:
    """Train a model on text. The same settings give the same run; a run that was stopped goes on with --resume.

    With N processes: torchrun --nproc-per-node=N -m llmlib train settings.toml
    With --max-restarts=3, a run of which a process dies goes on by itself.
    """
    try:
        _run(read_settings(settings), resume)
    except (ValueError, OSError, RuntimeError) as error:
        typer.echo(f"llmlib train: {error}", err=True)
        raise typer.Exit(1) from None


def with_example(text: str, example: str) -> str:
    """The help of a command, with an example of its settings file as it stands."""
    # \b keeps the lines of a paragraph as they are.
    paragraphs = [inspect.cleandoc(text), "A complete example:", *(f"\b\n{part}" for part in example.split("\n\n"))]
    return "\n\n".join(paragraphs)


train_command.__doc__ = with_example(str(train_command.__doc__), EXAMPLE)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a file, defaults filled in. Raises `SettingsError` for what is missing, unknown or no TOML."""
    content = read_toml(path, "train", {"folder": "", "data": {}, "model": {}, "train": {}}, needed=("folder", "model"))
    data = content.get("data", {})
    check_names(data, DATA, f"{path}, [data]")
    return {"train": {}, **content, "data": {**DATA, **data}}


def read_toml(path: Path, command: str, known: Mapping[str, Any], needed: Sequence[str]) -> dict[str, Any]:
    """The content of a settings file of `llmlib command`. Raises `SettingsError` as `read_settings` does."""
    example = f"`llmlib {command} --help` shows an example"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"There is no file {path}. {example} of one.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is no TOML file: {error}. {example}.") from None
    check_names(content, known, str(path))
    for name in needed:
        if name not in content:
            raise SettingsError(f"{path} says nothing of {name!r}. {example}.")
    return content


def check_names(settings: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    for name, value in settings.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(known)}."
            raise SettingsError(f"{where} has an unknown {name!r}. {meant}")
        if isinstance(known[name], dict) and not isinstance(value, dict):
            raise SettingsError(f"{where}: {name!r} must be a section, [{name}].")


def _run(settings: Mapping[str, Any], resume: bool) -> None:
    from llmlib.devices import choose
    from llmlib.training import distributed
    from llmlib.training.config import TrainConfig
    from llmlib.training.loop import train
    from llmlib.transformer import Transformer, TransformerConfig

    ranks = distributed.join()
    folder = Path(settings["folder"])
    config = TrainConfig.from_mapping(settings["train"])
    if not ranks.writes:
        ranks.wait()  # until the first process has learned the tokenizer
    tokenizer, data, validation = _prepare(settings["data"], folder, config.seq_len)
    if ranks.writes:
        ranks.wait()
    fields = [field.name for field in dataclasses.fields(TransformerConfig)]
    check_names(settings["model"], dict.fromkeys(fields), "[model]")
    try:
        architecture = TransformerConfig(**{"vocab_size": tokenizer.vocab_size, **settings["model"]})
    except TypeError as error:  # a field is missing
        raise SettingsError(f"[model]: {error}") from None
    if architecture.vocab_size < tokenizer.vocab_size:
        raise SettingsError(
            f"[model]: vocab_size={architecture.vocab_size} is too small for the tokenizer's {tokenizer.vocab_size}. "
            "Leave it out, and it fits."
        )
    model = Transformer(architecture, device=choose().device)
    run = train(model, data, config, validation=validation, folder=folder, resume=resume)
    follow(run, folder, ranks.writes)
    if ranks.writes:
        typer.echo(f"{summary(run)}. The model is in {folder}.")


def follow(run: Any, folder: Path, writes: bool) -> None:
    """Take all steps of a run, with a progress bar and a line in log.csv for each, if this process `writes`."""
    from tqdm.auto import tqdm

    with (
        _log(folder / "log.csv", run.last) if writes else contextlib.nullcontext() as log,
        tqdm(run, total=run.config.steps, initial=run.step, unit="step", disable=not writes) as bar,
    ):
        for step in bar:
            if log is not None:
                file, rows = log
                rows.writerow({**dataclasses.asdict(step), "sample": None})
                file.flush()
            shown = {"loss": f"{step.loss:.3f}", "tokens/s": f"{step.tokens_per_second:,.0f}"}
            if step.validation_loss is not None:
                shown["validation"] = f"{step.validation_loss:.3f}"
            bar.set_postfix(shown)


def summary(run: Any) -> str:
    """What a run came to, in one clause."""
    best = f"; the lowest validation loss was {run.best[0]:.4f}, at step {run.best[1]}" if run.best else ""
    return f"{run.step} steps taken{best}"


def _prepare(data: Mapping[str, Any], folder: Path, seq_len: int) -> tuple[Any, Any, Any]:
    """The tokenizer, and the tokens to train on and to validate on; what the folder holds already is used again."""
    from llmlib.corpora.datasets import DatasetError, TokenDataset
    from llmlib.tokenization.bpe import BPETokenizer
    from llmlib.tokenization.loading import load_tokenizer

    file = folder / "tokenizer.json"
    text = _text(data["corpus"], data["characters"])
    if not isinstance(data["tokenizer"], int):
        tokenizer = load_tokenizer(data["tokenizer"])
    elif file.is_file():
        tokenizer = load_tokenizer(file)
    else:
        trained = BPETokenizer.train(text, data["tokenizer"])
        trained.save(file)
        tokenizer = trained
    ids = tokenizer.encode(text)
    cut = round(len(ids) * (1 - data["validation_share"]))
    parts = TokenDataset(ids[:cut], tokenizer.vocab_size), TokenDataset(ids[cut:], tokenizer.vocab_size)
    for part, name in zip(parts, ("to train on", "to validate on")):
        if len(part) <= seq_len:
            raise DatasetError(
                f"{len(part):,} tokens are there {name}, and one window of seq_len={seq_len} needs {seq_len + 1:,}. "
                "Use more text, shorter windows, or another validation_share."
            )
    return tokenizer, *parts


def _text(corpus: str | list[str], characters: int) -> str:
    from llmlib.corpora.texts import from_files, python_stdlib, tiny_shakespeare
    from llmlib.corpora.tinytales import tinytales_text

    if isinstance(corpus, list):
        return from_files(corpus)[:characters]
    makers: dict[str, Callable[[int], str]] = {
        "tinytales": tinytales_text,
        "python": python_stdlib,
        "shakespeare": lambda n: tiny_shakespeare()[:n],
    }
    if corpus not in makers:
        raise SettingsError(
            f"[data]: there is no corpus {corpus!r}. There are {', '.join(makers)}; files are given as a list, "
            f"corpus = [{corpus!r}]."
        )
    return makers[corpus](characters)[:characters]


@contextlib.contextmanager
def _log(path: Path, last: Any) -> Iterator[tuple[IO[str], Any]]:
    """The CSV file of a run, open to go on after the step `last`, or to begin if that is None.

    What was written later, before a kill, is dropped. A kill may also have come between the checkpoint and its line.
    """
    from llmlib.training.loop import Step

    names = [field.name for field in dataclasses.fields(Step) if field.name != "sample"]
    kept: list[dict[str, Any]] = []
    if last is not None and path.is_file():
        with open(path, encoding="utf-8", newline="") as file:
            kept = [row for row in csv.DictReader(file) if int(row["step"]) < last.step]
    if last is not None:
        kept.append(dataclasses.asdict(last))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    with atomic_write(path) as binary:
        binary.write(text.getvalue().encode())
    with open(path, "a", encoding="utf-8", newline="") as file:
        yield file, csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
