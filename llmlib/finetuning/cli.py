"""`llmlib tune`: an assistant from a model, a file of conversations and a file of settings."""

import dataclasses
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from llmlib.training.cli import SettingsError, check_names, follow, read_toml, summary, with_example

EXAMPLE = """\
model = "tinytales"          # or "smollm2-135m-instruct", a folder, a GGUF file, an id on the Hugging Face hub
folder = "runs/assistant"    # the tuned model goes here, to be opened by load_pretrained; checkpoints and log.csv too

[data]
conversations = "examples.jsonl"  # one a line: {"prompt": "Hi", "response": "Hello!"}; or, for several turns,
                                  # {"messages": [{"role": "user", "content": "Hi"}, ...]}
template = "tales"           # how a conversation is written: "tales", "chatml", "llama3"; left out: the model's own way
packed = true                # several conversations in a row of tokens
validation_share = 0.1       # of the conversations, at the end of the file

[start]                      # what tokens that the model has never read begin as; left out: as they are
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

# [lora]                     # to learn small maps beside the frozen weights instead; any field of LoRAConfig.
# rank = 8                   # They go to folder/adapter in peft's form, and merged into the model to folder.
"""
DATA = {"conversations": None, "template": "own", "packed": True, "validation_share": 0.1}
KNOWN: dict[str, Any] = {"model": "", "folder": "", "data": {}, "start": {}, "train": {}, "lora": {}}


def tune_command(
    settings: Annotated[Path, typer.Argument(help="A TOML file; see the example below.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder.")] = False,
) -> None:
    """Tune a model on conversations: it learns to answer as the assistant in them does.

    The result is a folder that load_pretrained opens. The same settings give the same run; one that was stopped goes
    on with --resume.
    """
    try:
        _run(read_settings(settings), resume)
    except (ValueError, OSError, RuntimeError) as error:
        typer.echo(f"llmlib tune: {error}", err=True)
        raise typer.Exit(1) from None


tune_command.__doc__ = with_example(str(tune_command.__doc__), EXAMPLE)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings in a file, defaults filled in. Raises `SettingsError` for what is missing, unknown or wrong."""
    content = read_toml(path, "tune", KNOWN, needed=("model", "folder", "data"))
    check_names(content["data"], DATA, f"{path}, [data]")
    data = {**DATA, **content["data"]}
    share = data["validation_share"]
    expected = {
        "model": (isinstance(content["model"], str), "a name or a path"),
        "folder": (isinstance(content["folder"], str), "a path"),
        "conversations": (isinstance(data["conversations"], str), "the path of a JSONL file"),
        "packed": (isinstance(data["packed"], bool), "true or false"),
        "validation_share": (
            isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share < 1,
            "a number from 0 to below 1",
        ),
        "template": (data["template"] in ("own", *_templates()), f"one of own, {', '.join(_templates())}"),
        "[start]": (all(isinstance(text, str) for text in content.get("start", {}).values()), "texts"),
    }
    for name, (fits, wanted) in expected.items():
        if not fits:
            raise SettingsError(f"{path}: {name} must be {wanted}, got {({**content, **data}).get(name)!r}.")
    return {"start": {}, "train": {}, **content, "data": data}


def _templates() -> dict[str, str]:
    from llmlib.chat import CHATML, LLAMA3, TALES

    return {"tales": TALES, "chatml": CHATML, "llama3": LLAMA3}


def _run(settings: Mapping[str, Any], resume: bool) -> None:
    from llmlib.finetuning.adapters import save_adapter
    from llmlib.finetuning.conversations import read_conversations
    from llmlib.finetuning.sft import start_tokens, tune
    from llmlib.pretrained.loading import load_pretrained
    from llmlib.pretrained.saving import check_savable, save_pretrained
    from llmlib.training import checkpoints, distributed, sharding
    from llmlib.training.config import TrainConfig

    config, data, folder = TrainConfig.from_mapping(settings["train"]), settings["data"], Path(settings["folder"])
    goes_on = resume and bool(checkpoints.checkpoints(folder))
    if folder.resolve() == Path(settings["model"]).resolve() or ((folder / "config.json").exists() and not goes_on):
        raise SettingsError(f"{folder} holds a model already, which this would replace. Choose another folder.")
    conversations = read_conversations(data["conversations"])
    cut = max(1, round(len(conversations) * (1 - data["validation_share"])))
    model, tokenizer = load_pretrained(settings["model"], dtype="float32")
    if data["template"] != "own":
        tokenizer = _with_template(tokenizer, _templates()[data["template"]])
    elif tokenizer.chat_template is None:
        raise SettingsError(
            f"{settings['model']} has no chat template of its own. Name one in [data]: template = "
            f'"{next(iter(_templates()))}", or {", ".join(list(_templates())[1:])}.'
        )
    start_tokens(model, tokenizer, settings["start"])
    check_savable(model.config, tokenizer)
    lora = _apply_lora(model, settings["lora"]) if "lora" in settings else None
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run = tune(
            model, tokenizer, conversations[:cut], config, packed=data["packed"],
            validation=conversations[cut:] or None, folder=folder, resume=resume,
        )  # fmt: skip
    ranks = distributed.join()
    for warning in told if ranks.writes else ():
        typer.echo(f"Note: {warning.message}", err=True)
    follow(run, folder, ranks.writes)
    if lora is not None and ranks.writes:
        save_adapter(lora, folder / "adapter", settings["model"])
        lora.fold()
    whole = sharding.whole_model(model)
    if ranks.writes:
        save_pretrained(whole, tokenizer, folder)
        typer.echo(f'{summary(run)}. Talk to it: model, tokenizer = load_pretrained("{folder.as_posix()}").')


def _apply_lora(model: Any, choices: Mapping[str, Any]) -> Any:
    from llmlib.finetuning.lora import LoRAConfig, apply_lora

    check_names(choices, {field.name: None for field in dataclasses.fields(LoRAConfig)}, "[lora]")
    return apply_lora(model, LoRAConfig(**choices))


def _with_template(tokenizer: Any, template: str) -> Any:
    """The tokenizer with this template, and with the special tokens of it that were not there."""
    from llmlib.chat import with_chat_template

    names = dict.fromkeys(re.findall(r"<\|\w+\|>", template))
    missing = [name for name in names if name not in tokenizer.special_tokens]
    return with_chat_template(tokenizer.with_special_tokens(missing) if missing else tokenizer, template)
