"""Claims: the logit lens and the path of a token, each with 30 layers × 128 positions, are on screen 0.6 s after the
first paint and respond to the pointer within a frame. An edit in a 128-token text takes SmolLM2 and the lens 1.5 s.

Headless Chromium loads the pages from disk. Edits are measured in Python alone, since a page draws the result within a
few frames.
"""

import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from llmlib import load_pretrained
from llmlib.explore import explore_architecture
from llmlib.explore.logit_lens.reader import LensReader
from llmlib.widgets import LogitLensView
from llmlib.widgets.logit_lens.cells import Cells

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LAYERS, SEQ, ROUNDS = 30, 128, 5
TEXT = "When Mary and John went to the store, John gave a drink to Mary and then they walked home past the old mill. "

# Milliseconds until the frame that shows the view: from the first paint, and from the start.
DRAWN = """(mark) => new Promise((done) => {
  const paint = () => performance.getEntriesByType("paint")[0]?.startTime;
  const look = () => performance.getEntriesByName(mark).length && paint() !== undefined
    ? requestAnimationFrame(() => requestAnimationFrame(() => done([performance.now() - paint(), performance.now()])))
    : setTimeout(look, 2);
  look();
})"""
# Milliseconds that the page itself needs for a move of the pointer, including layout and paint.
HOVER = """async ([selector, rounds]) => {
  const canvas = document.querySelector(selector), box = canvas.getBoundingClientRect(), times = [];
  for (let k = 0; k < rounds; k++) {
    const [clientX, clientY] = [box.left + (0.1 + (0.8 * k) / rounds) * box.width, box.top + (0.2 + (0.6 * k) / rounds) * box.height];
    const frame = new Promise((done) => requestAnimationFrame((begun) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => done(performance.now() - begun);  // after its style, layout and paint
      channel.port2.postMessage(0);
    }));
    const started = performance.now();
    canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
    const handled = performance.now() - started;
    times.push(handled + await frame);
  }
  return times;
}"""  # noqa: E501


def a_lens() -> LogitLensView:
    """Make a lens view of random values, as large as for SmolLM2."""
    chance, places = np.random.default_rng(0), (LAYERS + 1, SEQ)
    top = chance.integers(0, 49_152, (*places, 5))
    probabilities = -np.sort(-chance.random((*places, 5)), axis=-1) / 3
    cells = Cells(top, probabilities, chance.integers(0, 49_152, places), 10 * chance.random(places))
    view = LogitLensView()
    view.put("a", [f" word{k}" for k in range(SEQ)], cells, {int(id): f" w{id}" for id in np.unique(top)}, 49_152)
    return view


def drawn(browser, path: Path, name: str, mark: str, canvas: str) -> None:
    after_paint, in_all, hovered = [], [], []
    for _ in range(ROUNDS):
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(path.as_uri(), wait_until="commit")
        for times, took in zip((after_paint, in_all), page.evaluate(DRAWN, mark)):
            times.append(took)
        hovered += page.evaluate(HOVER, [canvas, 30])
        page.close()
    print(
        f"{name}: on screen {statistics.median(after_paint):.0f} ms after the first paint, at most "
        f"{max(after_paint):.0f} (claim: 600), {statistics.median(in_all):.0f} ms after the start; "
        f"hover {statistics.median(hovered):.1f} ms, at most {max(hovered):.1f} (claim: 16.7)"
    )


def edits(model, tokenizer) -> None:
    ids = tokenizer.encode(TEXT * 9)[:SEQ]
    reader = LensReader(model)
    reader.read(ids)  # the first pass through a model warms it up
    changed = {"the first word": 0, "the middle": SEQ // 2, "the last word": SEQ - 1}
    for what, at in changed.items():
        times = []
        for round in range(3):
            edited = [*ids[:at], 100 + round, *ids[at + 1 :]]
            began = time.perf_counter()
            reader.read(edited)
            times.append(time.perf_counter() - began)
            reader.read(ids)
        print(
            f"{SEQ} tokens, an edit of {what}: {statistics.median(times):.2f} s, at best {min(times):.2f} (claim: 1.5)"
        )


def main() -> None:
    model, tokenizer = load_pretrained("smollm2-135m-instruct", device="cpu", dtype="float32")
    edits(model, tokenizer)
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        print("No Chromium on this machine, so nothing is drawn.")
        return
    text = tokenizer.decode(tokenizer.encode(TEXT * 9)[:SEQ])
    architecture = explore_architecture(model, tokenizer, text)
    rows, seq = architecture.model["tree"]["boxes"][1]["repeat"], len(architecture.tokens)
    chance = np.random.default_rng(0)
    architecture.put_followed(chance.random((3, rows + 1, seq)), chance.random((2, rows, seq)))
    architecture.place = {"tab": "follow"}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        lens_page, way_page = Path(folder) / "lens.html", Path(folder) / "way.html"
        drawn(browser, a_lens().save(lens_page), "Logit lens", "llm-logit-lens-drawn", ".llm-spacer canvas")
        drawn(browser, architecture.save(way_page), "Path of a token", "llm-architecture-drawn", ".llm-board canvas")
        browser.close()


if __name__ == "__main__":
    main()
