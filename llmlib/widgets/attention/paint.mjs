// Colours for patterns, and functions that draw patterns on canvases.

import { paletteOf } from "../shared/canvas.mjs";
import { colourTable, pool } from "./data.mjs";

/**
 * Return the theme's palette, with `tables` of colours: `false` for patterns, `true` for differences between patterns.
 */
export function patternPalette(el) {
  const palette = paletteOf(el);
  const { stops, outside, missing } = palette;
  return {
    ...palette,
    warm: getComputedStyle(el).getPropertyValue("--llm-warm").trim(),
    tables: { false: colourTable(stops.false, outside, missing), true: colourTable(stops.true, outside, missing) },
  };
}

export function paint(context, pattern, region, x, y, size, palette) {
  const image = context.createImageData(size, size);
  const values = pool(pattern, region, size, size);
  const table = palette.tables[pattern.signed];
  const pixels = new Uint32Array(image.data.buffer);
  for (let k = 0; k < values.length; k++) pixels[k] = table[values[k]];
  context.putImageData(image, x, y);
}

export function frame(node, overlay, width, height) {
  Object.assign(node.style, { width: `${width}px`, height: `${height}px` });
  overlay.setAttribute("width", width);
  overlay.setAttribute("height", height);
}

/**
 * Return, for each table, the CSS colours of each entry (code + 1): a background, and a text colour that is readable on
 * it. Entry 0 has no background.
 */
export function colourNames({ tables, ink }) {
  const names = (packed) => {
    const [r, g, b] = [packed & 255, (packed >> 8) & 255, (packed >> 16) & 255];
    return [`rgb(${r}, ${g}, ${b})`, 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#1f2328" : "#ffffff"];
  };
  return Object.fromEntries(
    Object.entries(tables).map(([signed, table]) => [
      signed,
      Array.from(table, (packed, k) => (k ? names(packed) : ["transparent", ink])),
    ]),
  );
}
