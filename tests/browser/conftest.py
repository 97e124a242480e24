"""Fixtures that open a real JupyterLab in a real Chromium."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import kernels
import pytest

from browser.bench import NOTEBOOKS, Bench
from browser.chromium import new_page
from browser.looks import keep_picture

LAB = "import sys; sys.modules['rfc3987_syntax'] = None; from jupyterlab.labapp import main; main()"  # see lighter.py


@pytest.fixture(scope="session")
def desk(chromium, lab):
    """One page for all tests with JupyterLab, since a second page would load everything again."""
    page = new_page(chromium)
    page.set_default_timeout(120_000)
    yield Bench(page, lab)
    page.context.close()


@pytest.fixture(scope="module")
def bench(desk):
    """The page with JupyterLab, cleaned up after the tests of each module."""
    yield desk
    desk.clear()
    assert desk.page.foreign == []


@pytest.fixture
def picture(page):
    """A function that keeps a screenshot under a name."""
    return lambda name: keep_picture(page, name)


@pytest.fixture(scope="session")
def lab(tmp_path_factory, chromium):
    """A function from a path to the URL that opens it in a JupyterLab server, which has a copy of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, folder / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    private = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    private["LLMLIB_DATA_DIR"] = str(folder / "progress")  # answers given here must not change warm-ups in other tests
    warm = None
    if sys.platform == "linux":  # on other systems, a forked process cannot rely on earlier imports
        place = os.environ.get(kernels.PLACE)
        if not place:
            warm = kernels.start(place := folder / "warm")
        kernels.name("python3", place, folder / "paths")
        private["JUPYTER_PATH"] = str(folder / "paths")
    settings = folder / "config" / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}))
    server = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-c",
            LAB,
            "--no-browser",
            "--allow-root",
            f"--port={port}",
            f"--IdentityProvider.token={token}",
            f"--ServerApp.root_dir={folder}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ],
        env={**os.environ, **private},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 300  # on a busy machine, JupyterLab's imports alone take a minute
    while not _answers(f"{base}/api/status?token={token}"):
        if server.poll() is not None or time.monotonic() > until:
            server.kill()
            pytest.fail("JupyterLab did not start")
        time.sleep(0.2)
    yield lambda path: f"{base}/lab/tree/{path}?token={token}&reset"
    server.terminate()
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:  # a kernel that is still starting delays the exit
        server.kill()
        server.wait()
    if warm:
        warm.terminate()
        warm.wait()


def _answers(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True
