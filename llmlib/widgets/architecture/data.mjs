// Turns what an architecture view shows into numbers and words. This code does not touch the page, so it can be tested
// in Node.

const UNITS = [
  [1e18, "E"],
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
];

/** Format a number with three significant digits, and a unit if there is one: 134515008 -> "135 M", 576 -> "576". */
export function inShort(value, unit = "") {
  const [size, letter] = UNITS.find(([least]) => value >= 0.9995 * least) ?? [1, ""];
  const digits = Number((value / size).toPrecision(3)).toString();
  return `${digits}${letter || unit ? " " : ""}${letter}${unit}`;
}

/** Write a number of parameters in millions or billions: "135 M", "8.03 B". */
export const counted = (value) => inShort(value).replace("G", "B");

/** Write a share as a rounded percentage: "12%", "3.4%", "0.05%". */
export function share(part, whole) {
  const p = whole ? (100 * part) / whole : 0;
  return `${p >= 9.95 ? Math.round(p) : p >= 0.1 || p === 0 ? Number(p.toFixed(1)) : Number(p.toPrecision(1))}%`;
}

/** Index all boxes by id, each with the boxes around it and how many copies of it are in the whole model. */
export function index(tree) {
  const found = new Map();
  const visit = (box, around, times) => {
    const copies = times * box.repeat;
    found.set(box.id, { box, around, copies });
    for (const inside of box.boxes) visit(inside, [...around, box], copies);
  };
  visit(tree, [], 1);
  return found;
}

/** The measures that the strip and the numbers in the boxes can show. */
export const BARS = {
  parameters: { words: "parameters", of: (box) => box.parameters, write: counted },
  flops: { words: "FLOPs per token", of: (box) => box.flops, write: (value) => inShort(value) },
  read: { words: "weights read per token", of: (box) => box.read, write: (value) => inShort(value, "B") },
};

/** Divide a measure among the kinds of boxes: [[kind, value], …], in the order of the computation. */
export function divided(tree, of) {
  const sums = { embedding: 0, attention: 0, mlp: 0, norm: 0, output: 0 };
  const add = (box, times) => {
    const copies = times * box.repeat;
    const inside = box.boxes.reduce((sum, one) => sum + of(one) * one.repeat, 0);
    if (box.kind in sums) sums[box.kind] += copies * (of(box) - inside);
    for (const one of box.boxes) add(one, copies);
  };
  add(tree, 1);
  return Object.entries(sums);
}

/** Write a shape in words: "9 head × 14 seq × 64 d_head"; `tokens`, if given, is the length of "seq". */
export function shapeInWords(axes, tokens = 0) {
  const length = (name, size) =>
    ["seq", "query", "key"].includes(name) ? (tokens ? tokens.toLocaleString("en") : "") : size.toLocaleString("en");
  return axes.map(([name, size]) => `${length(name, size)} ${name}`.trim()).join(" × ");
}

/** Unpack the cells of an opened tensor: `at(panel, row, column)` returns a value, or NaN if the value is not finite.
 * */
export function unpackOpened(opened, view) {
  const { rows, columns, scale } = opened;
  const codes = new Int8Array(view.buffer, view.byteOffset, view.byteLength);
  const code = (panel, row, column) => codes[(panel * rows + row) * columns + column];
  return {
    ...opened,
    code,
    at(panel, row, column) {
      const c = code(panel, row, column);
      return c === -128 ? NaN : Math.sign(c) * scale * (c / 127) ** 2;
    },
  };
}

/** Write the numbers of the tensor's rows or columns that share one cell: "5", "10 to 11". */
export function span(at, cells, length) {
  const from = Math.floor((at * length) / cells);
  const to = Math.max(from, Math.floor(((at + 1) * length) / cells) - 1);
  return from === to ? String(from) : `${from} to ${to}`;
}

/** Lay out panels side by side in `width` pixels: { across, cell: [width, height], gap, height }. */
export function layoutPanels(panels, rows, columns, width, most = 260) {
  const across = panels === 1 ? 1 : Math.min(panels, panels > 16 ? 8 : panels > 4 ? 3 : 2);
  const gap = panels === 1 ? 0 : 6;
  const down = Math.ceil(panels / across);
  const wide = (width - gap * (across - 1)) / across / columns;
  const room = (most / down - gap) / rows;
  const tall = Math.min(room, Math.max(14, wide)); // no taller than wide, except for very narrow cells
  return {
    across,
    gap,
    cell: [wide, tall],
    height: Math.ceil(down * (rows * tall + gap) - gap),
    panel: [wide * columns, tall * rows],
  };
}

/** Unpack the measurements of an opened value for each token; null if Python sent none. */
export function unpackTokens(view) {
  if (!view?.byteLength) return null;
  const values = new Float32Array(new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer);
  const n = values.length / 4;
  return (token) => ({
    norm: values[token],
    before: values[n + token],
    cosine: values[2 * n + token],
    changed: values[3 * n + token],
  });
}

/** Unpack the paths of all tokens through the layers, as arrays (position or layer × token). */
export function unpackFollowed({ layers, seq }, view) {
  const values = new Float32Array(new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer);
  const places = (layers + 1) * seq;
  const part = (k) => values.subarray(k * places, (k + 1) * places);
  const added = values.subarray(3 * places);
  return {
    layers,
    seq,
    norm: part(0),
    start: part(1),
    end: part(2),
    attention: added.subarray(0, layers * seq),
    mlp: added.subarray(layers * seq),
  };
}

/** The measures that the map of all tokens can show; each has a name, a number of rows, and perhaps a log scale. */
export const WAYS = {
  norm: { words: "length of the vector in the residual stream", rows: (way) => way.layers + 1, log: true },
  end: {
    words: "how close the vector’s direction is to its final direction (cosine)",
    rows: (way) => way.layers + 1,
    log: false,
  },
  attention: { words: "what attention added", rows: (way) => way.layers, log: true },
  mlp: { words: "what the MLP added", rows: (way) => way.layers, log: true },
};

/**
 * Map values to numbers for colours: with `log`, to numbers between 0 and 1 on a logarithmic scale from the smallest to
 * the largest value; otherwise, negative values become 0, and the others stay as they are.
 */
export function scaled(values, log) {
  if (!log) return Float32Array.from(values, (value) => Math.max(0, value));
  const logs = Array.from(values, (value) => Math.log(Math.max(value, 1e-6)));
  const low = Math.min(...logs);
  const high = Math.max(...logs);
  return Float32Array.from(logs, (value) => (high > low ? (value - low) / (high - low) : 0.5));
}

const RANGES = {
  n_layers: [1, 128],
  d_model: [8, 16_384],
  n_heads: [1, 128],
  n_kv_heads: [1, 128],
  vocab_size: [256, 262_144],
  max_seq_len: [16, 1_048_576],
};
export const SIZE_WORDS = {
  n_layers: "layers",
  d_model: "d_model",
  n_heads: "heads",
  n_kv_heads: "KV heads",
  vocab_size: "vocabulary",
  max_seq_len: "context",
};

/** Return a size's position on its logarithmic slider, 0 to 1000. */
export function toSlider(name, value) {
  const [low, high] = RANGES[name];
  return Math.round((1000 * Math.log(Math.max(low, Math.min(high, value)) / low)) / Math.log(high / low));
}

/** Return the size at a slider's position, rounded to a suitable number: d_model, for example, to an even number per
 * head. */
export function fromSlider(name, at, sizes) {
  const [low, high] = RANGES[name];
  const exact = low * (high / low) ** (at / 1000);
  const step = name === "d_model" ? 2 * sizes.n_heads : name === "vocab_size" ? 256 : 1;
  if (name === "max_seq_len") return 2 ** Math.round(Math.log2(exact));
  if (name === "n_kv_heads") return divisorNear(sizes.n_heads, exact);
  return Math.max(step, Math.round(exact / step) * step);
}

function divisorNear(n, wanted) {
  const divisors = Array.from({ length: Math.max(1, Math.min(n, 4096)) }, (_, k) => k + 1).filter((d) => n % d === 0);
  return divisors.reduce((best, d) => (Math.abs(Math.log(d / wanted)) < Math.abs(Math.log(best / wanted)) ? d : best));
}

/** Write a change as a factor: "×2.1", "÷3", or "" for no change. */
export function ratio(now, before) {
  if (!before || !now || now === before) return "";
  const grows = now > before;
  const factor = grows ? now / before : before / now;
  return factor < 1.005
    ? ""
    : `${grows ? "×" : "÷"}${Number(factor.toPrecision(factor < 10 ? 3 : 2)).toLocaleString("en")}`;
}
