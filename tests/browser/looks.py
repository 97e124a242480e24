"""Screenshots, and checks of how a view looks to its readers."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

SCREENSHOTS = Path(__file__).parent / "screenshots"
TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def wait_until_drawn(page, milliseconds=100):
    """Wait at least this long, and then for two frames, which take longer on a busy machine."""
    page.wait_for_timeout(milliseconds)
    page.evaluate(TWO_FRAMES)


def keep_picture(shown, name):
    """Keep a screenshot for people to look at, except in a run with several workers (`make test`); git ignores it.

    Either way, wait until the page has been painted: after a change of theme, a view reads its colours again.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        SCREENSHOTS.mkdir(exist_ok=True)
        shown.screenshot(path=SCREENSHOTS / f"{name}.png")
    else:
        shown.evaluate(TWO_FRAMES)


def contrast(one, other):
    """Return the contrast (WCAG) between two colours, or arrays of them; a colour is red, green and blue, up to 255."""

    def luminance(colours):
        parts = np.asarray(colours) / 255
        parts = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return parts @ (0.2126, 0.7152, 0.0722)

    dark, bright = np.sort(np.broadcast_arrays(luminance(one), luminance(other)), axis=0)
    return (bright + 0.05) / (dark + 0.05)


# Words in a view whose contrast with their background is below 4.5 : 1 (WCAG AA).
UNREADABLE = """view => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  return [...view.querySelectorAll("*:not(style, svg *)")].filter((node) => node.checkVisibility() &&
    [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())
  ).map((node) => {
    const [a, b] = [luminance(rgb(getComputedStyle(node).color)), luminance(behind(node))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), `${node.tagName}.${node.className} ${node.textContent.slice(0, 30)}`];
  }).filter(([ratio]) => ratio < 4.5).map(([ratio, what]) => `${ratio.toFixed(2)} ${what}`);
}"""
# How far a view's content sticks out to the right, in pixels, leaving out parts that scroll on their own or are hidden.
STICKS_OUT = """view => {
  const right = view.getBoundingClientRect().right;
  const inside = (node) => {
    for (let one = node.parentElement; one && one !== view; one = one.parentElement)
      if (getComputedStyle(one).overflowX !== "visible") return true;
    return false;
  };
  const nodes = [...view.querySelectorAll("*:not(svg *, .llm-hidden)")].filter((node) => node.checkVisibility());
  const ends = nodes.filter((node) => !inside(node)).map((node) => node.getBoundingClientRect().right);
  return Math.max(0, view.scrollWidth - view.clientWidth, ...ends.map((end) => end - right));
}"""
# Words in a view that are cut off by a box that hides its overflow or by the edge of a drawing, with no ellipsis and no
# way to scroll to the rest. The few pixels of a line's height that have no ink may be hidden.
CUT_OFF = """view => {
  const hides = (overflow) => /hidden|clip/.test(overflow), scrolls = (overflow) => /auto|scroll/.test(overflow);
  const words = (node) => [...node.childNodes].filter((one) => one.nodeType === 3 && one.data.trim()).flatMap((one) => {
    const range = document.createRange();
    range.selectNodeContents(one);
    return [...range.getClientRects()];
  });
  const cutters = function* (node) { // the node and the boxes around it; boxes outside a scrolling one do not cut
    let free = false, across = true, down = true;
    for (let box = node; view.contains(box); box = box.parentElement) {
      const { overflowX, overflowY, position, textOverflow } = getComputedStyle(box);
      if (free && position === "static") continue;
      free = position === "absolute";
      across &&= !scrolls(overflowX) && !(hides(overflowX) && textOverflow === "ellipsis");
      down &&= !scrolls(overflowY);
      yield { edge: box.getBoundingClientRect(), across: across && hides(overflowX), down: down && hides(overflowY) };
    }
  };
  const lost = (word, { edge, across, down }) => Math.max(
    across ? Math.max(edge.left - word.left, word.right - edge.right) : 0,
    down ? Math.max(edge.top - word.top, word.bottom - edge.bottom) - 3 : 0);
  return [...view.querySelectorAll("*:not(style, option, .llm-hidden, .llm-hidden *)")]
    .filter((node) => node.checkVisibility({ visibilityProperty: true })).map((node) => {
      const all = words(node), around = all.length ? [...cutters(node.ownerSVGElement ?? node)] : [];
      return [Math.max(0, ...around.flatMap((box) => all.map((word) => lost(word, box)))), node];
    }).filter(([pixels]) => pixels > 1)
    .map(([pixels, node]) => `${pixels.toFixed(0)} pixels of ${node.tagName} “${node.textContent.slice(0, 30)}”`);
}"""
WIDTHS = (1000, 1280)  # window widths at which no part of a view may be cut off


def cut(view):
    """Return what is not fully visible: parts that stick out of a view, and words that are cut off."""
    out = view.evaluate(STICKS_OUT)
    return ([f"{out:.0f} pixels stick out"] if out > 1 else []) + view.evaluate(CUT_OFF)


def widen(page, width):
    """Set the width of the window."""
    page.set_viewport_size({"width": width, "height": 900})
    wait_until_drawn(page, 150)


# Where the words of a view are, in pixels from its upper left corner. Disabled controls are left out, since they may be
# faint, and so are lines of which more than half is scrolled out of sight.
WORDS = """view => {
  const corner = view.getBoundingClientRect();
  const isInSight = (node, { top, bottom }) => {
    for (let box = node.parentElement; box !== view.parentElement; box = box.parentElement) {
      const edge = box.getBoundingClientRect(), scrolls = /auto|scroll/.test(getComputedStyle(box).overflowY);
      if (scrolls && Math.min(bottom, edge.bottom) - Math.max(top, edge.top) < (bottom - top) / 2) return false;
    }
    return true;
  };
  return [...view.querySelectorAll("*:not(style, option, .llm-hidden, .llm-hidden *, :disabled, :disabled *)")]
    .filter((node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }))
    .flatMap((node) => [...node.childNodes])
    .filter((node) => node.nodeType === 3 && /[\\p{L}\\p{N}]/u.test(node.data))
    .flatMap((node) => {
      const range = document.createRange();
      range.selectNodeContents(node);
      const seen = [...range.getClientRects()].filter((box) => isInSight(node, box));
      return seen.map(({ x, y, width, height }) =>
        [node.data.trim().slice(0, 30), x - corner.x, y - corner.y, width, height]);
    });
}"""


def faint_words(view, least=3.0):
    """Return the words that are hard to tell from their background in a screenshot.

    A word is judged by the pixel that contrasts most with the commonest colour in its box. Thin strokes are never
    painted in their full colour, so the limit is lower than for declared colours (`UNREADABLE`).
    """
    words = view.evaluate(WORDS)
    screen = np.asarray(Image.open(io.BytesIO(view.screenshot())).convert("RGB"))
    faint = []
    for text, x, y, width, height in words:
        box = screen[max(0, round(y)) : round(y + height), max(0, round(x)) : round(x + width)].reshape(-1, 3)
        if len(box) < 20:  # outside the visible part
            continue
        colours, counts = np.unique(box, axis=0, return_counts=True)
        strongest = contrast(colours[counts.argmax()], colours).max()
        if strongest < least:
            faint.append(f"{strongest:.2f} {text}")
    return faint
