"""Check a built site in a browser: console, network, widths, accessibility (with axe), and keyboard.

`axe` is the test module that loads axe-core. A page is checked as a reader sees it: in light and in dark mode, on a
desktop and on a telephone, with all folded parts open, and with its views live.
"""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from browser import axe
from playwright.sync_api import Page, Request

DESK, TELEPHONE = {"width": 1000, "height": 900}, {"width": 390, "height": 800}
FIRST_PAGE = 300_000  # the limit in bytes for the first page and everything on it
STOPS = 25  # the number of keyboard stops that are checked on each page
# On a telephone, Furo's content element scrolls sideways, not the window.
STICKS_OUT = """() => Math.max(...[document.scrollingElement, ...document.querySelectorAll(".content")].map(
  (node) => node.scrollWidth - node.clientWidth))"""
READY = "() => !document.querySelector('#status') || 'ready' in document.body.dataset"  # the page's model is loaded
OPEN = "() => { for (const one of document.querySelectorAll('details')) one.open = true; }"
DARK = "() => { document.body.dataset.theme = 'dark'; }"
# Scroll to each view, wait until it is live, and return the views that did not become live.
ENLIVEN = """async (patience) => {
  const dead = [];
  for (const figure of document.querySelectorAll(".live-view")) {
    figure.scrollIntoView();
    const until = performance.now() + 1000 * patience;
    while (!figure.classList.contains("is-alive") && performance.now() < until)
      await new Promise((done) => setTimeout(done, 50));
    if (!figure.classList.contains("is-alive")) dead.push(figure.dataset.page);
  }
  scrollTo(0, 0);
  return dead;
}"""
# The element with the keyboard focus: whether the focus is visible, and whether it moved forwards on the page.
STOP = """async () => {
  const node = document.activeElement, before = globalThis.lastStop;
  globalThis.lastStop = node;
  if (node === document.body) return null;
  if (node.tagName === "IFRAME") return { name: "a view", seen: true, after: true };
  const { outlineStyle, boxShadow } = getComputedStyle(node);
  const isThere = () => {
    const { left, right, width, height } = node.getBoundingClientRect();
    return node.checkVisibility({ visibilityProperty: true }) && width * height > 0 && left < innerWidth && right > 0;
  };
  for (let k = 0; k < 20 && !isThere(); k++) await new Promise((done) => setTimeout(done, 50)); // a side bar slides in
  return {
    name: `${node.tagName} “${(node.getAttribute("aria-label") ?? node.textContent).trim().slice(0, 30)}”`,
    seen: isThere() && (outlineStyle !== "none" || boxShadow !== "none"),
    after: !before || Boolean(before.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING),
  };
}"""


@contextmanager
def served(site: Path, below: str = "/any/where") -> Iterator[str]:
    """Serve a site below a path, so that it is not at the root of its host, and yield its address."""

    class Below(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return super().translate_path(path.removeprefix(below) if path.startswith(f"{below}/") else "/nowhere")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Below, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{below}/"
    finally:
        server.shutdown()
        server.server_close()


class Reader:
    """A reader that opens pages, and collects complaints from the console and the network.

    A view may take `patience` seconds to become live.
    """

    def __init__(self, page: Page, address: str, patience: float = 20):
        self.page, self.address, self.patience = page, address, patience
        self.complaints: list[str] = []
        self.answered: list[Request] = []
        page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", lambda got: got.status >= 400 and self.complaints.append(f"{got.status} {got.url}"))
        page.on("request", lambda request: self._hear(request.url))
        page.on("requestfinished", lambda request: self.answered.append(request))

    def _hear(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != urlsplit(self.address).hostname:
            self.complaints.append(f"the page loads from another host: {url}")

    @property
    def weight(self) -> int:
        """Sum the bytes of everything that the page has loaded; a cached file, whose size is negative, counts as 0."""
        return sum(max(0, request.sizes()["responseBodySize"]) for request in self.answered)

    def open(self, name: str) -> Page:
        """Open a page of the site, and wait until everything on it is loaded."""
        self.answered.clear()
        self.page.goto("about:blank")  # otherwise, an anchor on the same page would not load anything
        self.page.goto(self.address + name, wait_until="networkidle")
        self.page.wait_for_function(READY)
        return self.page

    def faults(self, name: str) -> Iterator[str]:
        """List what is wrong with a page, one line per fault."""
        self.complaints.clear()
        page = self.page
        page.set_viewport_size(TELEPHONE)
        self.open(name)
        if name == "index.html" and self.weight > FIRST_PAGE:
            yield f"the first page loads {self.weight:,} bytes, but at most {FIRST_PAGE:,} are allowed"
        yield from self._on_a_telephone()
        page.set_viewport_size(DESK)
        self.open(name)
        yield from by_keyboard(page)
        page.evaluate(OPEN)
        yield from (f"{view} did not come alive" for view in page.evaluate(ENLIVEN, self.patience))
        yield from self._seen("on a desktop", axe.violations)
        page.evaluate(DARK)
        yield from self._seen("on a desktop in dark mode", axe.faults_of_colour)
        yield from dict.fromkeys(self.complaints)

    def _on_a_telephone(self) -> Iterator[str]:
        self.page.evaluate(OPEN)
        for view in self.page.locator(".live-view").all():
            if not view.locator(".needs-room").is_visible():
                yield "a view does not say that a larger screen shows more"
        yield from self._seen("on a telephone", axe.faults_of_form)

    def _seen(self, where: str, by_axe) -> Iterator[str]:
        self.page.wait_for_timeout(150)  # time for canvases to be drawn again
        if (out := self.page.evaluate(STICKS_OUT)) > 0:
            yield f"{where}: the page is {out} pixels too wide for the window"
        frames = [self.page.locator(":root")]
        frames += [frame.locator(":root") for frame in self.page.frames[1:]]
        for shown in frames:
            yield from (f"{where}: {fault}" for fault in by_axe(shown))


def by_keyboard(page: Page) -> Iterator[str]:
    """Check that the first Tab leads to a link that skips to the content, and later Tabs visibly go down the page."""
    if page.locator("[tabindex]:not([tabindex='0'], [tabindex='-1'])").count():
        yield "a tabindex above 0 changes the order of keyboard stops"
    skips = page.locator(".skip-to-content")
    page.evaluate("() => { globalThis.lastStop = null; }")
    for number in range(STOPS):
        page.keyboard.press("Tab")
        page.wait_for_timeout(20)
        stop = page.evaluate(STOP)
        if stop is None:
            return  # the focus has left the page
        if number == 0 and skips.count() and not skips.evaluate("node => node === document.activeElement"):
            yield f"the first keyboard stop is {stop['name']}, not the link to the content"
        if not stop["seen"]:
            yield f"the keyboard stops at {stop['name']}, but the focus is not visible"
        if not stop["after"]:
            yield f"the keyboard jumps back to {stop['name']}"
