// The numbers behind the logit lens. This code does not touch the page, so it can be tested in Node.

import { percent } from "../shared/shared.mjs";

const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer; // aligned

/**
 * Unpack one side from its description and the bytes that `Cells.pack` returned. A cell's number is
 * layer · n + position, and each cell has `k` candidates.
 */
export function unpack(meta, packed) {
  const { tokens, layers, shown: k, most, title, words } = meta;
  const n = tokens.length;
  const cells = layers * n;
  const buffer = bytesOf(packed);
  const probability = Float32Array.from(
    new Uint16Array(buffer, 4 * cells * (k + 2), cells * k),
    (root) => (root / 65535) ** 2,
  );
  return {
    tokens,
    layers,
    n,
    k,
    most,
    title,
    words,
    probability,
    top: new Uint32Array(buffer, 0, cells * k),
    rank: new Uint32Array(buffer, 4 * cells * k, cells), // 0xffffffff: not computed yet
    entropy: new Float32Array(buffer, 4 * cells * (k + 1), cells),
  };
}

/** Unpack the pinned token's rank and probability at each cell; null if no token is pinned. */
export function unpackPinned(packed, cells) {
  if (!packed || packed.byteLength !== 8 * cells) return null;
  const buffer = bytesOf(packed);
  return { rank: new Uint32Array(buffer, 0, cells), probability: new Float32Array(buffer, 4 * cells, cells) };
}

/** Return whether Python has yet to compute a cell. */
export const isPending = (side, at) => side.rank[at] === 0xffffffff;

/** Return the token at rank `k` in a cell; rank 0, the default, is the likeliest token. */
export const wordAt = (side, layer, position, k = 0) => side.words[side.top[(layer * side.n + position) * side.k + k]];
export const probabilityAt = (side, layer, position, k = 0) =>
  side.probability[(layer * side.n + position) * side.k + k];
export const answerId = (side, position) => side.top[((side.layers - 1) * side.n + position) * side.k];

const DEEP = 4; // powers of ten: a rank of 10,000 or more has the palest shade

/** The measures for colouring cells; each sets how dark a cell is (0 to 1), its text, and the scale in the legend. */
export const MEASURES = {
  probability: {
    words: "what the model would say",
    shade: (side, at) => Math.sqrt(side.probability[at * side.k]),
    label: null, // the cell shows the likeliest token itself
    scale: "probability of the likeliest token",
    ticks: [
      [0, "0%"],
      [Math.sqrt(0.1), "10%"],
      [Math.sqrt(0.5), "50%"],
      [1, "100%"],
    ],
  },
  rank: {
    words: "rank of the final answer",
    shade: (side, at) => rankShade(side.rank[at]),
    label: (side, at) => shortNumber(side.rank[at] + 1),
    scale: "rank of the final answer",
    ticks: [
      [0, "10,000th"],
      [0.25, "1,000th"],
      [0.5, "100th"],
      [0.75, "10th"],
      [1, "1st"],
    ],
  },
  entropy: {
    words: "entropy",
    shade: (side, at) => side.entropy[at] / side.most,
    label: (side, at) => side.entropy[at].toFixed(1),
    scale: "entropy in nats: how uncertain the model is",
    ticks: null, // the ticks depend on the size of the vocabulary
  },
  pinned: {
    words: "rank of the pinned token",
    shade: (side, at) => (side.pinned ? rankShade(side.pinned.rank[at]) : 0),
    label: (side, at) => (side.pinned ? shortNumber(side.pinned.rank[at] + 1) : ""),
    scale: "rank of the pinned token",
    ticks: [
      [0, "10,000th"],
      [0.25, "1,000th"],
      [0.5, "100th"],
      [0.75, "10th"],
      [1, "1st"],
    ],
  },
};

/** Return the shade of a rank: 1 for the first rank (0), and 0 for the 10,000th and beyond. */
export function rankShade(rank) {
  return Math.max(0, 1 - Math.log10(rank + 1) / DEEP);
}

/** Write a number in at most four characters: 12, 345, "1.2k", "49k". */
export function shortNumber(value) {
  if (value < 1000) return String(value);
  if (value < 9950) return `${(value / 1000).toFixed(1)}k`;
  return value < 999_500 ? `${Math.round(value / 1000)}k` : `${(value / 1e6).toFixed(1)}M`;
}

/** Write a number as an ordinal: "1st", "2nd", "1,204th". */
export function ordinal(n) {
  const ten = n % 100;
  const ending = ten >= 11 && ten <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n.toLocaleString("en")}${ending}`;
}

/** Return the first layer from which the final answer stays the first choice at a position. */
export function settledAt(side, position) {
  let layer = side.layers - 1;
  while (layer > 0 && side.rank[(layer - 1) * side.n + position] === 0) layer--;
  return layer;
}

/** Name a row of the grid: "embedding", "layer 7", "answer". */
export function layerName(layer, layers) {
  return layer === 0 ? "embedding" : layer === layers - 1 ? "answer" : `layer ${layer}`;
}

/** Describe a cell in words: what the model would say, how sure it is, and how the final answer ranks. */
export function cellInWords(side, layer, position, write) {
  const at = layer * side.n + position;
  const where = layer === 0 ? "Before any layer" : layer === side.layers - 1 ? "At the end" : `After layer ${layer}`;
  const answer =
    layer === side.layers - 1
      ? ""
      : ` The final answer, ${write(wordAt(side, side.layers - 1, position))}, ranks ${ordinal(side.rank[at] + 1)}.`;
  const first = `${write(wordAt(side, layer, position))} ${percent(probabilityAt(side, layer, position))}`;
  return `${where}, at ${write(side.tokens[position])}: ${first}.${answer}`;
}

/**
 * List the parts that make up a logit, `{ name, value, layer }`. Each head is a part; with `whole`, each layer's
 * attention is one part.
 */
export function partsOf(who, values, whole) {
  const { layers, heads } = who;
  const numbers = new Float32Array(bytesOf(values));
  const parts = [{ name: "embedding", value: who.embedding, layer: -1 }];
  for (let layer = 0; layer < layers; layer++) {
    const of = numbers.subarray(layer * heads, (layer + 1) * heads);
    const bias = numbers[layers * heads + layers + layer];
    if (whole) parts.push({ name: `attention ${layer}`, value: of.reduce((sum, value) => sum + value, bias), layer });
    else {
      of.forEach((value, head) => parts.push({ name: `head ${layer}.${head}`, value, layer }));
      if (bias) parts.push({ name: `attention bias ${layer}`, value: bias, layer });
    }
    const mlp = numbers[layers * heads + layer];
    if (mlp) parts.push({ name: `MLP ${layer}`, value: mlp, layer });
  }
  if (who.norm_bias) parts.push({ name: "final norm’s bias", value: who.norm_bias, layer: layers });
  return parts;
}

/** Return at most `most` parts, the largest first, and all the others as one part (null if there are none). */
export function ranked(parts, most) {
  const sorted = [...parts].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const rest = sorted.slice(most);
  const others = rest.reduce((sum, part) => sum + part.value, 0);
  return {
    shown: sorted.slice(0, most),
    others: rest.length ? { name: `${rest.length} others`, value: others } : null,
  };
}

/** Return which positions are in a window that is scrolled by `left` pixels, and how wide a cell is. */
export function windowOf(n, room, left, narrowest, widest) {
  const cell = Math.max(narrowest, Math.min(widest, Math.floor(room / n)));
  const width = cell * n;
  const from = Math.max(0, Math.floor(left / cell));
  const to = Math.min(n, Math.ceil((left + room) / cell));
  return { cell, width, from, to, scrolls: width > room };
}
