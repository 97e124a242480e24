"""Write the pages outside the lessons: the first page, and the cookbook, which collects recipes from the lessons."""

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

You build every part of a large language model from first principles, train your own model, and look inside a real one.
This is the web edition: you read the lessons, use their views and answer their questions without installing anything.

- **Views are alive.** Point at things, drag them, step through them. Whatever needs Python (another text, another
  model) works only in the course's notebooks.
- **Questions give feedback.** Open the choice that you think is right. Your first answers are stored only in this
  browser.
- **Exercises** show their hints one at a time, and a solution if you ask for it. To have your own code checked, run the
  notebooks: get the course's folder, and run `make lab` there.
{play}
## The lessons

{cards}

## More

- The [cookbook](cookbook.md) has a few lines of code from each lesson, for your own notebook.
{reference}- [The texts](data/README.md) on which the course trains its models.

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
PLAY = """- **Watch a model write.** The course's own model <a href="playground/index.html">runs in your browser</a>.
"""
COOKBOOK = """# Cookbook

Each lesson ends with a few lines of code for your own notebook: use them on your own text, with any model that `llmlib`
can load. This page collects these recipes, with their imports. If a recipe uses a name that it does not define, such
as `smol`, the lesson defines that name, and a comment says what to write in your own notebook.
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
    """Write the list of lessons: each with a small picture, its title, how long it takes, and what it promises."""
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
    """Write a lesson's recipe: its section "In your own notebook", with the imports that the code needs."""
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
    """Return the lines that import what `code` uses from other cells of a lesson.

    There is one line for each module.
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
