"""A real Chromium, for all tests that need one: Playwright can be started only once in a process."""

import shutil
from contextlib import contextmanager
from urllib.parse import urlparse

import pytest
from needs import skip_or_fail

# The shell is Chromium without its windows, and takes a tenth less processor time for the same pages.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def chromium():
    """The system's Chromium, headless."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=120_000)  # on a machine that does much else, a minute is soon over

    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@contextmanager
def launched(playwright):
    """The system's Chromium for one `with`; skips or fails without one."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        skip_or_fail("no Chromium; on Debian and Ubuntu: sudo apt install chromium")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    browser = playwright.chromium.launch(executable_path=path, args=[*quiet, "--disable-sync", "--no-first-run"])
    yield browser
    browser.close()


@pytest.fixture
def page(chromium):
    """A fresh page. `page.foreign` collects requests to any host but this machine's server."""
    page = new_page(chromium)
    yield page
    page.context.close()


def new_page(chromium):
    from browser.bench import VIEWPORT

    context = chromium.new_context(viewport=VIEWPORT, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.foreign = []
    page.on("request", lambda request: _is_foreign(request.url) and page.foreign.append(request.url))
    return page


def _is_foreign(url):
    parts = urlparse(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in ("127.0.0.1", "localhost")
