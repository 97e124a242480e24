"""What has to hold for a built site, as far as its files tell: links, titles, descriptions, and pictures in words."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

# Where a page has addresses, and whether the page itself asks for what is there.
ADDRESSES = (
    ("a", "href", False),
    ("figure", "data-page", True),
    ("img", "src", True),
    ("source", "srcset", True),
    ("iframe", "src", True),
    ("link", "href", True),
    ("script", "src", True),
)
LEAST = 20  # letters of a picture's description


def pages_of(site: Path) -> dict[str, BeautifulSoup]:
    """The pages of a site by their address; the pages of views are no pages of their own."""
    paths = sorted(path for path in site.rglob("*.html") if path.relative_to(site).parts[0] not in ("views", "_static"))
    return {
        path.relative_to(site).as_posix(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in paths
    }


def faults_of_files(site: Path) -> list[str]:
    """What is wrong in the files of a site, a line each."""
    pages = pages_of(site)
    ids = {name: {node["id"] for node in soup.find_all(id=True)} for name, soup in pages.items()}
    faults = [] if "index.html" in pages else [f"{site} has no index.html"]
    for name, soup in pages.items():
        faults += [f"{name}: {fault}" for fault in (*_links(site, name, soup, ids), *_words(soup))]
    described = Counter(_description(soup) for soup in pages.values())
    return faults + [f"{times} pages are described as “{one}”" for one, times in described.items() if times > 1]


def _links(site: Path, name: str, soup: BeautifulSoup, ids: dict[str, set[str]]) -> Iterator[str]:
    """Addresses that lead nowhere, or that do not work below the root of a host, or that ask another host."""
    for tag, attribute, asked in ADDRESSES:
        for node in soup.find_all(tag, attrs={attribute: True}):
            address = node[attribute]
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if asked and parts.scheme != "data":
                    yield f"it asks {address}"
                continue
            if address.startswith("/"):
                yield f"{address} works at the root of a host alone"
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            if not target.is_file():
                yield f"{address} is not there"
                continue
            inside = target.resolve().relative_to(site.resolve()).as_posix()
            if parts.fragment and inside in ids and unquote(parts.fragment) not in ids[inside]:
                yield f"{address} is no place on that page"
            if tag == "figure" and "llm-standalone" not in target.read_text(encoding="utf-8"):
                yield f"{address} is not the page of a view"


def _words(soup: BeautifulSoup) -> Iterator[str]:
    """What is not said: title, language, description, heading, or what a picture shows."""
    if not (soup.title and soup.title.get_text(strip=True)):
        yield "no title"
    if not (soup.html and soup.html.get("lang")):
        yield "no language"
    if not _description(soup):
        yield "no description, or several"
    if (number := len(soup.find_all("h1"))) != 1:
        yield f"{number} headings of the first level"
    for image in soup.find_all("img"):
        if not image.find_parent(class_="lesson-cards") and len(image.get("alt", "")) < LEAST:  # there they decorate
            yield f"a picture that is not described: {image.get('src')}"


def _description(soup: BeautifulSoup) -> str:
    found = soup.find_all("meta", attrs={"name": "description"})
    return found[0].get("content", "") if len(found) == 1 else ""
