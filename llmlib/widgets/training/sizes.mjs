// The sizes of values inside a model, as numbers and words. This code does not touch the page, so it can be tested in
// Node.

import { whole } from "../shared/runs/curves.mjs";

/** The quantities measured inside a model, in the order in which they are stored; `rule` is a rule of thumb. */
export const KINDS = [
  {
    name: "updates",
    words: "update / weight",
    rule: 1e-3,
    says:
      "How far each step moves a matrix, relative to its length: ‖Δw‖ / ‖w‖. A rough rule of thumb is 0.001 " +
      "(Karpathy, CS231n): far below this, the learning rate may be too low; far above, it is likely too high.",
  },
  {
    name: "gradients",
    words: "gradients",
    rule: null,
    says:
      "How large the gradients of the weights are, before clipping. All parts should have gradients of about the " +
      "same size; where gradients vanish, the model learns little.",
  },
  {
    name: "activations",
    words: "activations",
    rule: null,
    says:
      "The size of the numbers that each part of the model passes on. These numbers should settle: if they grow from " +
      "step to step, the run may soon break down.",
  },
];
const QUANTILES = 5;

/**
 * Unpack what each run measured inside its model: `{ n, groups, steps, seconds, at }`; `at(kind, record, group)`
 * returns five quantiles.
 */
export function unpackInside(packed) {
  const bytes = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength);
  const { buffer } = bytes.slice(); // aligned
  const runs = [];
  let place = 0;
  const next = (Kind, n) => {
    place += 4 * n;
    return new Kind(buffer, place - 4 * n, n);
  };
  while (place < buffer.byteLength) {
    const [n, groups] = next(Uint32Array, 2);
    const steps = next(Uint32Array, n);
    const seconds = next(Float32Array, n);
    const values = next(Float32Array, n * KINDS.length * groups * QUANTILES);
    const at = (kind, record, group) => {
      const first = ((record * KINDS.length + kind) * groups + group) * QUANTILES;
      return values.subarray(first, first + QUANTILES);
    };
    runs.push({ n, groups, steps, seconds, at });
  }
  return runs;
}

/**
 * Return the range of powers of ten around all sizes, but at most `most` powers below the largest size, because a tiny
 * size, such as the last step's, would hide all other differences. Zeros and missing values do not count.
 */
export function powersOf(sizes, most) {
  const known = sizes.filter((size) => size > 0 && Number.isFinite(size)).map(Math.log10);
  if (!known.length) return [-4, 0];
  const low = known.reduce((a, b) => Math.min(a, b));
  const high = known.reduce((a, b) => Math.max(a, b));
  const to = Math.ceil(high - 1e-6) + 0;
  const from = Math.max(to - most, Math.floor(low + 1e-6));
  return to > from ? [from, to] : [from, from + 1];
}

/** Return the position of a size between two powers of ten: 0 … 1; null if the size is not known. */
export function placeAmong(size, [from, to]) {
  if (Number.isNaN(size)) return null;
  return size > 0 ? Math.max(0, Math.min(1, (Math.log10(size) - from) / (to - from))) : 0;
}

/** Format a size in a few characters: "0.0012", "3.2e-5", "140". */
export function sizeInWords(size) {
  if (Number.isNaN(size)) return "not known";
  if (size !== 0 && (size < 1e-3 || size >= 1e4)) return size.toExponential(1).replace(".0e", "e");
  return String(Number(size.toPrecision(2)));
}

/** Describe, in one sentence, the five quantiles of a group at a step. */
export function quantilesInWords(group, step, quantiles) {
  const where = `${group}, step ${whole(step)}`;
  if (Number.isNaN(quantiles[2])) return `${where}: nothing to measure.`;
  const [low, quarter, half, three, high] = Array.from(quantiles, sizeInWords);
  return `${where}: median ${half}; half are between ${quarter} and ${three}, nine in ten between ${low} and ${high}.`;
}

/**
 * Return a column for each record, inside a window: [{ record, left, right }, …]. `xs` lists the records' positions;
 * columns meet halfway between two of them.
 */
export function columnsBetween(xs, [from, to]) {
  const found = [];
  const half = (k) => (xs[k] + xs[k + 1]) / 2;
  const last = xs.length - 1;
  for (let record = 0; record <= last; record++) {
    const left = Math.max(from, record ? half(record - 1) : 0);
    const end = record < last ? half(record) : 2 * xs[last] - (last ? half(last - 1) : 0);
    if (Math.min(to, end) > left) found.push({ record, left, right: Math.min(to, end) });
  }
  return found;
}
