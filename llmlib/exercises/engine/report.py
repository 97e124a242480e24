"""Build the replies of `check` and the other functions from prose, code and tables, and show them as HTML or as text.

The HTML needs no JavaScript. Where style sheets are not allowed (in an untrusted notebook, on a code host), the HTML
still has headings, paragraphs and tables. No meaning is conveyed by colour alone.
"""

import html
import re
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, zip_longest
from pathlib import Path

WIDTH = 88  # the width of a report shown as text, in columns
STRESSED = re.compile(r"(?<![\w*])\*([^\s*](?:[^*]*[^\s*])?)\*(?![\w*])")


@dataclass(frozen=True)
class Prose:
    """A paragraph, in which `backticks` mark code and *asterisks* mark emphasised words.

    `lead` is a word or two in bold before the text, with a link if there is an `href`.
    """

    text: str
    lead: str = ""
    href: str = ""

    def as_text(self) -> str:
        return textwrap.fill(f"{self.lead} {self.text}".strip(), WIDTH, break_long_words=False, break_on_hyphens=False)

    def as_html(self) -> str:
        lead = f"<strong>{linked(html.escape(self.lead), self.href)}</strong> " if self.lead else ""
        return f"<p>{lead}{marked_up(self.text)}</p>"


@dataclass(frozen=True)
class Code:
    """Lines of code, shown unchanged."""

    text: str

    def as_text(self) -> str:
        return textwrap.indent(self.text, "    ")

    def as_html(self) -> str:
        return f'<pre tabindex="0"><code>{html.escape(self.text)}</code></pre>'


@dataclass(frozen=True)
class Table:
    """A small table. `marked` lists the cells (row, column) to highlight; their text contains a ≠, too.

    `links` contains an address for each row; the row's first cell links to it.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[tuple[int, int]] = frozenset()
    caption: str = ""
    links: tuple[str, ...] = ()

    def as_text(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[c]) for line in lines) for c in range(len(self.header))]
        shown = ["  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths)).rstrip() for line in lines]
        shown.insert(1, "  ".join("─" * w for w in widths))
        return textwrap.indent("\n".join([*([self.caption] if self.caption else []), *shown]), "    ")

    def as_html(self) -> str:
        head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in self.header)
        body = ""
        for r, row in enumerate(self.rows):
            first, *rest = (html.escape(cell) for cell in row)
            cells = "".join(
                f'<td class="llm-marked">{c}</td>' if (r, i) in self.marked else f"<td>{c}</td>"
                for i, c in enumerate(rest, start=1)
            )
            first = linked(first, self.links[r] if self.links else "")
            body += f'<tr><th scope="row">{first}</th>{cells}</tr>'
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


Part = Prose | Code | Table


@dataclass(frozen=True)
class Report:
    """A reply to the learner. `kind` is one of the keys of `MARKS`."""

    kind: str
    title: str  # "attention.causal_mask"
    heading: str  # "Not yet: the result has another shape."
    parts: tuple[Part, ...] = ()
    misconceptions: tuple[str, ...] = ()  # names of the misconceptions that were recognised
    findings: tuple[str, ...] = ()  # names of the other findings

    @property
    def correct(self) -> bool:
        return self.kind == "correct"

    def __repr__(self) -> str:
        first = f"{MARKS[self.kind]} {self.title}: {self.heading}"
        return "\n\n".join([textwrap.fill(first, WIDTH), *(part.as_text() for part in self.parts)])

    def _repr_html_(self) -> str:
        label = html.escape(f"{self.title}: {self.heading}".replace("`", ""), quote=True)
        return (
            f'{style_tag()}<div class="llm-report llm-{self.kind.replace(" ", "-")}" role="group" aria-label="{label}">'
            f'<p class="llm-heading"><span aria-hidden="true">{MARKS[self.kind]}</span> '
            f"<code>{html.escape(self.title)}</code> <strong>{marked_up(self.heading)}</strong></p>"
            f"{''.join(part.as_html() for part in self.parts)}</div>"
        )


MARKS = {
    "not attempted": "○",
    "raised": "✗",
    "timeout": "✗",
    "form": "✗",
    "misconception": "✗",
    "reason": "✗",
    "property": "✗",
    "differs": "✗",
    "correct": "✓",
    "help": "›",
}


def marked_up(text: str) -> str:
    """Escape a text for HTML, and mark up `code` between backticks and *emphasised* words outside of code.

    >>> marked_up("`a < b` *always* holds, and 2 * 3 * 4 is 24")
    '<code>a &lt; b</code> <em>always</em> holds, and 2 * 3 * 4 is 24'
    """
    parts = re.split(r"`([^`]+)`", html.escape(text, quote=False))
    stressed = (STRESSED.sub(r"<em>\1</em>", part) for part in parts[::2])
    code = (f"<code>{part}</code>" for part in parts[1::2])
    return "".join(chain.from_iterable(zip_longest(stressed, code, fillvalue="")))


def linked(words: str, href: str) -> str:
    """Turn the words into an HTML link, if there is an address.

    >>> linked("03 Attention", "03_attention.ipynb")
    '<a href="03_attention.ipynb">03 Attention</a>'
    """
    return f'<a href="{html.escape(href, quote=True)}">{words}</a>' if href else words


@lru_cache
def style_tag() -> str:
    css = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    return "<style>" + re.sub(r"\s+", " ", css) + "</style>"
