import assert from "node:assert/strict";
import test from "node:test";

import {
  againstTrained,
  cellInWordsOf,
  depthText,
  firstBeyond,
  foundInWords,
  foundText,
  lossesInWords,
  lossText,
  meanFound,
  pointAt,
  positionsInWords,
  unpackGrids,
  unpackLosses,
} from "../../../llmlib/widgets/long_context/data.mjs";

/** Numbers as Python packs them, at an odd offset in a larger buffer. */
function packed(...parts) {
  const all = parts.flatMap((part) => [...new Uint8Array(part.buffer)]);
  return new DataView(Uint8Array.from([0, 0, 0, ...all]).buffer, 3);
}
const floats = (...values) => Float32Array.from(values);
const LEVELS = unpackLosses(
  {
    levels: [
      { width: 1, n: 3 },
      { width: 2, n: 2 },
    ],
    arms: [0, 1],
  },
  packed(
    Uint32Array.of(1, 2, 3, 1, 2, 3),
    floats(3, 2, 1, 3, 2, 1, 3, 2, 1),
    floats(5, 4, NaN, 5, 4, NaN, 5, 4, NaN),
    Uint32Array.of(1, 3, 2, 3),
    floats(2.5, 1, 2, 1, 3, 1),
    floats(4.5, NaN, 4, NaN, 5, NaN),
  ),
);
const ARMS = [
  { name: "plain", row: 0 },
  { name: "NTK", row: 1 },
];

test("levels of averaging are unpacked at any offset", () => {
  assert.deepEqual(
    LEVELS.map(({ width, last }) => [width, ...last]),
    [
      [1, 1, 2, 3],
      [2, 2, 3],
    ],
  );
  assert.deepEqual([...LEVELS[1].arms[0].high], [3, 1]);
  assert.ok(Number.isNaN(LEVELS[0].arms[1].mean[2]));
});

test("the point that contains a position is found", () => {
  assert.deepEqual(
    [0, 1, 2, 3, 99].map((position) => pointAt(LEVELS[1], position)),
    [0, 0, 0, 1, 1],
  );
});

test("losses are described in words", () => {
  assert.equal(positionsInWords(LEVELS[1], 0), "positions 1 to 2");
  assert.equal(lossesInWords(LEVELS[0], 2, ARMS, 2), "At position 3, 1.5 × the trained length: plain 1.00, NTK –.");
  assert.equal(lossesInWords(LEVELS[1], 0, ARMS.slice(1), null), "At positions 1 to 2: NTK 4.50.");
  assert.equal(againstTrained(256, 256), "within the trained length");
  assert.equal(againstTrained(4096, 256), "16 × the trained length");
  assert.equal(lossText(Infinity), "–");
});

const ABOUT = { grid_arms: [0, 1], lengths: [128, 2048], depths: [0, 0.125, 1], trained: 256, needles: 4 };

test("grids and their cells are described in words", () => {
  const [one, other] = unpackGrids(ABOUT, packed(floats(1, 1, 1, 0, 0.25, 0.5), floats(1, 1, 1, NaN, NaN, NaN)));
  const grids = [
    { name: "plain", shares: one },
    { name: "NTK", shares: other },
  ];
  assert.equal(
    cellInWordsOf(ABOUT, [1, 1], grids),
    "2,048 tokens (8 × the trained length), needle 12.5% in: plain 1 of 4 found; NTK not measured yet.",
  );
  assert.equal(meanFound(one), "63%");
  assert.equal(meanFound(floats(NaN)), "not measured yet");
  assert.deepEqual([0, 0.005, 1, NaN].map(foundText), ["0%", "1%", "100%", "·"]);
  assert.equal(foundInWords(0.5, null), "50% found");
  assert.equal(depthText(1 / 3), "33.3% in");
});

test("the first length beyond the trained one is found", () => {
  assert.equal(firstBeyond([128, 256, 512], 256), 2);
  assert.equal(firstBeyond([128], 256), -1);
  assert.equal(firstBeyond([128], null), -1);
});
