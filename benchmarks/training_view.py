"""Claim: a run takes less than 2% longer if a dashboard shows it, with its page open and drawing.

Two runs of the same config take turns after each block of steps, and a dashboard shows one of them: first in Python
alone, then in JupyterLab with the view open in Chromium, on the same cores. The script prints the ratio of the total
time with a dashboard to the total time without (not a median: later in a run, some blocks are not drawn at all). The
order within a pair alternates. A block is longer than the longest time between two drawings: clocks keep running during
the other run's turn, so each short block would begin with a drawing that is already due. On a busy machine, this ratio
is down to chance. A better measure is then the kernel's work outside the steps: the processor time of all its threads
between steps, as a share of the processor time of the steps, minus the same share without a dashboard.
"""

import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmlib.corpora.datasets import TokenDataset
from llmlib.explore import LiveTrainingView, explore_training
from llmlib.training import Step, TrainConfig, Training, train
from llmlib.transformer import Transformer, TransformerConfig

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZES = {"small": (64, 2, 8), "large": (256, 4, 16)}  # d_model, layers, windows of 64 tokens per batch
PAIRS, SECONDS = 8, 6.0  # pairs of blocks, seconds per block
SETTLE = 0.4  # seconds between two blocks, in which the page draws the rest of the first
CELL = """
import sys; sys.path.insert(0, {folder!r})
import training_view as bench
board, runs = bench.prepared({size!r})
board
"""
OPEN = """() => {
  const context = window.jupyterapp?.shell.currentWidget?.sessionContext, kernel = context?.session?.kernel;
  return context?.isReady && kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
RUN = "async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
ASK = """async (code) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const future = kernel.requestExecute({ code: "", silent: true, user_expressions: { answer: code } });
  const { content } = await future.done;
  return content.user_expressions.answer.data?.["text/plain"] ?? JSON.stringify(content.user_expressions.answer);
}"""


def prepared(size: str) -> tuple[LiveTrainingView, tuple[Training, Training]]:
    """Return an empty dashboard, and two identical runs."""
    d_model, n_layers, batch_size = SIZES[size]
    data = TokenDataset([k * k % 509 for k in range(50_000)], 512)

    def run() -> Training:
        model = Transformer(TransformerConfig(512, 64, d_model, n_layers, n_heads=4, positions="rotary"))
        config = TrainConfig(1_000_000, batch_size, 64, validate_every=50, validation_batches=1, sample_every=100)
        return train(model, data, config, validation=data, sample=lambda model: "Once upon a time. " * 10)

    return explore_training(), (run(), run())


class Steps(Iterator[Step]):
    """Yields the steps of a run, and adds up the processor time that they take."""

    def __init__(self, run: Training):
        self.run, self.config, self.took = run, run.config, 0.0

    def __next__(self) -> Step:
        began = time.process_time()
        step = next(self.run)
        self.took += time.process_time() - began
        return step


def measured(board: LiveTrainingView, runs: tuple[Training, Training]) -> dict[str, float]:
    """Let both runs take turns, and compare them.

    Return the ratio of their times with and without the dashboard, the difference between their shares of work outside
    the steps, how long a step takes without the dashboard, and how many steps a block has.
    """
    plain, inner = Steps(runs[0]), Steps(runs[1])
    watched = board.watch(inner, "a run")

    def block(source: Iterator[Step], steps: int) -> tuple[float, float]:
        """Return how long a block took, and how much processor time the kernel spent outside the steps.

        This time is given as a fraction of the processor time spent in the steps.
        """
        time.sleep(SETTLE)
        steps_of = plain if source is plain else inner
        began = time.perf_counter(), time.process_time(), steps_of.took
        for _ in range(steps):
            next(source)
        took = steps_of.took - began[2]
        return time.perf_counter() - began[0], (time.process_time() - began[1] - took) / took

    for source in (plain, watched):
        block(source, 10)  # warm up
    steps = max(5, round(SECONDS / (block(plain, 10)[0] / 10)))
    walls, outside, per_step = {True: 0.0, False: 0.0}, [], []
    for number in range(PAIRS):
        order = (plain, watched) if number % 2 else (watched, plain)
        times = {source is plain: block(source, steps) for source in order}
        for kind, (seconds, _) in times.items():
            walls[kind] += seconds
        outside.append(times[False][1] - times[True][1])
        per_step.append(times[True][0] / steps)
    outside_share, step = statistics.median(outside), statistics.median(per_step)
    return {"wall": walls[False] / walls[True], "outside": outside_share, "step": step, "steps": float(steps)}


def report(where: str, size: str, found: dict[str, float]) -> None:
    print(
        f"{where}, {size} model: {1000 * found['step']:.1f} ms a step, blocks of {found['steps']:.0f}; "
        f"with / without a dashboard {found['wall']:.4f} (claim: 1.02), "
        f"the kernel's work outside the steps {100 * found['outside']:.2f}%",
        flush=True,
    )


def in_a_page(browser: Any, folder: Path, url: str) -> None:
    for size in SIZES:
        cell = {"cell_type": "code", "source": CELL.format(folder=str(Path(__file__).parent), size=size), "id": "one"}
        spec = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        cell |= {"metadata": {}, "outputs": [], "execution_count": None}
        notebook = {"cells": [cell], "metadata": spec, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"{size}.ipynb").write_text(json.dumps(notebook))
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(60_000)
        page.goto(url.format(path=f"{size}.ipynb"))
        page.wait_for_function(OPEN)
        page.evaluate(RUN)
        page.locator(".llm-training .llm-large").wait_for()
        answer = page.evaluate(ASK, "bench.json.dumps(bench.measured(board, runs))")
        drawn = page.evaluate("performance.getEntriesByName('llm-training-updated').length")
        report(f"JupyterLab ({drawn} times drawn)", size, json.loads(answer.strip("'")))
        page.close()


def in_jupyterlab(path: str) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, token, folder = free.getsockname()[1], secrets.token_hex(16), Path(name)
        free.close()
        private = {f"JUPYTER_{part}_DIR": str(folder / part.lower()) for part in ("CONFIG", "DATA", "RUNTIME")}
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyterlab",
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
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"{base}/api/status?token={token}", timeout=2).close()
                    break
                except OSError:
                    time.sleep(0.5)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
                in_a_page(browser, folder, f"{base}/lab/tree/{{path}}?token={token}&reset")
                browser.close()
        finally:
            server.terminate()
            server.wait(timeout=20)


def main() -> None:
    for size in SIZES:
        report("Python alone", size, measured(*prepared(size)))
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        print("No Chromium on this machine, so nothing is drawn.")
        return
    in_jupyterlab(path)


if __name__ == "__main__":
    main()
