"""How a view looks to its readers."""

from pathlib import Path

SCREENSHOTS = Path(__file__).parent / "screenshots"


def contrast(one, other):
    """By how much two colours (red, green, blue up to 255) stand out from each other (WCAG)."""

    def light(colour):
        parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in colour)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


# Words in a view whose contrast with what is behind them is under 4.5 : 1 (WCAG AA).
UNREADABLE = """view => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
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
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), `${node.tagName}.${node.className} ${node.textContent.slice(0, 30)}`];
  }).filter(([ratio]) => ratio < 4.5).map(([ratio, what]) => `${ratio.toFixed(2)} ${what}`);
}"""
# How far anything in a view sticks out of it to the right, in pixels; what scrolls on its own, or is hidden, does not.
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
