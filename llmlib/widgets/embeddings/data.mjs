// The cloud of embeddings and its camera, as pure functions.

import { spokenToken, tokenLabel, tokenText } from "../shared/shared.mjs";

const STEPS = 65535;

// replaces a row's kind if a map has a position for the row but does not draw its point
export const UNDRAWN = 255;

/**
 * Unpack the arrays behind a view. Points are centred on their mean, so that they turn about the middle of the cloud.
 * Only the points of the first `drawn` rows are drawn.
 */
export function unpackCloud(points, labels, ends, kinds, drawn = kinds.byteLength) {
  // copy the bytes, because a DataView may start at any offset
  const aligned = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  const steps = new Uint16Array(aligned(points));
  const n = kinds.byteLength;
  const xyz = new Float32Array(3 * n);
  for (let axis = 0; axis < 3; axis++) {
    let sum = 0;
    for (let i = axis; i < steps.length; i += 3) sum += steps[i];
    for (let i = axis; i < steps.length; i += 3) xyz[i] = (2 * (steps[i] - sum / n)) / STEPS;
  }
  const shown = new Uint8Array(aligned(kinds)).fill(UNDRAWN, drawn);
  const bytes = new Uint8Array(aligned(labels));
  const stops = new Uint32Array(aligned(ends));
  const bytesOf = (row) => bytes.subarray(row ? stops[row - 1] : 0, stops[row]);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let texts = null;
  return {
    n,
    xyz,
    drawn,
    kinds: shown,
    bytesOf,
    label: (row) => tokenLabel(bytesOf(row)).replace(/[\ufffe\uffff]/g, "\ufffd"),
    spoken: (row) => spokenToken(tokenText(bytesOf(row))),
    text: (row) => decoder.decode(bytesOf(row)),
    texts: () => (texts ??= Array.from({ length: n }, (_, row) => decoder.decode(bytesOf(row)))),
  };
}

/** Count the tokens of each kind. */
export function countKinds(kinds, n_kinds) {
  const counts = Array.from({ length: n_kinds }, () => 0);
  for (const kind of kinds) if (kind !== UNDRAWN) counts[kind]++;
  return counts;
}

/** Return rows in drawing order: the rarest kind comes last, on top. */
export function drawingOrder(kinds, counts) {
  const rank = counts
    .map((count, kind) => [count, kind])
    .sort((a, b) => b[0] - a[0] || a[1] - b[1])
    .map(([, kind]) => kind);
  const next = [];
  const order = new Uint32Array(counts.reduce((sum, count) => sum + count, 0));
  let start = 0;
  for (const kind of rank) {
    next[kind] = start;
    start += counts[kind];
  }
  for (let row = 0; row < kinds.length; row++) if (kinds[row] !== UNDRAWN) order[next[kinds[row]]++] = row;
  return order;
}

// A camera holds the middle of the picture (x, y), the zoom and, for three dimensions, a rotation matrix, row by row.

const UNTURNED = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const MOST_ZOOM = 400;
const EYE = 4; // the eye's distance, in units of half the cloud's width

export const ASPECT = 1.5; // the picture's width divided by its height

const MOST_AT_FIRST = 8;

/** Return a camera that fits all points into the picture, except for a few outermost points far from the others. */
export function startCamera(cloud, dims) {
  const camera = { dims, x: 0, y: 0, zoom: 1, turn: dims === 3 ? turned(UNTURNED, 0.5, 0.35) : UNTURNED };
  const screen = projectCloud(cloud, camera, 2, 2, makeScreen(cloud.n)); // a picture of 2 × 2 pixels: 1 pixel is 1 unit
  const range = (places) => {
    const sorted = places.filter((_, row) => cloud.kinds[row] !== UNDRAWN).sort();
    const last = sorted.length - 1;
    const low = sorted[Math.floor(0.005 * last)];
    const high = sorted[Math.ceil(0.995 * last)];
    const spare = 0.075 * (high - low);
    return [Math.max(sorted[0], low - spare), Math.min(sorted[last], high + spare)];
  };
  const [left, right] = range(screen.x);
  const [top, bottom] = range(screen.y);
  const half = Math.max((right - left) / 2 / ASPECT, (bottom - top) / 2);
  return {
    ...camera,
    x: (left + right) / 2 - 1,
    y: 1 - (top + bottom) / 2,
    zoom: Math.max(0.5, Math.min(MOST_AT_FIRST, 0.95 / (half || 1))),
  };
}

/** Return how many pixels one unit of the cloud takes. */
export const scaleOf = (camera, width, height) => (camera.zoom * Math.min(width, height)) / 2;

/** Keep a stored camera within bounds; return the fallback for anything that is not a camera. */
export function soundCamera(numbers, fallback) {
  if (!Array.isArray(numbers) || numbers.length !== 12 || !numbers.every(Number.isFinite)) return fallback;
  const [x, y, zoom, ...turn] = numbers;
  return { dims: fallback.dims, x, y, zoom: Math.max(0.2, Math.min(MOST_ZOOM, zoom)), turn };
}

export const cameraNumbers = ({ x, y, zoom, turn }) => [x, y, zoom, ...turn].map((v) => Number(v.toFixed(5)));

/** Move the cloud by a number of pixels. */
export function panned(camera, dx, dy, width, height) {
  const scale = scaleOf(camera, width, height);
  const inside = (v) => Math.max(-2, Math.min(2, v));
  return { ...camera, x: inside(camera.x - dx / scale), y: inside(camera.y + dy / scale) };
}

/** Zoom in or out around the given point of the picture, which stays where it is. */
export function zoomed(camera, factor, px, py, width, height) {
  const zoom = Math.max(0.2, Math.min(MOST_ZOOM, camera.zoom * factor));
  const now = scaleOf(camera, width, height);
  const then = (now * zoom) / camera.zoom;
  const fx = px - width / 2;
  const fy = height / 2 - py;
  return { ...camera, zoom, x: camera.x + fx / now - fx / then, y: camera.y + fy / now - fy / then };
}

/** Turn a rotation further: `across` about the vertical axis and `down` about the horizontal axis, in radians. */
export function turned(m, across, down) {
  const [c, s, d, t] = [Math.cos(across), Math.sin(across), Math.cos(down), Math.sin(down)];
  const about = (a, b) =>
    [0, 3, 6].flatMap((r) => [0, 1, 2].map((k) => a[r] * b[k] + a[r + 1] * b[3 + k] + a[r + 2] * b[6 + k]));
  return about([1, 0, 0, 0, d, -t, 0, t, d], about([c, 0, s, 0, 1, 0, -s, 0, c], m));
}

/** Move the camera to a row's point if this point is not well inside the picture. */
export function revealed(camera, place, width, height) {
  const [x, y] = place;
  const margin = 0.12;
  if (x > margin * width && x < (1 - margin) * width && y > margin * height && y < (1 - margin) * height) return camera;
  return panned(camera, width / 2 - x, height / 2 - y, width, height);
}

export function makeScreen(n) {
  return { x: new Float32Array(n), y: new Float32Array(n), z: new Float32Array(n) };
}

/** Compute each row's position in a picture of this size: x and y in pixels, and z towards the eye (0 if flat). */
export function projectCloud(cloud, camera, width, height, screen) {
  const { xyz, n } = cloud;
  const scale = scaleOf(camera, width, height);
  const left = width / 2 - camera.x * scale;
  const top = height / 2 + camera.y * scale;
  if (camera.dims === 2) {
    for (let i = 0, k = 0; i < n; i++, k += 3) {
      screen.x[i] = left + xyz[k] * scale;
      screen.y[i] = top - xyz[k + 1] * scale;
      screen.z[i] = 0;
    }
    return screen;
  }
  const [a, b, c, d, e, f, g, h, m] = camera.turn;
  for (let i = 0, k = 0; i < n; i++, k += 3) {
    const x = xyz[k];
    const y = xyz[k + 1];
    const z = xyz[k + 2];
    const depth = g * x + h * y + m * z;
    const near = (scale * EYE) / (EYE - depth);
    screen.x[i] = left + (a * x + b * y + c * z) * near;
    screen.y[i] = top - (d * x + e * y + f * z) * near;
    screen.z[i] = depth;
  }
  return screen;
}

const LEVELS = 64;

/** Sort the rows from far to near, and return where each of 64 levels of depth begins. */
export function depthOrder(screen, order) {
  const levels = new Uint8Array(order.length);
  const starts = new Uint32Array(LEVELS + 1);
  const sorted = new Uint32Array(order.length);
  for (let k = 0; k < order.length; k++) {
    const level = Math.max(0, Math.min(LEVELS - 1, Math.floor(((screen.z[order[k]] + 1) / 2) * LEVELS)));
    levels[k] = level;
    starts[level + 1]++;
  }
  for (let level = 0; level < LEVELS; level++) starts[level + 1] += starts[level];
  const next = starts.slice();
  for (let k = 0; k < order.length; k++) sorted[next[levels[k]]++] = order[k];
  return { sorted, starts };
}

/** Return a disc's pixels: their offsets in a picture of this width, and how much of each is covered (0 to 256). */
export function discOf(radius, width) {
  const reach = Math.ceil(radius);
  const offsets = [];
  const cover = [];
  for (let y = -reach; y <= reach; y++)
    for (let x = -reach; x <= reach; x++) {
      const share = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(x, y)));
      if (share > 0.02) {
        offsets.push(y * width + x);
        cover.push(Math.round(256 * share));
      }
    }
  return { reach, offsets: Int32Array.from(offsets), cover: Int32Array.from(cover) };
}

/**
 * Draw the cloud into `pixels`, a `width` × `height` array of packed colours (ABGR, the order in which ImageData stores
 * them). `colours` holds each kind's packed colour, or null for a hidden kind.
 */
export function rasterise(pixels, width, height, screen, kinds, order, { colours, paper, radius, opacity, deep }) {
  pixels.fill(paper);
  const disc = discOf(radius, width);
  const { reach, offsets } = disc;
  const stamp = (from, to, rows, alpha) => {
    const cover = disc.cover.map((share) => Math.round(share * alpha));
    for (let k = from; k < to; k++) {
      const row = rows[k];
      const colour = colours[kinds[row]];
      if (colour === null) continue;
      const x = Math.round(screen.x[row]);
      const y = Math.round(screen.y[row]);
      if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
      const base = y * width + x;
      const redBlue = colour & 0xff00ff;
      const green = colour & 0x00ff00;
      for (let p = 0; p < offsets.length; p++) {
        const at = base + offsets[p];
        const old = pixels[at];
        const oldRedBlue = old & 0xff00ff;
        const oldGreen = old & 0x00ff00;
        const share = cover[p];
        pixels[at] =
          (0xff000000 |
            ((oldRedBlue + (Math.imul(redBlue - oldRedBlue, share) >>> 8)) & 0xff00ff) |
            ((oldGreen + (Math.imul(green - oldGreen, share) >>> 8)) & 0x00ff00)) >>>
          0;
      }
    }
  };
  if (!deep) stamp(0, order.length, order, opacity);
  else {
    const { sorted, starts } = depthOrder(screen, order);
    for (let level = 0; level < LEVELS; level++)
      stamp(starts[level], starts[level + 1], sorted, opacity * (0.3 + (0.7 * level) / (LEVELS - 1)));
  }
  return pixels;
}

/** Choose how large and how opaque points are: larger if there are few points, or if the user has zoomed in. */
export function pointStyle(n, enlarged) {
  const base = n > 20000 ? 1.1 : n > 2000 ? 1.8 : 3.2;
  return {
    radius: Math.min(Math.max(base, 4.5), base * Math.max(1, enlarged) ** 0.4),
    opacity: Math.min(0.85, (n > 20000 ? 0.5 : 0.7) * Math.max(1, enlarged) ** 0.15),
  };
}

/** Return the row whose point is nearest to a position, or -1 if all points are more than `most` pixels away. */
export function pick(screen, kinds, hidden, px, py, most) {
  let best = -1;
  let least = most * most;
  for (let row = 0; row < kinds.length; row++) {
    const dx = screen.x[row] - px;
    const dy = screen.y[row] - py;
    const far = dx * dx + dy * dy;
    if (far <= least && !hidden.has(kinds[row])) {
      best = row;
      least = far;
    }
  }
  return best;
}

/** Return the visible rows inside the picture, or null if there are more than `most`. */
export function rowsInside(screen, kinds, hidden, width, height, most) {
  const rows = [];
  for (let row = 0; row < kinds.length; row++) {
    const x = screen.x[row];
    const y = screen.y[row];
    if (x < 0 || y < 0 || x >= width || y >= height || hidden.has(kinds[row])) continue;
    if (rows.length === most) return null;
    rows.push(row);
  }
  return rows;
}

/** Estimate how many pixels wide a label is at a font size of 12 px. */
export const labelWidth = (label) =>
  Array.from(label).reduce((sum, c) => sum + (c.codePointAt(0) > 0x2e7f ? 12.5 : 7.2), 0);

const NEAR = [
  ["start", 9, 0],
  ["end", -9, 0],
  ["middle", 0, -18],
  ["middle", 0, 18],
];
const FAR = [30, 50, 72, 98, 128].flatMap((r) =>
  Array.from({ length: 12 }, (_, k) => {
    const turn = ((k + 0.5) * Math.PI) / 6;
    const dx = Math.round(r * Math.cos(turn));
    return [dx > 0 ? "start" : "end", dx, Math.round(r * Math.sin(turn))];
  }),
);
const SHARE = { start: 0, middle: 0.5, end: 1 }; // the share of a label's width that is to the left of its anchor
const meets = (a, b) => a.left < b.right && a.right > b.left && a.top < b.bottom && a.bottom > b.top;

/**
 * Place labels so that they stay inside the picture, and touch neither each other nor a mark (`marks`: [x, y] of dots).
 * A label goes to the right of its point or, if there is no space, to the left of it, above it or below it; with `far`,
 * the label may also go farther away, at the end of a line (`line`: [x, y] of this end). Earlier labels are placed
 * first, and labels without space are left out. Items have x, y and label; the function adds `at` ([x, y] of the
 * baseline) and `anchor`.
 */
export function placeLabels(items, width, height, marks = []) {
  const kept = [];
  const dots = marks.map(([x, y]) => ({ left: x - 6, right: x + 6, top: y - 6, bottom: y + 6 }));
  for (const item of items) {
    const wide = labelWidth(item.label);
    const { x, y, far } = item;
    for (const [anchor, dx, dy] of far ? [...NEAR, ...FAR] : NEAR) {
      const left = x + dx - SHARE[anchor] * wide;
      const box = { left, right: left + wide, top: y + dy - 8, bottom: y + dy + 8 };
      if (box.left < 0 || box.right > width || box.top < 0 || box.bottom > height) continue;
      if (kept.some((other) => meets(box, other.box)) || dots.some((dot) => meets(box, dot))) continue;
      const isFar = Math.hypot(dx, dy) > 20;
      kept.push({ ...item, box, anchor, at: [x + dx, y + dy + 4], line: isFar ? [x + dx, y + dy] : null });
      break;
    }
  }
  return kept;
}

/** Return an arrow's outline as an SVG path that touches neither point, or "" if the points are too close together. */
export function arrowPath(x1, y1, x2, y2, gap = 7, head = 10) {
  const length = Math.hypot(x2 - x1, y2 - y1);
  if (length < 2 * gap + head) return "";
  const ux = (x2 - x1) / length;
  const uy = (y2 - y1) / length;
  const at = (along, aside) =>
    `${(x1 + ux * along - uy * aside).toFixed(1)} ${(y1 + uy * along + ux * aside).toFixed(1)}`;
  const tip = length - gap;
  const neck = tip - head;
  const shaft = [at(gap, 0.9), at(neck, 0.9)];
  const point = [at(neck, 4.5), at(tip, 0), at(neck, -4.5)];
  const back = [at(neck, -0.9), at(gap, -0.9)];
  return `M${[...shaft, ...point, ...back].join("L")}Z`;
}

/** Return the text that the user meant: signs that make white space visible become white space again. */
export const typedText = (typed) => typed.replaceAll("·", " ").replaceAll("⏎", "\n").replaceAll("⇥", "\t");

/**
 * Find the rows whose text contains what was typed. Return at most `most` rows, and how many there are in all. Case
 * does not matter. Exact matches come first, then tokens that differ only in case or white space around them, then
 * tokens that begin with what was typed, then others; within a group, rows are in order. With `whole`,
 * find only exact matches.
 */
export function searchTokens(texts, typed, { whole = false, most = 50 } = {}) {
  const wanted = typedText(typed);
  if (wanted === "") return { rows: [], total: 0 };
  if (whole) {
    const rows = texts.flatMap((text, row) => (text === wanted ? [row] : []));
    return { rows: rows.slice(0, most), total: rows.length };
  }
  const low = wanted.toLowerCase();
  const bare = low.trim();
  const ranked = [[], [], [], []];
  texts.forEach((text, row) => {
    const lower = text.toLowerCase();
    if (!lower.includes(low)) return;
    ranked[text === wanted ? 0 : lower.trim() === bare ? 1 : lower.trimStart().startsWith(bare) ? 2 : 3].push(row);
  });
  const rows = ranked.flat();
  return { rows: rows.slice(0, most), total: rows.length };
}

/** Return the row of a typed token, or -1. Text in double quotes, or with white space in front, must match exactly;
 * any other text is first tried with a space in front. */
export function rowOfTyped(texts, typed) {
  const quoted = typed.match(/^"(.*)"$/s);
  const text = typedText(quoted ? quoted[1] : typed);
  const tries = quoted || text === "" ? [text] : /^\s/.test(text) ? [text] : [` ${text}`, text];
  return tries.reduce((found, one) => (found >= 0 || one === "" ? found : texts.indexOf(one)), -1);
}

/** Write a token's text so that `rowOfTyped` finds its row again. */
export function typedOf(text) {
  const shown = text.replaceAll("\n", "⏎").replaceAll("\t", "⇥");
  return text.startsWith(" ") ? `·${shown.slice(1)}` : `"${shown}"`;
}

/** Pack a colour [red, green, blue], as `parseColour` returns it, into a number for ImageData. */
export const packColour = ([r, g, b]) =>
  ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
