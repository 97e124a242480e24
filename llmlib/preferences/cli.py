"""`llmlib align` aligns a model with your reward function, given a file of prompts and a settings file."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, no_type_check

import typer

from llmlib.settings import Limit, SettingsError, check_fields
from llmlib.training.cli import SOME, read_toml, with_example
from llmlib.training.following import following, reporting, summary, warnings_once

EXAMPLE = """\
model = "runs/assistant"     # a folder of llmlib tune, or any chat model: a GGUF file, an id on the Hugging Face hub
folder = "runs/aligned"      # for the aligned model (open it with load_pretrained), checkpoints and log.csv
prompts = "prompts.jsonl"    # one prompt per line: {"prompt": "What is 2 + 3?", "answer": "5"}; or {"messages": [...]}
reward = "rewards:exact"     # the function exact in rewards.py, beside this file or wherever Python finds it

[measures]                   # optional: other reward functions, measured but not trained on
length = "rewards:length"

[align]                      # any field of AlignConfig
steps = 30
prompts = 8
samples = 8
max_new_tokens = 32
learning_rate = 2e-4
kl_weight = 0.01
"""
REWARD = """\
A reward function gets the lines of the file, as dictionaries, and an answer to each. It returns one number per answer.
For example, rewards.py:

def exact(prompts, answers):
    return [float(answer == prompt["answer"]) for prompt, answer in zip(prompts, answers)]
"""
_EXPECTED = (
    'Expected an object with "prompt" (a string) or "messages" (a list); other fields are for the reward function.'
)


@no_type_check  # check_fields checks the types instead, with better messages
@dataclass(frozen=True)
class AlignSettings:
    """The settings of `llmlib align`, as read from a TOML file."""

    model: Annotated[str, SOME]
    folder: Annotated[str, SOME]
    prompts: Annotated[str, SOME]
    reward: Annotated[str, Limit("written as module:function", lambda name: all(name.partition(":")))]
    measures: dict[str, Any] = field(default_factory=dict)
    align: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        for name, of in self.measures.items():
            if not isinstance(of, str) or not all(of.partition(":")):
                raise SettingsError(f"[measures]: {name!r} must be written as module:function, got {of!r}.")


def align_command(
    settings: Annotated[Path, typer.Argument(help="A TOML file; see the example below.")],
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the last checkpoint in the folder.")] = False,
) -> None:
    """Align a model with a reward function. The model samples answers, and learns to write better ones.

    The result is a folder that load_pretrained can open. The same settings reproduce the same run; use --resume to
    continue a run that was stopped. The reward function is your own Python function.

    With N processes: torchrun --nproc-per-node=N -m llmlib align settings.toml
    """
    with reporting("align"):
        _run(settings, resume)


align_command.__doc__ = with_example(str(align_command.__doc__), f"{EXAMPLE}\n{REWARD}")


def _run(path: Path, resume: bool) -> None:
    from llmlib.preferences.aligning import align
    from llmlib.preferences.config import AlignConfig
    from llmlib.pretrained.loading import load_pretrained
    from llmlib.pretrained.saving import check_savable, save_pretrained, write_tokenizer
    from llmlib.training import checkpoints, distributed

    settings = read_toml(path, "align", AlignSettings)
    config = AlignConfig.from_mapping(settings.align, f"{path}, [align]")
    folder, ranks = Path(settings.folder), distributed.join()
    goes_on = resume and bool(checkpoints.checkpoints(folder))
    if folder.resolve() == Path(settings.model).resolve() or ((folder / "config.json").exists() and not goes_on):
        raise SettingsError(f"{folder} already contains a model, which this run would replace. Choose another folder.")
    sys.path.insert(0, str(path.resolve().parent))
    reward = function_named(settings.reward)
    measures = {name: function_named(of) for name, of in settings.measures.items()}
    prompts = read_prompts(settings.prompts)
    model, tokenizer = load_pretrained(settings.model, dtype="float32")
    check_savable(tokenizer)
    with warnings_once(ranks.writes):
        run = align(model, tokenizer, prompts, reward, config, measures=measures, folder=folder, resume=resume)
        if ranks.writes:
            write_tokenizer(tokenizer, folder)  # so that you can also open the run's checkpoints
    with following(run, folder, ranks, f"llmlib align {path} --resume"):
        if ranks.writes:
            with warnings_once(True):
                save_pretrained(run.model, tokenizer, folder, step=run.step)
            typer.echo(
                f'{summary(run, folder)} To talk to it: model, tokenizer = load_pretrained("{folder.as_posix()}").'
            )


def function_named(name: str) -> Callable[..., Any]:
    """Return the function that a name in the form "module:function" refers to.

    Raises `SettingsError` if there is no such module or function; an error in the module is passed on.

    >>> function_named("math:sqrt")(4)
    2.0
    """
    module, _, function = name.partition(":")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module exists, but one of its imports is missing
        raise SettingsError(
            f"There is no module {error.name!r} for the reward function {name!r}. Put {module}.py next to the settings "
            "file."
        ) from None
    if not callable(given := getattr(found, function, None)):
        raise SettingsError(f"{module!r} ({found.__file__}) has no function {function!r}.")
    return given


def read_prompts(path: Path | str) -> list[dict[str, Any]]:
    """Read the prompts in a JSONL file, which has one object per line.

    Each object has "prompt" or "messages", and any fields that the reward function needs. Raises `ConversationError`
    for any other line (the message gives the line number), or for a file without prompts.
    """
    from llmlib.files.checked_json import FormatError, field, short
    from llmlib.finetuning.conversations import ConversationError, lines_of, messages_in, record_in

    path, found = Path(path), []
    for number, line in lines_of(path):
        try:
            record = record_in(line, _EXPECTED)
            if "messages" in record:
                messages_in(record)
            elif "prompt" in record:
                field(record, "prompt", str, "the prompt")
            else:
                raise FormatError(f"the object has the fields {short(sorted(record))}. {_EXPECTED}")
        except ValueError as error:
            raise ConversationError(f"{path}, line {number}: {error}") from None
        found.append(record)
    if not found:
        raise ConversationError(
            f'{path} contains no prompts. Expected one prompt per line, such as {{"prompt": "Hi"}}.'
        )
    return found
