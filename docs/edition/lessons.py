"""Turn a stored notebook into the source of a page, with pictures in files, views that can go live, hints and links."""

import base64
import hashlib
import html
import io
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

from edition import SiteError
from edition.exercise_help import exercise_help
from llmlib.widgets.shared.base import RUN_IT

STYLE = re.compile(r"<style>(.*?)</style>", re.S)
PICTURE = re.compile(
    r'<img (?P<before>[^>]*?)src="data:image/(?P<kind>[a-z+]+);base64,(?P<data>[^"]*)"(?P<after>[^>]*)>'
)
LINK = re.compile(r'<a href="(?P<name>[\w-]+)\.ipynb">(?P<words>.*?)</a>', re.S)  # a link to a lesson, in an output
BARE_ADDRESS = re.compile(r"(?<![\w(<\[\"'=`])(https?://[^\s<>)\]`]*[\w/])")
CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.S)
CHECKED = re.compile(r"^check\(\s*\"([\w.]+)\"", re.M)
WIDTH = 400  # the width of a small picture on the first page, in pixels
NOTE = (
    '<p class="edition-note">This is the web edition: the results are stored, but the views are alive. To run and '
    "change the code, start <code>make lab</code> and open <code>notebooks/{}</code>.</p>"
)
DEAD = '<p class="view-note">This is a picture. In the notebook, this view is alive.</p>'


@dataclass(frozen=True)
class Lesson:
    """A lesson, read from its stored notebook."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def notebook(self) -> NotebookNode:
        """Read the notebook. Raises `SiteError` if the file does not exist or cannot be read."""
        try:
            return nbformat.read(self.path, as_version=4)
        except FileNotFoundError:
            raise SiteError(f"There is no lesson {self.path.name} in {self.path.parent}.") from None
        except Exception as error:
            raise SiteError(f"{self.path} cannot be read as a notebook ({error}).") from None

    def check(self) -> None:
        """Raise `SiteError` if any cell was not run or ended with an error."""
        code = [cell for cell in self.notebook.cells if is_run(cell)]
        missing = sum(cell.execution_count is None for cell in code)
        failed = sum(output.output_type == "error" for cell in code for output in cell.outputs)
        for number, what in ((missing, "have not been run"), (failed, "ended with an error")):
            if number:
                raise SiteError(
                    f"{self.path.name}: {number} of {len(code)} cells {what}, so the lesson cannot be shown. "
                    f"Run the lesson and store its outputs: python notebooks/execute.py {self.path}"
                )

    @property
    def text(self) -> str:
        return "\n\n".join(cell.source for cell in self.notebook.cells if cell.cell_type == "markdown")

    @property
    def title(self) -> str:
        return self.text.partition("\n")[0].lstrip("# ")

    @property
    def promise(self) -> str:
        """Return the lesson's promise as plain text, or its first paragraph if it has no promise."""
        found = re.search(r"\*\*The promise:\*\*(.*?)\n\n", self.text, re.S)
        paragraph = found[1] if found else self.text.split("\n\n")[1]
        return capitalised(plain(paragraph))

    @property
    def time(self) -> str:
        """Return the sentence that says how long the lesson takes."""
        found = re.search(r"\*\*Time:\*\*(.*?)(?:;|\.|, the notebook)", self.text, re.S)
        return capitalised(plain(found[1])) if found else ""

    @property
    def picture(self) -> str | None:
        """Return the HTML of the lesson's first view, or of its first plot if it has no view."""
        outputs = [output for cell in self.notebook.cells for output in cell.get("outputs", ())]
        pictures = [one for one in outputs if PICTURE.search("".join(one.get("data", {}).get("text/html", "")))]
        plots = [one for one in pictures if "data:image/png" in "".join(one.data["text/html"])]
        chosen = next(filter(is_view, pictures), next(iter(plots), None))
        return "".join(chosen.data["text/html"]) if chosen else None

    def own_notebook(self) -> list[NotebookNode]:
        """Return the cells of the section "In your own notebook", without the side paths after it."""
        cells, inside = [], False
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown" and (heading := re.match(r"#+ (.*)", cell.source)):
                inside = heading[1] == "In your own notebook"
            if inside:
                cells.append(cell)
        return cells


def is_run(cell: NotebookNode) -> bool:
    """Check whether a cell is code that the lesson runs: neither empty nor the cell that only Colab needs."""
    return cell.cell_type == "code" and cell.source.strip() and "skip-execution" not in cell.metadata.get("tags", [])


def plain(markdown: str) -> str:
    """Turn Markdown into one line of plain text.

    >>> plain("you **build** [this](x.md),\\n piece by `piece`")
    'you build this, piece by piece'
    """
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return " ".join(re.sub(r"[*`]", "", text).split())


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


class Pictures:
    """Pictures from the outputs of lessons, each in a file that is named after a hash of its content."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def moved_out(self, source: str) -> str:
        """Move each embedded picture to a file, and return HTML that shows these files on a page one folder down."""
        return PICTURE.sub(self._to_file, source)

    def small(self, source: str) -> str:
        """Write a small copy of the embedded picture (an SVG is copied as it is), and return its file name."""
        found = PICTURE.search(source)
        data, suffix = base64.b64decode(found["data"]), "svg"
        if not found["kind"].startswith("svg"):
            picture = Image.open(io.BytesIO(data)).convert("RGB")
            picture.thumbnail((WIDTH, WIDTH))
            picture.save(file := io.BytesIO(), "WEBP", quality=60)
            data, suffix = file.getvalue(), "webp"
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"
        (self.folder / name).write_bytes(data)
        return name

    def _to_file(self, found: re.Match[str]) -> str:
        data = base64.b64decode(found["data"])
        suffix = found["kind"].removesuffix("+xml")
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"
        (self.folder / name).write_bytes(data)
        size = size_of(data)
        sized = f'width="{size[0]}" height="{size[1]}" ' if size else ""
        return f'<img {found["before"]}{sized}loading="lazy" src="../{self.folder.name}/{name}"{found["after"]}>'


def size_of(picture: bytes) -> tuple[int, int] | None:
    """Read the width and height of a PNG or SVG in pixels, to reserve space for it; return None if it has no size.

    >>> size_of(b'<svg width="30" height="20.5">')
    (30, 21)
    """
    if picture.startswith(b"\x89PNG"):
        return struct.unpack(">II", picture[16:24])
    head = picture[:2000].decode("utf-8", "replace")
    found = [re.search(rf'<svg[^>]*\s{side}="([\d.]+)(?:px)?"', head) for side in ("width", "height")]
    if all(found):
        return round(float(found[0][1]) + 0.01), round(float(found[1][1]) + 0.01)
    box = re.search(r'viewBox="[\d.-]+[ ,]+[\d.-]+[ ,]+([\d.]+)[ ,]+([\d.]+)"', head)
    return (round(float(box[1])), round(float(box[2]))) if box else None


class Staging:
    """Turn lessons into the notebooks that Sphinx reads; `sheets` collects the outputs' style sheets, each once."""

    def __init__(self, names: Sequence[str], pictures: Pictures):
        self.names, self.pictures = set(names), pictures
        self.sheets: dict[str, None] = {}  # used as an ordered set

    def staged(self, lesson: Lesson, views: Mapping[int, Sequence[str]]) -> NotebookNode:
        """Make the lesson's notebook for the site. `views` holds the pages of each cell's views, in order."""
        helped: set[str] = set()
        cells = []
        for number, cell in enumerate(lesson.notebook.cells):
            if cell.cell_type == "markdown":
                cells.append(nbformat.v4.new_markdown_cell(self.linked(cell.source)))
                if len(cells) == 1:
                    cells.append(nbformat.v4.new_markdown_cell(NOTE.format(lesson.path.name)))
            elif is_run(cell):
                outputs = [self._output(output) for output in cell.outputs]
                self._enliven(outputs, views.get(number, ()), f"{lesson.path.name}, cell {number}")
                for name in CHECKED.findall(cell.source):
                    if name not in helped:
                        helped.add(name)
                        outputs.append(_html_output(exercise_help(name)))
                cells.append(
                    nbformat.v4.new_code_cell(cell.source, outputs=outputs, execution_count=cell.execution_count)
                )
        metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "pygments_lexer": "python"},
        }
        return nbformat.v4.new_notebook(cells=cells, metadata=metadata)

    def linked(self, source: str) -> str:
        """Rewrite the links in Markdown: keep only links to lessons of this site, and link bare addresses."""
        parts = CODE.split(source)
        for i in range(0, len(parts), 2):  # the parts in between are code
            parts[i] = re.sub(r"\[([^\]]+)\]\(([\w.-]+)\.ipynb\)", self._to_lesson, parts[i])
            parts[i] = BARE_ADDRESS.sub(r"<\1>", parts[i])
        return "".join(parts)

    def _to_lesson(self, found: re.Match[str]) -> str:
        return found[0] if found[2] in self.names else found[1]

    def _to_page(self, found: re.Match[str]) -> str:
        return f'<a href="{found["name"]}.html">{found["words"]}</a>' if found["name"] in self.names else found["words"]

    def _output(self, output: NotebookNode) -> NotebookNode:
        if "html" not in (data := output.get("data", {})) and "text/html" not in data:
            return output
        source = "".join(data["text/html"])
        self.sheets.update(dict.fromkeys(STYLE.findall(source)))
        source = LINK.sub(self._to_page, source)
        return _html_output(self.pictures.moved_out(STYLE.sub("", source)))

    def _enliven(self, outputs: list[NotebookNode], pages: Sequence[str], where: str) -> None:
        """Link each still picture of a view to the page that will replace it, or add a note that it stays a picture."""
        stills = [output for output in outputs if is_view(output)]
        if pages and len(pages) != len(stills):
            raise SiteError(
                f"{where}: the notebook stores {len(stills)} views, but showed {len(pages)} when it was run. "
                f"Store its outputs again (python notebooks/execute.py), or build with VIEWS=no."
            )
        for k, output in enumerate(stills):
            source = output.data["text/html"].removesuffix(RUN_IT)
            output.data["text/html"] = _live(source, pages[k]) if pages else f"{source}{DEAD}"


def is_view(output: NotebookNode) -> bool:
    """Check whether an output is the still picture of a view."""
    return "".join(output.get("data", {}).get("text/html", "")).endswith(RUN_IT)


def _html_output(source: str) -> NotebookNode:
    return nbformat.v4.new_output("display_data", data={"text/html": source})


def _live(still: str, page: str) -> str:
    found = re.search(r'alt="([^"]*)"', still)
    title = html.escape(html.unescape(found[1])[:100], quote=True) if found else "A view"
    return (
        f'<figure class="live-view" data-page="{page}" data-title="{title}">{still}'
        '<figcaption class="view-note"><span class="needs-room">This is a picture of a view. On a larger screen it is '
        f'alive, and shows more.</span> <a href="{page}">Open the view on its own page</a></figcaption></figure>'
    )
