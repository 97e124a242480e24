"""Define the `llmlib` command."""

import sys
from pathlib import Path
from typing import Annotated

try:
    import typer

    from llmlib.corpora.cli import corpus_app
    from llmlib.evaluation.cli import eval_command
    from llmlib.finetuning.cli import tune_command
    from llmlib.preferences.cli import align_command
    from llmlib.training.cli import train_command
except ImportError as error:  # a dependency is missing or broken: say so on one line
    package = (error.name or "").partition(".")[0]
    again = "pip install --force-reinstall . (in the project's folder)"
    if package and package != "llmlib":
        again = f"pip install --force-reinstall {package}"
    remedy = f"Try: {again}. Or set up again: make clean lab."
    raise SystemExit(f"llmlib cannot start: {error}. {remedy}") from error

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # show the help text as written, with [brackets] and line breaks
    help="Tools for the course on large language models.",
)
app.add_typer(corpus_app, name="corpus")
app.command("train", no_args_is_help=True)(train_command)
app.command("tune", no_args_is_help=True)(tune_command)
app.command("align", no_args_is_help=True)(align_command)
app.command("eval", no_args_is_help=True)(eval_command)


@app.command()
def doctor() -> None:
    """Check this machine: Python, torch, Jupyter, memory, disk and downloaded files.

    The exit code is 1 if anything is wrong.
    """
    from llmlib.doctor import examine, report

    findings = examine()
    typer.echo(report(findings))
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@app.command()
def download(
    ask: Annotated[
        bool,
        typer.Option(
            "--ask",
            help="Say what is missing, and ask before downloading. If there is no terminal, only say what is missing.",
        ),
    ] = False,
) -> None:
    """Download everything that the lessons need (about 100 MB).

    After that, the lessons work offline. Files that you already have are left unchanged. The exit code is 1 if a
    download fails.
    """
    from llmlib.materials import bring, megabytes, missing

    wanted = missing()
    if not wanted:
        if not ask:
            typer.echo("Everything that the lessons need is here.")
        return
    if ask:
        typer.echo(f"The lessons still need {megabytes(wanted)}: {'; '.join(material.name for material in wanted)}.")
        if not sys.stdin.isatty():
            typer.echo("Run `llmlib download` to download it now; otherwise each lesson downloads what it needs.")
            return
        if not typer.confirm("Download it now? (Otherwise each lesson downloads what it needs.)", default=True):
            return
    raise typer.Exit(1 if bring(wanted, typer.echo) else 0)


@app.command()
def mine(
    file: Annotated[Path, typer.Argument(help="The file to write, or to check.")] = Path("my_llm.py"),
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Check the whole file, including a test with SmolLM2's weights. Nothing is written."
        ),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --check, run the file without asking, whoever wrote it.")
    ] = False,
) -> None:
    """Write your own LLM to a single file that needs only torch.

    The file contains the parts that you wrote yourself and that passed `check` in the lessons. Parts that you have not
    built yet are borrowed from llmlib. A file that you have changed by hand is left unchanged. The exit code is 1 if
    the file cannot be written, or if its results differ from llmlib's.
    """
    from llmlib.exercises.my_llm.cli import run

    raise typer.Exit(0 if run(file, check, yes) else 1)
