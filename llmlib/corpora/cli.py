"""``llmlib corpus`` writes a corpus to a file."""

from pathlib import Path
from typing import Annotated

import typer
from tqdm.auto import tqdm

from llmlib.corpora.tinytales import SPLITS, STORY_SEPARATOR, tinytales
from llmlib.files.atomic import atomic_write

corpus_app = typer.Typer(no_args_is_help=True, help="Write a corpus to a file.")


@corpus_app.callback()
def _corpus() -> None:
    """Keep ``tinytales`` a subcommand, because without this callback, typer would drop the name of the only command."""


@corpus_app.command("tinytales")
def write_tinytales(
    out: Annotated[
        Path, typer.Option(help="The file to write. An existing file is replaced completely or not at all.")
    ],
    characters: Annotated[
        int, typer.Option(help="Write at least this many characters; the last story is complete.")
    ] = 10_000_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same stories on every machine.")] = 0,
    split: Annotated[str, typer.Option(help=f"One of {', '.join(SPLITS)}.")] = "train",
) -> None:
    """Write short stories as plain text, with a newline between paragraphs and a blank line after each story."""
    try:
        stories = tinytales(seed, split, characters=characters)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    written = 0
    try:
        with atomic_write(out) as file, tqdm(total=characters, unit="char", unit_scale=True, desc=out.name) as bar:
            for story in stories:
                text = story.text + STORY_SEPARATOR
                file.write(text.encode("utf-8"))
                written += len(text)
                bar.update(len(text))
    except OSError as error:
        typer.echo(f"{out} cannot be written ({error.strerror}). Choose another --out, or free some space.", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{out}: {written:,} characters of TinyTales, split {split}, seed {seed}")
