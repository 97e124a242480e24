"""Run `llmlib mine`, which writes the learner's own LLM as one file and checks that it agrees with the library."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

from llmlib.exercises.my_llm import writing
from llmlib.exercises.my_llm.assembling import lines_of_code
from llmlib.exercises.my_llm.parts import PARTS
from llmlib.exercises.my_llm.whole import check_real, check_small
from llmlib.pretrained import load_pretrained


def run(file: Path, check: bool, yes: bool) -> bool:
    """Write or check the file; return whether its results are the same as llmlib's. On an error, say why, and exit."""
    try:
        return _check(file, yes) if check else _write(file)
    except (writing.Refused, OSError) as error:
        why = str(error) if isinstance(error, writing.Refused) else f"{file}: {error.strerror or error}"
        typer.echo(f"llmlib mine: {why}", err=True)
        raise typer.Exit(1) from None


def _write(file: Path) -> bool:
    if file.exists():
        writing.refuse_changed(file)  # before we try the parts
    assembled = writing.compose(writing.collect())
    writing.write(file, assembled.text)
    for exercise, why in assembled.refused.items():
        typer.echo(f"Your {exercise} is not in the file, since {why}. Your code is still kept.")
    shown = f", {len(assembled.shown)} from a solution" * bool(assembled.shown)
    yours = f"{len(assembled.mine)} of {len(PARTS)} parts are yours"
    idle = f", {len(assembled.idle)} left out, since nothing calls them ({', '.join(assembled.idle)})"
    typer.echo(f"{file}: {yours}{shown}, {len(assembled.borrowed)} borrowed{idle * bool(assembled.idle)}.")
    typer.echo(f"{lines_of_code(assembled.text)} lines of code, without comments, docstrings and blank lines.")
    right = _tell(check_small(writing.as_module(assembled.text)))
    typer.echo(f"To check it with SmolLM2's weights: llmlib mine --check {file}")
    return right


def _check(file: Path, yes: bool) -> bool:
    if not file.is_file():
        raise writing.Refused(f"there is no file {file}. Write it first: llmlib mine {file}.")
    text = writing.read(file)
    if not writing.is_written_here(text) and not yes:
        warning = f"{file} was written elsewhere, or has been changed since. Checking it runs its code."
        if not sys.stdin.isatty():
            raise writing.Refused(
                f"{warning} Read the file first. If you trust it, run: llmlib mine --check --yes {file}"
            )
        typer.confirm(f"{warning} Run it?", abort=True)
    try:
        module = writing.as_module(text)
    except Exception as error:
        raise writing.Refused(f"{file} cannot be run: {type(error).__name__}: {error}.") from None
    right = _tell(check_small(module))
    model, tokenizer = _smollm2()
    return right and (model is None or _tell(check_real(module, model, tokenizer)))


def _smollm2() -> tuple[Any, Any]:
    try:
        return load_pretrained("smollm2-135m-instruct", device="cpu", dtype="float32")
    except (OSError, ValueError, RuntimeError) as error:
        typer.echo(f"Not checked with SmolLM2's weights, which are not available here: {error}")
        return None, None


def _tell(findings: Iterable[Any]) -> bool:
    right = True
    for finding in findings:
        typer.echo(f"{'✓' if finding.ok else '✗'} {finding.says}")
        right = right and finding.ok
    return right
