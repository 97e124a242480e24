"""The pages outside the lessons: the first page, and the cookbook, made from the end of each lesson."""

import ast
import html
from collections.abc import Sequence
from pathlib import Path

from edition.lessons import Lesson, Pictures, Staging, is_run

WHAT = (
    "A course of interactive lessons that builds every part of a large language model from first principles, "
    "trains one, and looks inside a real one."
)
INDEX = """# How large language models work

You build every part of a large language model from first principles, train your own, and look inside a real one.
This is the web edition: you read the lessons, touch their views and answer their questions, and install nothing.

- **Views are alive.** Point at things, drag them, step through them. What needs Python (another text, another model)
  works in the course's notebooks.
- **Questions answer back.** Open the choice that you think is right. This browser remembers your first answers, and
  nobody else learns of them.
- **Exercises** show their hints one at a time, and a solution if you ask for it. To have your own code checked, run the
  notebooks: get the course's folder, and type `make lab` in it.
{play}
## The lessons

{cards}

## More

- The [cookbook](cookbook.md): a few lines from each lesson for a notebook of your own.
{reference}- [The texts](data/README.md) that the course trains on.

```{{toctree}}
:hidden:
:caption: Lessons

{lessons}
```

```{{toctree}}
:hidden:
:caption: More

cookbook
{more}data/README
```
"""
PLAY = """- **A model writes here.** The course's own model <a href="playground/index.html">runs in your browser</a>.
"""
COOKBOOK = """# Cookbook

Each lesson ends with a few lines for a notebook of your own, on your own text and with any model that `llmlib` can
load. Here they are together, with the imports that they need. If a recipe uses a name that it does not make, such as
`smol`, its lesson makes it, and a comment says what to write elsewhere.
"""


def write(source: Path, lessons: Sequence[Lesson], staging: Staging, whole: bool, playground: bool) -> dict[str, str]:
    """Write both pages into the folder of sources; return their descriptions for search engines."""
    index = INDEX.format(
        play=PLAY if playground else "",
        cards=cards(lessons, staging.pictures),
        reference="- The [reference](reference/index.md): every public function of `llmlib`, with examples that run.\n"
        if whole
        else "",
        lessons="\n".join(f"lessons/{lesson.name}" for lesson in lessons),
        more="reference/index\n" if whole else "",
    )
    (source / "index.md").write_text(index, encoding="utf-8")
    recipes = [recipe(lesson, staging) for lesson in lessons]
    (source / "cookbook.md").write_text("\n".join([COOKBOOK, *recipes]), encoding="utf-8")
    return {
        "index": WHAT,
        "cookbook": "Short recipes for notebooks of your own: tokenize, look into a model, train, sample, tune.",
        "data/README": "Where the texts of the course come from, how they were made, and what they are good for.",
    }


def cards(lessons: Sequence[Lesson], pictures: Pictures) -> str:
    """The list of lessons: a small picture, title, time and promise of each."""
    rows = []
    for lesson in lessons:
        time = f'<p class="lesson-time">{html.escape(lesson.time)}</p>' if lesson.time else ""
        small = pictures.small(lesson.picture) if lesson.picture else ""
        picture = f'<img class="llm-picture" alt="" loading="lazy" src="pictures/{small}">' if small else ""
        rows.append(
            f'<li>{picture}<a href="lessons/{lesson.name}.html">{html.escape(lesson.title)}</a>{time}'
            f"<p>{html.escape(lesson.promise)}</p></li>"
        )
    return f'<ol class="lesson-cards">{"".join(rows)}</ol>'


def recipe(lesson: Lesson, staging: Staging) -> str:
    """What "In your own notebook" says, and its code, with the imports of its lesson that it uses."""
    cells = lesson.own_notebook()
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    if not code:
        return ""
    imports = "\n".join(imports_for(lesson, "\n".join(code)))
    parts = [f"## {lesson.title}\n\nFrom [the lesson](lessons/{lesson.name}.ipynb)."]
    for cell in cells:
        if cell.cell_type == "markdown":
            parts.append(staging.linked(cell.source.partition("\n")[2] if cell is cells[0] else cell.source))
        else:
            whole = f"{imports}\n\n{cell.source}" if imports and cell.source == code[0] else cell.source
            parts.append(f"```python\n{whole}\n```")
    return "\n\n".join(parts) + "\n"


def imports_for(lesson: Lesson, code: str) -> list[str]:
    """The imports from other cells of a lesson that some code needs, as it would write them.

    They are joined by module, so that each module has one line.
    """
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    own = {name.asname or name.name for name in _imported(code)}
    plain, by_module = [], {}
    for cell in lesson.notebook.cells:
        if not is_run(cell):
            continue
        for node in ast.parse(cell.source).body:
            for name in getattr(node, "names", ()) if isinstance(node, ast.Import | ast.ImportFrom) else ():
                bound = (name.asname or name.name).partition(".")[0]
                if bound not in used or bound in own:
                    continue
                own.add(bound)
                words = f"{name.name} as {name.asname}" if name.asname else name.name
                if isinstance(node, ast.ImportFrom):
                    by_module.setdefault(node.module, []).append(words)
                else:
                    plain.append(f"import {words}")
    joined = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(by_module.items())]
    return [*sorted(plain), *joined]


def _imported(code: str) -> list[ast.alias]:
    nodes = ast.walk(ast.parse(code))
    return [name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for name in node.names]
