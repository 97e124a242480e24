// Theme colours, canvases, and SVG pictures of what the screen shows.

import { element, escapeXml } from "./shared.mjs";

const SVG = "http://www.w3.org/2000/svg";

/** Read a colour: "#0b5cad" or "rgb(11, 92, 173)" -> [11, 92, 173]. */
export function parseColour(text) {
  const hexes = text.match(/^#(..)(..)(..)$/);
  return hexes
    ? hexes.slice(1).map((pair) => parseInt(pair, 16))
    : (text.match(/[\d.]+/g) ?? [255, 255, 255]).slice(0, 3).map(Number);
}

const luminance = (rgb) =>
  rgb
    .map((c) => c / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, k) => sum + [0.2126, 0.7152, 0.0722][k] * v, 0); // relative luminance, as defined in WCAG

/**
 * Interpolate 256 colours between the stops ("rgb(…)") of a colour table. Each colour comes with the ink, black or
 * white, that is easier to read on it.
 */
export function shades(stops) {
  const given = stops.map(parseColour);
  return Array.from({ length: 256 }, (_, code) => {
    const at = (code / 255) * (given.length - 1);
    const k = Math.min(Math.floor(at), given.length - 2);
    const mix = at - k;
    const rgb = given[k].map((c, i) => Math.round(c + mix * (given[k + 1][i] - c)));
    return { rgb, fill: `rgb(${rgb.join(", ")})`, ink: luminance(rgb) > 0.179 ? "#000000" : "#ffffff" };
  });
}

/** Return a CSS background that shows these colours as a scale from left to right. */
export const rampOf = (colours) => `linear-gradient(to right, ${colours.join(", ")})`;

/** Return the colours of the element's theme. */
export function paletteOf(el) {
  const style = getComputedStyle(el);
  const paper = style.backgroundColor;
  const named = (name) => style.getPropertyValue(name).trim();
  const probe = element("span", {});
  el.append(probe);
  const resolve = (colour) => {
    probe.style.color = colour;
    return getComputedStyle(probe).color;
  };
  const [r, g, b] = parseColour(paper);
  const dark = 0.299 * r + 0.587 * g + 0.114 * b < 128;
  const base = `rgb(${r}, ${g}, ${b})`;
  const ink = parseColour(resolve(named("--llm-ink")));
  const mixed = [r, g, b].map((c, k) => Math.round(c + 0.06 * (ink[k] - c)));
  const outside = `rgb(${mixed.join(", ")})`;
  const missing = dark ? "#ff5fa8" : "#c2185b";
  const blue = dark ? ["#17395e", "#2f6fb0", "#79b8ff", "#e3f1ff"] : ["#cfe3f7", "#6aa5dc", "#0b5cad", "#06264d"];
  const orange = dark ? ["#fff0d9", "#ffb870", "#b06a1c", "#54330c"] : ["#4a2600", "#9a4f00", "#e39b4b", "#fbe3c6"];
  const stops = { false: [base, ...blue], true: [...orange, base, ...blue] };
  const palette = {
    dark,
    outside,
    missing,
    stops,
    ink: resolve(named("--llm-ink")),
    faint: resolve(named("--llm-faint")),
    paper: base,
    accent: resolve(named("--llm-accent")),
    more: blue[2],
    less: orange[1],
  };
  probe.remove();
  return palette;
}

export function sized(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  return ratio;
}

export function svg(tag, attributes = {}, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Return the SVG source of one element; `inside` is SVG source, too. */
function markup(tag, attributes, inside = "") {
  const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${escapeXml(String(value))}"`);
  return `<${tag}${written.join("")}>${inside}</${tag}>`;
}

/** Return the words of a page element as SVG source, in the same position and style. */
function wordsOf(node, box, frame, style) {
  const pad = parseFloat(style.paddingLeft) || 0;
  const [at, anchor] =
    style.textAlign === "center"
      ? [box.left + box.width / 2, "middle"]
      : style.textAlign === "right" || style.textAlign === "end"
        ? [box.right - pad, "end"]
        : [box.left + pad, "start"];
  const attributes = {
    x: (at - frame.left).toFixed(1),
    y: (box.top - frame.top + box.height / 2 + parseFloat(style.fontSize) * 0.35).toFixed(1),
    "text-anchor": anchor,
    "font-size": style.fontSize,
    "font-weight": style.fontWeight,
    "font-family": style.fontFamily,
    fill: style.color,
  };
  return markup("text", attributes, escapeXml(node.textContent));
}

/**
 * Return an SVG picture of what the panels under `root` currently show, at the same size, with the lines of `titles`
 * above them.
 */
export function pictureOf(root, paper, titles = { lines: [] }) {
  const frame = root.getBoundingClientRect();
  const parts = [];
  const down = titles.lines.length * 20;
  let end = 0;
  for (const node of root.querySelectorAll("canvas, svg, [data-text], .llm-box, .llm-bar, .llm-ramp")) {
    const box = node.getBoundingClientRect();
    const x = (box.left - frame.left).toFixed(1);
    const y = (box.top - frame.top).toFixed(1);
    if (!box.width || !box.height) continue;
    end = Math.max(end, box.bottom - frame.top);
    const style = getComputedStyle(node);
    const place = { x, y, width: box.width, height: box.height };
    if (node.tagName === "CANVAS") parts.push(markup("image", { ...place, href: node.toDataURL() }));
    else if (node.tagName === "svg") {
      const scale = box.width / (node.viewBox.baseVal?.width || box.width);
      const inside = Array.from(node.children, (child) => new XMLSerializer().serializeToString(child));
      const transform = `translate(${x} ${y}) scale(${scale})`;
      parts.push(markup("g", { transform, "font-family": style.fontFamily }, inside.join("")));
    } else if (node.matches(".llm-ramp")) {
      const colours = style.backgroundImage.match(/rgba?\([^)]*\)/g) ?? [];
      const stops = colours.map((c, k) => markup("stop", { offset: k / (colours.length - 1), "stop-color": c }));
      const id = `ramp${parts.length}`;
      parts.push(markup("defs", {}, markup("linearGradient", { id }, stops.join(""))));
      parts.push(markup("rect", { ...place, fill: `url(#${id})` }));
    } else {
      const [width, height] = [box.width.toFixed(1), box.height.toFixed(1)];
      if (!/^rgba\(.*, 0\)$|^transparent$/.test(style.backgroundColor))
        parts.push(markup("rect", { x, y, width, height, rx: 3, fill: style.backgroundColor }));
      if (node.matches("[data-text]") && node.textContent) parts.push(wordsOf(node, box, frame, style));
    }
  }
  const width = Math.ceil(frame.width);
  const height = Math.ceil(Math.min(frame.height, end + 8)) + down;
  const heads = titles.lines.map((line, k) => {
    const looks = { "font-size": 13, "font-weight": k ? 400 : 600, "font-family": "system-ui, sans-serif" };
    return markup("text", { x: 4, y: 20 * k + 15, ...looks, fill: titles.ink }, escapeXml(line));
  });
  const ground = markup("rect", { width: "100%", height: "100%", fill: paper });
  const all = markup("g", { transform: `translate(0 ${down})` }, parts.join(""));
  return markup("svg", { xmlns: SVG, width, height }, [ground, ...heads, all].join(""));
}
