"""Check the files of a built site: links, titles, descriptions, and the alt texts of pictures."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

# The attributes that hold addresses, and whether the page loads the file at the address.
ADDRESSES = (
    ("a", "href", False),
    ("figure", "data-page", True),
    ("img", "src", True),
    ("source", "srcset", True),
    ("iframe", "src", True),
    ("link", "href", True),
    ("script", "src", True),
)
LEAST = 20  # how many characters the description of a picture needs at least


def pages_of(site: Path) -> dict[str, BeautifulSoup]:
    """Read the pages of a site, except the pages of views; return them by address."""
    paths = sorted(path for path in site.rglob("*.html") if path.relative_to(site).parts[0] not in ("views", "_static"))
    return {
        path.relative_to(site).as_posix(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in paths
    }


def faults_of_files(site: Path) -> list[str]:
    """List what is wrong in the files of a site, one line per fault."""
    pages = pages_of(site)
    ids = {name: {node["id"] for node in soup.find_all(id=True)} for name, soup in pages.items()}
    faults = [] if "index.html" in pages else [f"{site} has no index.html"]
    for name, soup in pages.items():
        faults += [f"{name}: {fault}" for fault in (*_links(site, name, soup, ids), *_words(soup))]
    described = Counter(_description(soup) for soup in pages.values())
    return faults + [f"{times} pages are described as “{one}”" for one, times in described.items() if times > 1]


def _links(site: Path, name: str, soup: BeautifulSoup, ids: dict[str, set[str]]) -> Iterator[str]:
    """Find addresses that lead nowhere, work only at the root of a host, or make the page load from another host."""
    for tag, attribute, asked in ADDRESSES:
        for node in soup.find_all(tag, attrs={attribute: True}):
            address = node[attribute]
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if asked and parts.scheme != "data":
                    yield f"the page loads {address} from another host"
                continue
            if address.startswith("/"):
                yield f"{address} works only at the root of a host"
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            if not target.is_file():
                yield f"{address} does not exist"
                continue
            inside = target.resolve().relative_to(site.resolve()).as_posix()
            if parts.fragment and inside in ids and unquote(parts.fragment) not in ids[inside]:
                yield f"{address}: the page has no such anchor"
            if tag == "figure" and "llm-standalone" not in target.read_text(encoding="utf-8"):
                yield f"{address} is not the page of a view"


def _words(soup: BeautifulSoup) -> Iterator[str]:
    """Find what is missing: the title, language, description, heading, or a picture's alt text."""
    if not (soup.title and soup.title.get_text(strip=True)):
        yield "no title"
    if not (soup.html and soup.html.get("lang")):
        yield "no language"
    if not _description(soup):
        yield "no description, or more than one"
    if (number := len(soup.find_all("h1"))) != 1:
        yield f"{number} top-level headings instead of one"
    for image in soup.find_all("img"):
        # The pictures on lesson cards are decorative.
        if not image.find_parent(class_="lesson-cards") and len(image.get("alt", "")) < LEAST:
            yield f"a picture without a sufficient description: {image.get('src')}"


def _description(soup: BeautifulSoup) -> str:
    found = soup.find_all("meta", attrs={"name": "description"})
    return found[0].get("content", "") if len(found) == 1 else ""
