"""Claims: the attention explorer takes at most 1.3 MB where `bertviz` takes 65 MB, and responds at once. With 1,024
tokens and 270 heads, the grid is on screen 1 s after the model's forward pass, and a head 200 ms after a click.

The attention is synthetic, with 12 layers × 12 heads. Headless Chromium loads the pages from disk; edits are measured
in JupyterLab. The comparison needs bertviz: pip install bertviz. Its page loads libraries from the network, so only the
sizes in bytes are compared.
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
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from llmlib.widgets import attention_view

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ROUNDS = 5

DRAWN = """() => new Promise((done) => {
  const look = () => performance.getEntriesByName("llm-attention-drawn").length
    ? requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))) : setTimeout(look, 2);
  look();
})"""

HOVER = """async (rounds) => {
  const canvas = document.querySelector(".llm-heat canvas"), box = canvas.getBoundingClientRect(), times = [];
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;  // after the style, layout and paint of this frame
    channel.port2.postMessage(0);
  }));
  for (let k = 0; k < rounds; k++) {
    const at = 0.1 + (0.85 * k) / rounds, started = performance.now();
    const [clientX, clientY] = [box.left + (at * box.width) / 2, box.top + at * box.height];
    canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
    await painted();
    times.push(performance.now() - started);
  }
  return times;
}"""

EDIT = """async (texts) => {
  const view = document.querySelector(".llm-attention"), area = view.querySelector("textarea"), times = [];
  const updates = () => performance.getEntriesByName("llm-attention-updated").length;
  for (const text of texts) {
    const before = updates(), started = performance.now();
    area.value = text;
    area.dispatchEvent(new Event("input", { bubbles: true }));
    while (updates() === before) {
      await new Promise((done) => setTimeout(done, 1));
      if (performance.now() - started > 20000) throw new Error("no answer: " + text);
    }
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - started);
  }
  return times;
}"""


def synthetic(n: int) -> np.ndarray:
    """Return random causal attention patterns over `n` tokens, for 12 layers × 12 heads."""
    scores = np.random.default_rng(0).normal(size=(12, 12, n, n)).astype(np.float32)
    scores[..., np.triu(np.ones((n, n), dtype=bool), 1)] = -np.inf
    weights = np.exp(2 * scores)
    return weights / weights.sum(-1, keepdims=True)


def tokens(n: int) -> list[str]:
    return [f" word{i % 50}" for i in range(n)]


def bytes_against_bertviz(patterns: np.ndarray, n: int) -> None:
    view = attention_view(tokens(n), patterns)
    payload, page = len(view.a_codes), len(view.to_html().encode())
    print(f"12 × 12 × {n}²: payload {payload / 1e6:.2f} MB (claim: at most 1.3), page on disk {page / 1e6:.2f} MB")
    try:
        import torch
        from bertviz import model_view
    except ImportError:
        print("bertviz is not installed, so there is nothing to compare with: pip install bertviz")
        return
    attention = tuple(torch.tensor(layer)[None] for layer in patterns)
    theirs = len(model_view(attention, tokens(n), html_action="return").data.encode())
    print(f"bertviz's page {theirs / 1e6:.1f} MB: {theirs / page:.0f}x ours, {theirs / payload:.0f}x our payload")


def from_disk(browser, folder: Path) -> None:
    for n, claim in ((128, 600), (512, 2000)):
        patterns = synthetic(n)
        if n == 128:
            bytes_against_bertviz(patterns, n)
        path = attention_view(tokens(n), patterns).save(folder / f"{n}.html")
        painted, hovered = [], []
        for _ in range(ROUNDS):
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(path.as_uri(), wait_until="commit")
            painted.append(page.evaluate(DRAWN))
            page.locator(".llm-thumb").nth(17).click()
            hovered += page.evaluate(HOVER, 20)
            page.close()
        print(
            f"{n:4} tokens: all 144 heads on screen after {statistics.median(painted):5.0f} ms, "
            f"at most {max(painted):5.0f} (claim: {claim}); "
            f"hover {statistics.median(hovered):3.0f} ms, at most {max(hovered):3.0f} (claim: 50)"
        )


SMALL = """
from llmlib import Transformer, TransformerConfig
from llmlib.explore import explore_attention
from llmlib.tokenization import CharTokenizer
tokenizer = CharTokenizer.train("abcdefghijklmnopqrstuvwxyz ")
config = TransformerConfig(tokenizer.vocab_size, max_seq_len=256, d_model=128, n_layers=4, n_heads=4)
explore_attention(Transformer(config), tokenizer, "a")
"""
SMOLLM2 = """
from llmlib import load_pretrained
from llmlib.explore import explore_attention
model, tokenizer = load_pretrained("smollm2-135m-instruct", device="cpu", dtype="float32")
explore_attention(model, tokenizer, "a")
"""
LONG = "When Mary and John went to the store, John gave a drink to Mary and then they walked home, all the way past the"


LONG_TEXT = """
import resource, time, torch
from llmlib import Transformer, load_pretrained
from llmlib.explore import explore_attention
model, tokenizer = load_pretrained("smollm2-135m-instruct", device="cpu", dtype="float32")
ids = tokenizer.encode(LONG * 60)[:1024]
text = tokenizer.decode(ids)
batch, alone, ended = torch.tensor([ids]), [], []
with torch.inference_mode():
    for _ in range(3):
        began = time.time()
        model(batch, last_only=True)
        alone.append(time.time() - began)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
forward = Transformer.forward
def timed(*args, **options):  # a forward hook would not be called: views run a model without the hooks of cells
    logits = forward(*args, **options)
    ended.append(time.time())
    return logits
Transformer.forward = timed
explore_attention(model, tokenizer, "a")
"""
ASK = """async (code) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const user_expressions = { answer: `__import__("json").dumps(${code})` };
  const { content } = await kernel.requestExecute({ code: "", silent: true, user_expressions }).done;
  const { answer } = content.user_expressions;
  return JSON.parse(eval(answer.data["text/plain"]));
}"""
# Return how many milliseconds passed between the edit and the frame that shows the grid, when that frame was drawn, how
# many milliseconds passed before the view showed that it was busy, and the number of tokens.
GRID = """async (text) => {
  const view = document.querySelector(".llm-attention"), area = view.querySelector("textarea");
  const started = performance.now();
  const drawn = () => view.dataset.tokens !== "1" && view.querySelectorAll(".llm-thumb").length;
  let sign = null;
  area.value = text;
  area.dispatchEvent(new Event("input", { bubbles: true }));
  while (!drawn()) {
    await new Promise((done) => setTimeout(done, 5));
    if (view.getAttribute("aria-busy") === "true") sign ??= performance.now() - started;
    if (performance.now() - started > 120000) throw new Error("no grid");
  }
  await new Promise(requestAnimationFrame);
  return [performance.now() - started, Date.now() / 1000, sign, view.dataset.tokens];
}"""
OPEN = """async ([layer, head]) => {
  const view = document.querySelector(".llm-attention"), buttons = () => [...view.querySelectorAll("button")];
  const button = (name) => buttons().find((one) => one.ariaLabel === name || one.textContent === name);
  if (view.querySelector(".llm-at-head")) button("All heads").click();
  await new Promise((done) => setTimeout(done, 300));
  const started = performance.now();
  button(`Layer ${layer}, head ${head}`).click();
  while (!view.querySelector(".llm-heat canvas")) await new Promise((done) => setTimeout(done, 1));
  await new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;  // after the style, layout and paint of this frame
    channel.port2.postMessage(0);
  }));
  return performance.now() - started;
}"""


def long_text(page) -> None:
    """Print how soon the grid and single heads are on screen, for 1,024 tokens × 270 heads, and the peak memory."""
    alone, text, before = (page.evaluate(ASK, name) for name in ("alone", "text", "before"))
    took, shown, sign, tokens = page.evaluate(GRID, text)
    ended = page.evaluate(ASK, "ended[-1]")
    print(
        f"SmolLM2, 30 × 9 heads, {tokens} tokens: the grid is on screen {1000 * (shown - ended):.0f} ms after the "
        f"forward pass (claim: 1000); {took / 1000:.1f} s in total; a plain forward pass takes "
        f"{statistics.median(alone):.1f} s; "
        f"the first sign of work after {sign:.0f} ms"
    )
    opened = [
        page.evaluate(OPEN, [layer, head]) for layer, head in ((0, 0), (5, 3), (11, 8), (17, 1), (23, 5), (29, 2))
    ]
    middle, most = statistics.median(opened), max(opened)
    print(f"a head is on screen {middle:.0f} ms after its click, at most {most:.0f} (claim: 200)")
    after = page.evaluate(ASK, "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss")
    whole = 270 * int(tokens) ** 2 * 4
    print(
        f"peak memory: {(after - before) / 1e3:.0f} MB more than for a plain forward pass "
        f"(all patterns at once would be {whole / 1e6:.0f} MB)"
    )


def live(browser, folder: Path) -> None:
    """Measure in a real JupyterLab how long it takes from an edit to the frame that shows the new patterns."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, texts = (
        secrets.token_hex(16),
        [f"{LONG} very old {word} there now." for word in ("tree", "wall", "mill", "lake", "farm", "town")],
    )
    short = [f"the cat sat on the {word}" for word in ("mat", "hat", "rug", "bed", "log", "cup", "box", "car")]
    for name, code in (("small", SMALL), ("smollm2", SMOLLM2), ("long", f"LONG = {LONG!r}{LONG_TEXT}")):
        cell = {"cell_type": "code", "metadata": {}, "source": code.strip(), "outputs": [], "execution_count": None}
        notebook = {"cells": [cell], "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}}}
        (folder / f"{name}.ipynb").write_text(json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 4}))
    private = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
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
            "--LabApp.news_url=None",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ],
        env={**os.environ, **private},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=2).close()
                break
            except OSError:
                time.sleep(0.5)
        for name, label, edits, claim in (
            ("small", "4 layers × 4 heads × 128", short, 300),
            ("smollm2", "SmolLM2, 30 × 9 heads", texts, 1000),
            ("long", "", [], 0),
        ):
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.set_default_timeout(240_000)
            page.goto(f"http://127.0.0.1:{port}/lab/tree/{name}.ipynb?token={token}&reset")
            page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext")
            page.evaluate(
                """async () => { const { shell, commands } = window.jupyterapp;
                await shell.currentWidget.sessionContext.ready; await commands.execute("notebook:run-all-cells"); }"""
            )
            page.locator(".llm-thumb").first.wait_for()
            if not edits:
                long_text(page)
                continue
            page.evaluate(EDIT, edits[:1])  # the first pass through a model warms it up
            times = page.evaluate(EDIT, edits[1:])
            count = page.locator(".llm-attention").evaluate("view => view.dataset.tokens")
            print(
                f"{label}, {count} tokens: an edit is back on screen after {statistics.median(times):.0f} ms, "
                f"at most {max(times):.0f} (claim: {claim})"
            )
            page.close()
    finally:
        server.terminate()
        server.wait(timeout=20)


def main() -> None:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        print("No Chromium on this machine, so only sizes in bytes are compared.")
        bytes_against_bertviz(synthetic(128), 128)
        return
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        from_disk(browser, Path(folder))
        live(browser, Path(folder))
        browser.close()


if __name__ == "__main__":
    main()
