"""One real Chromium for all tests that need it: Playwright can be started only once in a process."""

import os
import shutil
from contextlib import contextmanager
from urllib.parse import urlparse

import pytest
from needs import skip_or_fail

# The headless shell is Chromium without a user interface. It takes a tenth less CPU time for the same pages.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

DELAY = "LLMLIB_TEST_DELAY"  # the longest delay of a message between a page and its kernel, in milliseconds
# Delays each message by a random time. Messages stay in order within a connection, but not between two connections.
SLOWLY = """
window.WebSocket = class extends WebSocket {
  #due = { in: 0, out: 0 };
  #waiting = { in: [], out: [] };
  #handler = null;
  #later(direction, deliver) {
    this.#due[direction] = Math.max(this.#due[direction], performance.now() + MOST * Math.random());
    this.#waiting[direction].push(deliver);
    setTimeout(() => this.#waiting[direction].shift()(), this.#due[direction] - performance.now());
  }
  send(data) {
    this.#later("out", () => super.send(data));
  }
  set onmessage(handler) {
    this.#handler = handler;
    super.onmessage = (event) => this.#later("in", () => this.#handler?.(event));
  }
};
"""


@pytest.fixture(scope="session")
def chromium():
    """The system's Chromium, headless."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=120_000)  # on a busy machine, a minute may not be enough

    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@contextmanager
def launched(playwright):
    """Open the system's Chromium for a `with` block. If there is no Chromium, skip the test or fail."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        skip_or_fail("no Chromium; on Debian and Ubuntu: sudo apt install chromium")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    browser = playwright.chromium.launch(executable_path=path, args=[*quiet, "--disable-sync", "--no-first-run"])
    yield browser
    browser.close()


@pytest.fixture
def page(chromium):
    """A fresh page. `page.foreign` collects the URLs of requests to other machines."""
    page = new_page(chromium)
    yield page
    page.context.close()


def new_page(chromium):
    from browser.bench import VIEWPORT

    context = chromium.new_context(viewport=VIEWPORT, accept_downloads=True)
    if delay := os.environ.get(DELAY):
        context.add_init_script(SLOWLY.replace("MOST", delay))
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.foreign = []
    page.on("request", lambda request: _is_foreign(request.url) and page.foreign.append(request.url))
    return page


def _is_foreign(url):
    parts = urlparse(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost")
