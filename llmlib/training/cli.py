"""`llmlib train` trains a model from a settings file."""

import inspect
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, no_type_check

import typer

from llmlib.settings import AT_LEAST_1, Limit, SettingsError, check_fields, from_mapping
from llmlib.training.following import following, reporting, summary, warnings_once

EXAMPLE = """\
folder = "runs/tales"        # for the model (open it with load_pretrained), checkpoints and log.csv

[data]
corpus = "tinytales"         # or "shakespeare", "python", or a list of text files
characters = 2_000_000       # use at most this many from the corpus
vocab_size = 512             # learn a tokenizer with this many tokens; or use one: tokenizer = "gpt2", or a file
validation_share = 0.1       # share of the tokens to validate on, from the end of the text

[model]                      # any field of TransformerConfig except vocab_size
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
SOME = Limit("a path that is not empty", bool)
LEARNED = "learned"  # means a tokenizer learned from the corpus; other values are names or files for load_tokenizer
BELOW_1_MORE_THAN_0 = Limit("greater than 0 and less than 1", lambda value: 0 < value < 1)
VOCABULARY = Limit("at least 256, because there are 256 bytes", lambda value: value >= 256)


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class DataSettings:
    """The [data] section of a settings file for `llmlib train`."""

    corpus: str | tuple[str, ...] = "tinytales"
    characters: Annotated[int, AT_LEAST_1] = 2_000_000
    vocab_size: Annotated[int, VOCABULARY] = 512
    tokenizer: Annotated[str, Limit("a name or a file, not empty", bool)] = LEARNED
    validation_share: Annotated[int | float, BELOW_1_MORE_THAN_0] = 0.1

    def __post_init__(self) -> None:
        check_fields(self)
        if isinstance(self.corpus, str) and self.corpus not in CORPORA:
            raise SettingsError(
                f"there is no corpus {self.corpus!r}. Choose {', '.join(CORPORA)}, or list your files: "
                f"corpus = [{self.corpus!r}]."
            )


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class RunSettings:
    """The contents of a settings file for `llmlib train`."""

    folder: Annotated[str, SOME]
    model: dict[str, Any]
    data: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)


def train_command(
    settings: Annotated[Path, typer.Argument(help="A TOML file; see the example below.")],
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint in the folder.")] = False,
) -> None:
    """Train a model on text. The same settings reproduce the same run; use --resume to continue a run that was stopped.

    To continue a run that has ended, set a higher number of steps in the settings.

    With N processes: torchrun --nproc-per-node=N -m llmlib train settings.toml
    With --max-restarts=3, a run restarts by itself if one of its processes dies.
    If a run fails, torchrun adds its own traceback; the last lines, under "Root Cause", say what went wrong.
    """
    with reporting("train"):
        _run(settings, resume)


def with_example(text: str, example: str) -> str:
    """Return a command's help text with an example of its settings file."""
    # In a help text, \b keeps the line breaks of a paragraph.
    paragraphs = [inspect.cleandoc(text), "A complete example:", *(f"\b\n{part}" for part in example.split("\n\n"))]
    return "\n\n".join(paragraphs)


train_command.__doc__ = with_example(str(train_command.__doc__), EXAMPLE)


def read_toml(path: Path, command: str, kind: type[Any]) -> Any:
    """Read the settings file of `llmlib {command}` into the dataclass `kind`.

    Raises `SettingsError`, which names the file, if the file cannot be read or does not fit `kind`.
    """
    example = f"`llmlib {command} --help` shows an example"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(f"There is no file {path}. {example}.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}). {example}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is not a TOML file: {error}. {example}.") from None
    try:
        return from_mapping(kind, content, str(path))
    except SettingsError as error:
        raise SettingsError(f"{error} {example}." if "is missing" in str(error) else str(error)) from None


def _run(path: Path, resume: bool) -> None:
    from llmlib.devices import choose
    from llmlib.training import checkpoints, distributed, memory
    from llmlib.training.config import TrainConfig
    from llmlib.training.loop import train
    from llmlib.transformer import Transformer, TransformerConfig

    settings = read_toml(path, "train", RunSettings)
    data = from_mapping(DataSettings, settings.data, f"{path}, [data]")
    if data.tokenizer != LEARNED and "vocab_size" in settings.data:
        raise SettingsError(
            f"{path}, [data]: vocab_size is only used when a tokenizer is learned. Leave out vocab_size or tokenizer."
        )
    config = TrainConfig.from_mapping(settings.train, f"{path}, [train]")
    of_model = f"{path}, [model]"
    from_mapping(TransformerConfig, settings.model, of_model, {"vocab_size": 1})  # report any wrong fields first
    folder, ranks = Path(settings.folder), distributed.join()
    claim = checkpoints.claim(folder) if ranks.writes else None
    if not ranks.writes:
        ranks.wait()  # wait until the first process has learned the tokenizer
    tokenizer, learn, validation = _prepare(data, folder, config.seq_len, ranks.writes)
    if ranks.writes:
        ranks.wait()
    architecture = from_mapping(TransformerConfig, settings.model, of_model, {"vocab_size": tokenizer.vocab_size})
    if architecture.vocab_size < tokenizer.vocab_size:
        raise SettingsError(
            f"{of_model}: vocab_size={architecture.vocab_size} is too small for the tokenizer, "
            f"which has {tokenizer.vocab_size} tokens. Leave vocab_size out to get the right size."
        )
    device = choose().device
    memory.check_room(architecture, config, device)
    with warnings_once(ranks.writes):
        run = train(
            Transformer(architecture, device=device), learn, config, validation=validation, folder=folder, resume=resume
        )
    del claim
    with following(run, folder, ranks, f"llmlib train {path} --resume"):
        _keep(run, tokenizer, folder, ranks.writes)


def _keep(run: Any, tokenizer: Any, folder: Path, writes: bool) -> None:
    """Write the model at the end of a run, in a format that other libraries can also read."""
    from llmlib.pretrained.saving import save_pretrained
    from llmlib.training import sharding

    model = sharding.whole_model(run.model)
    if writes:
        with warnings_once(True):
            save_pretrained(model, tokenizer, folder, step=run.step)
        typer.echo(
            f"{summary(run, folder)} The model after the last step is in {folder}: "
            f'model, tokenizer = load_pretrained("{folder.as_posix()}").'
        )


def _prepare(data: DataSettings, folder: Path, seq_len: int, writes: bool) -> tuple[Any, Any, Any]:
    """Return the tokenizer (the folder's own, if there is one), and the tokens to train on and to validate on."""
    from llmlib.corpora.datasets import DatasetError, TokenDataset

    text = CORPORA[data.corpus](data.characters) if isinstance(data.corpus, str) else _own_text(data.corpus)
    text = text[: data.characters]
    tokenizer = _tokenizer(data, text, folder, writes)
    ids = tokenizer.encode(text)
    cut = round(len(ids) * (1 - data.validation_share))
    parts = TokenDataset(ids[:cut], tokenizer.vocab_size), TokenDataset(ids[cut:], tokenizer.vocab_size)
    for part, name in zip(parts, ("to train on", "to validate on")):
        if len(part) <= seq_len:
            raise DatasetError(
                f"There are {len(part):,} tokens {name}, but one window of seq_len={seq_len} needs {seq_len + 1:,}. "
                "Use more text, shorter windows, or a different validation_share."
            )
    return tokenizer, *parts


def _tokenizer(data: DataSettings, text: str, folder: Path, writes: bool) -> Any:
    from llmlib.pretrained.saving import check_savable, write_tokenizer
    from llmlib.tokenization.bpe import BPETokenizer
    from llmlib.tokenization.loading import load_tokenizer

    file = folder / "tokenizer.json"
    if data.tokenizer != LEARNED:
        tokenizer = load_tokenizer(data.tokenizer)
        check_savable(tokenizer)
    elif file.is_file():
        tokenizer = load_tokenizer(file)
    else:
        tokenizer = BPETokenizer.train(text, data.vocab_size)
        if tokenizer.vocab_size < data.vocab_size:
            typer.echo(
                f"Note: the tokenizer has {tokenizer.vocab_size:,} tokens, not {data.vocab_size:,}, because the text "
                "has no pair left to merge. Use more text to get more tokens.",
                err=True,
            )
    if writes and not file.is_file():
        with warnings_once(True):
            write_tokenizer(tokenizer, folder)
    return tokenizer


def _own_text(paths: tuple[str, ...]) -> str:
    from llmlib.corpora.texts import from_files

    return from_files(paths)


def _tinytales(characters: int) -> str:
    from llmlib.corpora.tinytales import tinytales_text

    return tinytales_text(characters)


def _python(characters: int) -> str:
    from llmlib.corpora.texts import python_stdlib

    return python_stdlib(characters)


def _shakespeare(_: int) -> str:
    from llmlib.corpora.texts import tiny_shakespeare

    return tiny_shakespeare()


CORPORA: dict[str, Callable[[int], str]] = {"tinytales": _tinytales, "python": _python, "shakespeare": _shakespeare}
