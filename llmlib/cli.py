"""The `llmlib` command."""

try:
    import typer

    from llmlib.corpora.cli import corpus_app
except ImportError as error:  # a dependency is missing or broken: say so in one line
    package = (error.name or "llmlib").partition(".")[0]
    remedy = f"Try `pip install --force-reinstall {package}`, or set up anew with `make clean lab`."
    raise SystemExit(f"llmlib cannot start: {error}. {remedy}") from error

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Tools of the course on large language models.")
app.add_typer(corpus_app, name="corpus")


@app.command()
def doctor() -> None:
    """Check this machine: Python, torch, Jupyter, memory, disk, downloaded files. Exit code 1 if something is wrong."""
    from llmlib.doctor import examine, report

    findings = examine()
    typer.echo(report(findings))
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@app.callback()
def _main() -> None:
    """A callback makes typer keep `doctor` as a sub-command even while it is the only one."""
