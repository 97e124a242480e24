// Clouds of points for tests.

import assert from "node:assert/strict";

import { unpackCloud } from "../../../llmlib/widgets/embeddings/data.mjs";

export const near = (a, b, by = 1e-4) => assert.ok(Math.abs(a - b) < by, `${a} is not ${b}`);

/** Return the bytes in a DataView that begins at an odd offset, as one in a message may. */
export function unaligned(typed) {
  const bytes = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
  const buffer = new Uint8Array(bytes.length + 3);
  buffer.set(bytes, 3);
  return new DataView(buffer.buffer, 3, bytes.length);
}

export function cloudOf(points, labels, kinds = labels.map(() => 0)) {
  const encoded = labels.map((label) =>
    typeof label === "string" ? new TextEncoder().encode(label) : Uint8Array.from(label),
  );
  const steps = Uint16Array.from(points.flat(), (v) => Math.round(((v + 1) / 2) * 65535));
  let end = 0;
  return unpackCloud(
    unaligned(steps),
    unaligned(Uint8Array.from(encoded.flatMap((b) => [...b]))),
    unaligned(Uint32Array.from(encoded, (b) => (end += b.length))),
    unaligned(Uint8Array.from(kinds)),
  );
}

export const SQUARE = cloudOf(
  [
    [-1, -1, 0],
    [1, -1, 0],
    [-1, 1, 0],
    [1, 1, 0],
  ],
  [" a", "<b>", "", [0xf0, 0x9f]],
  [0, 1, 0, 0],
);

export const flat = { dims: 2, x: 0, y: 0, zoom: 0.5, turn: [1, 0, 0, 0, 1, 0, 0, 0, 1] };
