"""Write the help below an exercise: three hints, one after another, and the library's own solution, on request."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from llmlib.exercises import solution
from llmlib.exercises.engine.report import Code, marked_up
from llmlib.exercises.registry import find


def exercise_help(name: str) -> str:
    """Write HTML that works without JavaScript; you can open a hint once the previous hint is open."""
    hints = "".join(
        f'<details class="hint"><summary>Hint {number} of 3</summary><p>{marked_up(text)}</p></details>'
        for number, text in enumerate(find(name).hints, start=1)
    )
    with nobody_s_progress():
        shown = solution(name).parts
    parts = "".join(
        highlight(part.text, PythonLexer(), HtmlFormatter()) if isinstance(part, Code) else part.as_html()
        for part in shown
    )
    return (
        f'<div class="exercise-help" role="group" aria-label="Help with {name}">{hints}'
        f'<details class="solution"><summary>A solution</summary>{parts}</details></div>'
    )


@contextlib.contextmanager
def nobody_s_progress() -> Iterator[None]:
    """Keep progress from being recorded: showing a solution counts as progress, but building the site should not."""
    before = os.environ.get("LLMLIB_DATA_DIR")
    with tempfile.TemporaryDirectory(prefix="llmlib-progress-") as folder:
        os.environ["LLMLIB_DATA_DIR"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["LLMLIB_DATA_DIR"]
            else:
                os.environ["LLMLIB_DATA_DIR"] = before
