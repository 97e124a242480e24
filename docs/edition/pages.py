"""Finish each page: write formulas as MathML, fold side paths, rewrite long signatures, and add a description."""

import html
import re
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

SIDE = "Side path:"
SIGNATURE = re.compile(r'(<span class="sig-paren">\(</span>)\s*<dl>(.*?)</dl>', re.S)


def setup(app: Any) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (inline_formula, None), (block_formula, None))
    app.connect("html-page-context", finish, priority=900)  # after the theme's own handlers
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def inline_formula(writer: Any, node: nodes.math) -> None:
    """Write an inline formula as MathML, which the browser draws without a script, a font or a request."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def block_formula(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="formula" tabindex="0">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


def finish(app: Any, name: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Rewrite the body of a page, and add a description for search engines and previews."""
    title = re.sub(r"<[^>]+>", "", context.get("title", name))
    described = app.config.html_context["descriptions"].get(name) or f"{title}, a page of “{app.config.project}”."
    described = html.escape(html.unescape(described), quote=True)
    context["metatags"] = f'{context.get("metatags") or ""}<meta name="description" content="{described}">'
    if SIDE in (context.get("body") or ""):
        context["body"] = folded(context["body"])
    if "sig-paren" in (context.get("body") or ""):
        context["body"] = SIGNATURE.sub(without_list, context["body"])
    if tree := context.get("furo_navigation_tree"):
        context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def without_list(found: re.Match[str]) -> str:
    """Put each argument of a long signature on its own line; Sphinx would make a definition list without terms.

    >>> SIGNATURE.sub(without_list, '<span class="sig-paren">(</span><dl><dd>a,</dd></dl>')
    '<span class="sig-paren">(</span><span class="arguments"><span class="argument">a,</span></span>'
    """
    inside = re.sub(r"<dd>(.*?)</dd>", r'<span class="argument">\1</span>', found[2], flags=re.S)
    return f'{found[1]}<span class="arguments">{inside}</span>'


def folded(body: str) -> str:
    """Put each side path into a `<details>` whose summary is its heading.

    >>> folded("<section><h3>Side path: a</h3><p>b</p></section>")
    '<section><details class="side-path"><summary><h3>Side path: a</h3></summary><p>b</p></details></section>'
    """
    soup = BeautifulSoup(body, "html.parser")
    for heading in soup.find_all(["h2", "h3", "h4"]):
        if heading.get_text().startswith(SIDE):
            rest = [*heading.next_siblings]
            details, summary = soup.new_tag("details", attrs={"class": "side-path"}), soup.new_tag("summary")
            heading.replace_with(details)
            for link in heading.find_all("a", class_="headerlink"):
                link.decompose()  # in a summary, a click on the link would also fold the path
            summary.append(heading)
            details.append(summary)
            details.extend(rest)
    return str(soup)
