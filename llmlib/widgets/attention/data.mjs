// Attention patterns as the view holds them, and calculations with them. These are pure functions, tested in Node.
//
// A pattern has one byte for each weight. Code c in 0 … 254 means the weight scale · (c / 254)², so that faint weights,
// of which a long text has many, keep their precision; 255 means NaN. A causal pattern holds its lower triangle row by
// row. In a signed pattern, the difference of two patterns, code c means scale · sign(d) · d² with d = (c - 127) / 127.

import { parseColour } from "../shared/canvas.mjs";
import { percent } from "../shared/shared.mjs";

export const TOP = 254,
  NAN_CODE = 255,
  MIDDLE = 127;

/** Return the weight that a code stands for. */
export function decode(code, scale = 1, signed = false) {
  if (code === NAN_CODE) return NaN;
  if (!signed) return scale * (code / TOP) ** 2;
  const d = (code - MIDDLE) / MIDDLE;
  return scale * Math.sign(d) * d * d;
}

/** Return the code that stands for a weight. */
export function encode(weight, scale = 1, signed = false) {
  if (Number.isNaN(weight)) return NAN_CODE;
  const root = Math.sqrt(Math.min(Math.abs(weight) / scale, 1));
  return signed ? Math.round(MIDDLE + MIDDLE * Math.sign(weight) * root) : Math.round(TOP * root);
}

/** Return the weights of all 256 codes. */
export function decodeTable({ scale, signed = false }) {
  return Float32Array.from({ length: 256 }, (_, code) => decode(code, scale, signed));
}

/** Return how many codes one head has. */
export function headSize(n, causal) {
  return causal ? (n * (n + 1)) / 2 : n * n;
}

/** Return the index of the code for query i and key j, or -1 above the diagonal of a causal pattern. */
export function cellIndex({ n, causal }, i, j) {
  if (!causal) return i * n + j;
  return j <= i ? (i * (i + 1)) / 2 + j : -1;
}

const bytesOf = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/**
 * Unpack one text's patterns from Python's message: a description, and a DataView of codes (which may start at any
 * offset). For a long text, the patterns are thumbnails, `side` cells wide, of each layer's heads, their mean and their
 * maximum, with `scores` for each thumbnail.
 */
export function unpack(meta, view, scores = null) {
  const codes = bytesOf(view);
  const n = meta.tokens.length;
  const long = meta.side !== undefined;
  const maps = meta.heads + (long ? 2 : 0);
  const side = meta.side ?? n;
  const size = headSize(side, meta.causal);
  if (codes.length !== size * meta.layers * maps)
    throw new Error(`Expected ${size * meta.layers * maps} bytes of attention; got ${codes.length}.`);
  return { ...meta, n, side, size, maps, codes, long, scores: long ? floatsOf(scores) : null };
}

function floatsOf(view) {
  return Float32Array.from({ length: view.byteLength / 4 }, (_, k) => view.getFloat32(4 * k, true));
}

/** The number of the thumbnail that shows a head, or the "mean" or "max" of all the layer's heads. */
const mapOf = (text, head) => (typeof head === "number" ? head : text.heads + (head === "mean" ? 0 : 1));

/**
 * Return the pattern of one head, or of all the layer's heads together if `head` is "mean" or "max"; for a long text,
 * return a thumbnail.
 */
export function headPattern(text, layer, head) {
  const { side, causal, scale, size, codes, heads, maps, long } = text;
  const from = (h) => codes.subarray((layer * maps + h) * size, (layer * maps + h + 1) * size);
  const own = long
    ? from(mapOf(text, head))
    : typeof head === "number"
      ? from(head)
      : combine(
          Array.from({ length: heads }, (_, h) => from(h)),
          scale,
          head,
        );
  return { n: side, causal, scale, signed: false, codes: own };
}

/** Return the scores that Python computed from the whole pattern of a head in a long text. */
export function givenScores(text, layer, head) {
  const names = ["previous", "first", "duplicate", "induction", "distance", "entropy"];
  const at = names.length * (layer * text.maps + mapOf(text, head));
  return Object.fromEntries(names.map((name, k) => [name, text.scores[at + k]]));
}

/** Unpack the whole patterns of an opened head, by side: {a: pattern, b: pattern}. */
export function unpackHead({ sides }, view, lengths) {
  const bytes = bytesOf(view);
  let at = 0;
  return Object.fromEntries(
    Object.entries(sides).map(([side, { causal, scale, size }]) => {
      at += size;
      return [side, { n: lengths[side], causal, scale, signed: false, codes: bytes.subarray(at - size, at) }];
    }),
  );
}

function combine(parts, scale, how) {
  const result = new Uint8Array(parts[0].length);
  const weights = decodeTable({ scale });
  if (how === "max") {
    for (const part of parts) for (let k = 0; k < part.length; k++) if (part[k] > result[k]) result[k] = part[k];
    return result; // NaN has the highest code, so a cell that is NaN in any part is NaN in the result
  }
  const sums = new Float32Array(result.length);
  for (const part of parts) for (let k = 0; k < part.length; k++) sums[k] += weights[part[k]];
  for (let k = 0; k < sums.length; k++) result[k] = encode(sums[k] / parts.length, scale);
  return result;
}

/** Call `see(weight in a, weight in b, row)` for each cell of two patterns of the same size, row by row. */
function eachPair(a, b, see) {
  const n = a.n;
  const causal = a.causal && b.causal;
  const ofA = decodeTable(a);
  const ofB = decodeTable(b);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < (causal ? i + 1 : n); j++) {
      const atA = cellIndex(a, i, j);
      const atB = cellIndex(b, i, j);
      see(atA < 0 ? 0 : ofA[a.codes[atA]], atB < 0 ? 0 : ofB[b.codes[atB]], i);
    }
}

/**
 * Measure how far apart two patterns are. `largest` is the largest change of a weight. `moved` is the share of
 * attention that has moved: the mean over queries of half the sum of all changes (the total variation distance). `rows`
 * is the mean over rows of the largest change in each row; for thumbnails, it takes the place of `moved`.
 */
export function compare(a, b) {
  const most = new Float32Array(a.n);
  let sum = 0;
  eachPair(a, b, (before, after, row) => {
    const change = Math.abs(after - before);
    if (change > most[row]) most[row] = change;
    if (change > 0) sum += change; // leaves out NaN
  });
  return {
    largest: Math.max(0, ...most),
    moved: sum / 2 / a.n,
    rows: most.reduce((total, one) => total + one, 0) / a.n,
  };
}

// a byte stores a weight to within 0.4 points, so smaller differences should not look large
const LEAST_SCALE = 0.02;

/** Return the end of the colour scale for differences up to `largest`: 2, 5, 10, 20, 50, 100 points, and so on. */
export function changeScale(largest) {
  let scale = LEAST_SCALE;
  for (let k = 0; scale < largest - 1e-6; k++) scale *= [2.5, 2, 2][k % 3];
  return scale;
}

/**
 * Return the pattern b - a, cell by cell; both patterns must have the same number of tokens. Changes as large as
 * `scale` get the strongest colour.
 */
export function difference(a, b, scale = Math.max(a.scale, b.scale)) {
  const n = a.n;
  const causal = a.causal && b.causal;
  const codes = new Uint8Array(headSize(n, causal));
  let k = 0;
  eachPair(a, b, (before, after) => {
    codes[k++] = encode(after - before, scale, true);
  });
  return { n, causal, scale, signed: true, codes };
}

/** Return one weight; 0 where a causal pattern has no weight. */
export function weightAt(pattern, i, j) {
  const k = cellIndex(pattern, i, j);
  return k < 0 ? 0 : decode(pattern.codes[k], pattern.scale, pattern.signed);
}

/** Return where token t looks ("from": the token's row), or which tokens look at it ("to": the token's column). */
export function weightsOf(pattern, t, way) {
  return Float32Array.from({ length: pattern.n }, (_, other) =>
    way === "from" ? weightAt(pattern, t, other) : weightAt(pattern, other, t),
  );
}

/** Return the indices of the k weights with the largest absolute values, NaN first, without zeros. */
export function strongest(weights, k) {
  const size = (i) => (Number.isNaN(weights[i]) ? Infinity : Math.abs(weights[i]));
  return Array.from(weights.keys())
    .filter((i) => size(i) > 0)
    .sort((a, b) => size(b) - size(a) || a - b)
    .slice(0, k);
}

/** Return the strongest pairs [i, j] of a pattern: at most `limit` pairs, with weights of at least `floor`. */
export function strongestPairs(pattern, limit, floor = 0.01) {
  const strength = Float32Array.from({ length: 256 }, (_, c) =>
    c === NAN_CODE ? Infinity : Math.abs(decode(c, pattern.scale, pattern.signed)),
  );
  const counts = new Uint32Array(256);
  const { n, causal, codes } = pattern;
  for (const code of codes) counts[code] += 1;
  const order = Array.from(counts.keys()).sort((a, b) => strength[b] - strength[a]);
  const kept = new Uint8Array(256);
  for (let room = limit, r = 0; r < 256 && strength[order[r]] >= floor && room > 0; r++) {
    kept[order[r]] = 1;
    room -= counts[order[r]];
  }
  const pairs = [];
  for (let i = 0, k = 0; i < n; i++)
    for (let j = 0; j < (causal ? i + 1 : n); j++, k++)
      if (kept[codes[k]] && pairs.length < 2 * limit) pairs.push([i, j]);
  return pairs
    .sort(([a, b], [c, d]) => strength[codes[cellIndex(pattern, c, d)]] - strength[codes[cellIndex(pattern, a, b)]])
    .slice(0, limit);
}

/**
 * Return an image of a region of a pattern, with `width` × `height` pixels: 0 outside the pattern, otherwise code + 1.
 * If several cells share a pixel, the strongest cell is shown.
 */
export function pool(pattern, region, width, height) {
  const { n, causal, codes, signed } = pattern;
  const image = new Uint16Array(width * height);
  const { x, y, w, h } = region;
  if (w <= width && h <= height) {
    // every cell gets at least one pixel
    const columns = Int32Array.from({ length: width }, (_, px) => Math.floor(x + ((px + 0.5) * w) / width));
    for (let py = 0; py < height; py++) {
      const i = Math.floor(y + ((py + 0.5) * h) / height);
      if (i < 0 || i >= n) continue;
      const start = causal ? (i * (i + 1)) / 2 : i * n;
      const end = causal ? i + 1 : n;
      for (let px = 0; px < width; px++)
        if (columns[px] >= 0 && columns[px] < end) image[py * width + px] = codes[start + columns[px]] + 1;
    }
    return image;
  }
  const first = Math.max(0, Math.floor(x));
  const last = Math.min(n, Math.ceil(x + w));
  const columns = Int32Array.from({ length: n }, (_, j) =>
    Math.min(width - 1, Math.max(0, Math.floor(((j + 0.5 - x) * width) / w))),
  );
  const strength = (value) => (value === NAN_CODE + 1 ? 1000 : Math.abs(value - 1 - MIDDLE));
  for (let i = Math.max(0, Math.floor(y)); i < Math.min(n, Math.ceil(y + h)); i++) {
    const row = width * Math.min(height - 1, Math.max(0, Math.floor(((i + 0.5 - y) * height) / h)));
    const start = causal ? (i * (i + 1)) / 2 : i * n;
    const end = causal ? Math.min(i + 1, last) : last;
    for (let j = first; j < end; j++) {
      const value = codes[start + j] + 1;
      const at = row + columns[j];
      if (signed ? image[at] === 0 || strength(value) > strength(image[at]) : value > image[at]) image[at] = value;
    }
  }
  return image;
}

/** For each position, list the earlier positions of the same token. */
export function earlierSame(tokens) {
  const seen = new Map();
  return tokens.map((token, i) => {
    const before = seen.get(token) ?? [];
    seen.set(token, [...before, i]);
    return before;
  });
}

/**
 * Compute the scores of a head, defined as in llmlib.interpret.head_scores. `same` comes from `earlierSame`.
 */
export function headScores(pattern, same) {
  const { n, causal, codes } = pattern;
  const weights = decodeTable(pattern).map((w) => (Number.isNaN(w) ? 0 : w));
  const surprise = weights.map((w) => (w > 0 ? -w * Math.log(w) : 0));
  let entropy = 0;
  let distance = 0;
  let previous = 0;
  let first = 0;
  let duplicate = 0;
  let repeated = 0;
  let induction = 0;
  let followed = 0;
  for (let i = 0; i < n; i++) {
    const start = causal ? (i * (i + 1)) / 2 : i * n;
    const end = causal ? i + 1 : n;
    for (let j = 0; j < end; j++) {
      const code = codes[start + j];
      entropy += surprise[code];
      distance += weights[code] * Math.abs(i - j);
    }
    if (i) {
      previous += weights[codes[start + i - 1]];
      first += weights[codes[start]];
    }
    if (same[i].length) repeated += 1;
    for (const j of same[i]) duplicate += weights[codes[start + j]];
    const next = same[i].filter((j) => j + 1 < i);
    if (next.length) followed += 1;
    for (const j of next) induction += weights[codes[start + j + 1]];
  }
  const per = (sum, count) => (count ? sum / count : 0);
  return {
    entropy: entropy / n,
    distance: distance / n,
    previous: per(previous, n - 1),
    first: per(first, n - 1),
    duplicate: per(duplicate, repeated),
    induction: per(induction, followed),
  };
}

/** Count the queries that each score is averaged over (`duplicate`: the tokens that have occurred before). */
export function queryCounts(tokens) {
  const first = new Map();
  const n = tokens.length;
  let duplicate = 0;
  let induction = 0;
  tokens.forEach((token, i) => {
    if (!first.has(token)) {
      first.set(token, i);
      return;
    }
    duplicate += 1;
    if (first.get(token) + 1 < i) induction += 1; // there is another token between the two occurrences
  });
  return { previous: n - 1, first: n - 1, duplicate, induction, entropy: n, distance: n };
}

/** Sort heads by a score, the largest first; heads with equal scores keep their order. */
export function orderHeads(scores) {
  return Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
}

/** Return a colour, packed for ImageData, for each value from `pool` (0: outside the pattern; otherwise code + 1). The
 * colours of codes 0 … 254 run through `stops`. */
export function colourTable(stops, outside, missing) {
  const points = stops.map(parseColour);
  const pack = ([r, g, b]) => ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
  const table = new Uint32Array(257);
  table[0] = pack(parseColour(outside));
  for (let code = 0; code <= TOP; code++) {
    const at = (code / TOP) * (points.length - 1);
    const k = Math.min(points.length - 2, Math.floor(at));
    table[code + 1] = pack(points[k].map((c, channel) => c + (points[k + 1][channel] - c) * (at - k)));
  }
  table[NAN_CODE + 1] = pack(parseColour(missing));
  return table;
}

/** Write a weight ("43%") or a difference ("+43 points"). */
export function inWords(weight, signed) {
  if (Number.isNaN(weight)) return "not a number";
  if (!signed) return weight > 1.005 ? weight.toPrecision(3) : percent(weight);
  const points = (100 * Math.abs(weight)).toFixed(Math.abs(weight) < 0.0995 ? 1 : 0);
  return Number(points) === 0 ? "±0 points" : `${weight > 0 ? "+" : "−"}${points} points`;
}
