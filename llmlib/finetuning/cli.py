"""`llmlib tune` turns a model into an assistant, given a file of conversations and a settings file."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, no_type_check

import typer

from llmlib.settings import BELOW_1, SettingsError, check_fields, from_mapping
from llmlib.training.cli import SOME, read_toml, with_example
from llmlib.training.following import following, reporting, summary, warnings_once

EXAMPLE = """\
model = "tinytales"          # or "smollm2-135m-instruct", a folder, a GGUF file, an id on the Hugging Face hub
folder = "runs/assistant"    # for the tuned model (open it with load_pretrained), checkpoints and log.csv

[data]
conversations = "examples.jsonl"  # one per line: {"prompt": "Hi", "response": "Hello!"}; or, for several turns,
                                  # {"messages": [{"role": "user", "content": "Hi"}, ...]}
template = "tales"           # the chat template: "tales", "chatml" or "llama3"; default: the model's own template
packed = true                # put several conversations into a row of tokens
validation_share = 0.1       # validate on this share of the conversations, from the end of the file

[start]                      # optional: tokens that the model has never read start out like these
"<|user|>" = "\\n"
"<|assistant|>" = "?"

[train]                      # any field of TrainConfig
steps = 100
batch_size = 8
seq_len = 512
optimizer = "muon"
learning_rate = 2e-3
matrix_learning_rate = 4e-3
weight_decay = 0.0
schedule = "linear"
warmup = 10

# [lora]                     # train adapters on top of the frozen weights instead; any field of LoRAConfig.
# rank = 8                   # adapters are saved to folder/adapter in peft's format, the merged model to folder.
"""


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class DataSettings:
    """The [data] section of a settings file for `llmlib tune`."""

    conversations: Annotated[str, SOME]
    template: str = "own"
    packed: bool = True
    validation_share: Annotated[int | float, BELOW_1] = 0.1

    def __post_init__(self) -> None:
        check_fields(self)
        if self.template not in ("own", *_templates()):
            raise SettingsError(f"template must be one of own, {', '.join(_templates())}, got {self.template!r}.")


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class TuneSettings:
    """The settings of `llmlib tune`, as read from a TOML file."""

    model: Annotated[str, SOME]
    folder: Annotated[str, SOME]
    data: dict[str, Any]
    start: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    lora: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for name, text in self.start.items():
            if not isinstance(text, str):
                raise SettingsError(f"[start]: {name!r} must be a string, got {text!r}.")


def tune_command(
    settings: Annotated[Path, typer.Argument(help="A TOML file; see the example below.")],
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint in the folder.")] = False,
) -> None:
    """Tune a model on conversations, so that it learns to answer like the assistant in them.

    The result is a folder that load_pretrained can open. The same settings reproduce the same run; use --resume to
    continue a run that was stopped.
    """
    with reporting("tune"):
        _run(settings, resume)


tune_command.__doc__ = with_example(str(tune_command.__doc__), EXAMPLE)


def _templates() -> dict[str, str]:
    from llmlib.chat import CHATML, LLAMA3, TALES

    return {"tales": TALES, "chatml": CHATML, "llama3": LLAMA3}


def _run(path: Path, resume: bool) -> None:
    from llmlib.finetuning.conversations import read_conversations
    from llmlib.finetuning.lora import LoRAConfig, apply_lora
    from llmlib.finetuning.sft import start_tokens, tune
    from llmlib.pretrained.loading import load_pretrained
    from llmlib.pretrained.saving import check_savable, save_pretrained, write_tokenizer
    from llmlib.training import checkpoints, distributed
    from llmlib.training.config import TrainConfig

    settings = read_toml(path, "tune", TuneSettings)
    data = from_mapping(DataSettings, settings.data, f"{path}, [data]")
    config = TrainConfig.from_mapping(settings.train, f"{path}, [train]")
    of_lora = None if settings.lora is None else from_mapping(LoRAConfig, settings.lora, f"{path}, [lora]")
    folder, ranks = Path(settings.folder), distributed.join()
    goes_on = resume and bool(checkpoints.checkpoints(folder))
    if folder.resolve() == Path(settings.model).resolve() or ((folder / "config.json").exists() and not goes_on):
        raise SettingsError(f"{folder} already contains a model, which this run would replace. Choose another folder.")
    conversations = read_conversations(data.conversations)
    cut = max(1, round(len(conversations) * (1 - data.validation_share)))
    model, tokenizer = load_pretrained(settings.model, dtype="float32")
    size = model.config.vocab_size
    if data.template != "own":
        tokenizer = _with_template(tokenizer, _templates()[data.template])
    elif tokenizer.chat_template is None:
        raise SettingsError(
            f"{settings.model} has no chat template. Choose one in [data]: template = "
            f'"{next(iter(_templates()))}", or {", ".join(list(_templates())[1:])}.'
        )
    start_tokens(model, tokenizer, settings.start)
    check_savable(tokenizer)
    base, lora = None, None
    if of_lora is not None:
        base = _base(settings.model, model.config.vocab_size == size and not settings.start, folder)
        if base == (folder / "base").absolute() and ranks.writes:
            with warnings_once(True):
                save_pretrained(model, tokenizer, base)
        lora = apply_lora(model, of_lora)
    with warnings_once(ranks.writes):
        run = tune(
            model,
            tokenizer,
            conversations[:cut],
            config,
            packed=data.packed,
            validation=conversations[cut:] or None,
            folder=folder,
            resume=resume,
        )
        if ranks.writes and lora is None:
            write_tokenizer(tokenizer, folder)  # so that you can also open the run's checkpoints
    with following(run, folder, ranks, f"llmlib tune {path} --resume"):
        _keep(run, tokenizer, folder, ranks.writes, lora, base)


def _keep(run: Any, tokenizer: Any, folder: Path, writes: bool, lora: Any, base: Any) -> None:
    """Write the result of a run: the whole model and, if there is one, the adapter."""
    from llmlib.finetuning.adapters import save_adapter
    from llmlib.pretrained.saving import save_pretrained
    from llmlib.training import sharding

    if lora is not None and writes:
        save_adapter(lora, folder / "adapter", str(base))
        lora.fold()
    whole = sharding.whole_model(run.model)
    if writes:
        with warnings_once(True):
            save_pretrained(whole, tokenizer, folder, step=run.step)
        typer.echo(f'{summary(run, folder)} To talk to it: model, tokenizer = load_pretrained("{folder.as_posix()}").')


def _base(name: str, unchanged: bool, folder: Path) -> Any:
    """Return where an adapter's base model is: its id on the hub, its folder, or else the folder for a copy of it.

    An adapter works only with the base model that it was trained on; that base model may have new rows for new tokens.
    """
    from llmlib.pretrained.loading import HUB_IDS, TINYTALES

    path = TINYTALES if name == "tinytales" else Path(name).expanduser()
    if unchanged and (path / "config.json").is_file():
        return path.resolve()
    if unchanged and (name in HUB_IDS or not path.exists()):
        return HUB_IDS.get(name, name)
    return (folder / "base").absolute()


def _with_template(tokenizer: Any, template: str) -> Any:
    """Return the tokenizer with this template, and with the special tokens that the template needs."""
    from llmlib.chat import with_chat_template

    names = dict.fromkeys(re.findall(r"<\|\w+\|>", template))
    missing = [name for name in names if name not in tokenizer.special_tokens]
    return with_chat_template(tokenizer.with_special_tokens(missing) if missing else tokenizer, template)
