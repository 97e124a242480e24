// Make attention patterns from weights, for tests.

import assert from "node:assert/strict";

import { cellIndex, encode, headSize } from "../../../llmlib/widgets/attention/data.mjs";

/** Make a pattern from rows of weights. */
export function pattern(rows, causal = true, signed = false, scale = 1) {
  const n = rows.length;
  const codes = new Uint8Array(headSize(n, causal));
  rows.forEach((row, i) =>
    row.forEach((w, j) => {
      const k = cellIndex({ n, causal }, i, j);
      if (k >= 0) codes[k] = encode(w, scale, signed);
    }),
  );
  return { n, causal, scale, signed, codes };
}

/** Make n rows of n values. */
export const square = (n, value) =>
  Array.from({ length: n }, (_row, i) => Array.from({ length: n }, (_value, j) => value(i, j)));

export const close = (a, b, tolerance = 0.005) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not near ${b}`);
