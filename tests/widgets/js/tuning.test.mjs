import assert from "node:assert/strict";
import test from "node:test";

import {
  foldOf,
  likeliestAt,
  meanSurprise,
  movedMost,
  scaleOf,
  shadeOf,
  signed,
  timesInWords,
  unpackMoves,
} from "../../../llmlib/widgets/tuning/data.mjs";

/** Two models' numbers for three tokens, two likeliest tokens each, unpacked from an odd offset. */
function packed() {
  const n = 3;
  const shown = 2;
  const size = 4 * n * (1 + 2 * shown);
  const bytes = new DataView(new ArrayBuffer(2 * size + 1), 1);
  for (const model of [0, 1]) {
    [NaN, -2, -1 + model].forEach((logProb, k) => bytes.setFloat32(model * size + 4 * k, logProb, true));
    for (let k = 0; k < n * shown; k++) {
      bytes.setUint32(model * size + 4 * (n + k), 100 * model + k, true);
      bytes.setFloat32(model * size + 4 * (n + n * shown + k), Math.log(0.5) * (k + 1), true);
    }
  }
  return unpackMoves(bytes, n, shown);
}

test("changes and likeliest tokens are unpacked from their bytes", () => {
  const moves = packed();
  assert.deepEqual([...moves.moves], [NaN, 0, 1]);
  assert.deepEqual(
    likeliestAt(moves.tuned, 2, 1).map(({ id, p }) => [id, Number(p.toFixed(4))]),
    [
      [102, 0.125],
      [103, 0.0625],
    ],
  );
  assert.deepEqual(
    likeliestAt(moves.base, 2, 0).map(({ id }) => id),
    [0, 1],
  );
});

test("means leave the first token out", () => {
  assert.deepEqual(meanSurprise(packed(), [0, 1, 2]), { tokens: 2, base: 1.5, tuned: 1 });
  assert.equal(meanSurprise(packed(), [0]).tokens, 0);
});

test("the scale covers nine in ten tokens, unless it is the largest one", () => {
  assert.deepEqual([scaleOf([]), scaleOf([NaN, 0.1, -0.2, 1.5]), scaleOf([0.1]), scaleOf([99])], [0.5, 2, 0.5, 8]);
  assert.equal(scaleOf([1, 1, 1, 1, 1, 1, 1, 1, 1, 7]), 8);
  assert.equal(scaleOf([...Array.from({ length: 19 }, () => -1), 7]), 1);
});

test("colours are symmetric around the middle", () => {
  assert.deepEqual(
    [-9, -2, 0, NaN, 2, 9].map((move) => shadeOf(move, 2)),
    [0, 0, 128, 128, 255, 255],
  );
  assert.equal(shadeOf(1, 2) - 127.5, 127.5 - shadeOf(-1, 2));
});

test("changes are described in words", () => {
  assert.deepEqual([0.04, 0.06, -7.25, NaN].map(signed), ["0", "+0.1", "−7.3", "–"]);
  assert.equal(timesInWords(Math.log(2)), "2.0 times as likely as before");
  assert.equal(timesInWords(-Math.log(12)), "less likely than before by a factor of 12");
  assert.equal(timesInWords(0.001), "as likely as before");
  assert.equal(timesInWords(50), "over a million times as likely as before");
});

test("the middle of a long message is folded away", () => {
  assert.deepEqual(foldOf(80), [80, 80]);
  assert.deepEqual(foldOf(81), [40, 61]);
  assert.deepEqual(foldOf(500), [40, 480]);
});

test("the token whose probability changed most in either direction is found", () => {
  assert.equal(movedMost([NaN, 1, -3, 2]), 2);
  assert.equal(movedMost([NaN]), null);
  assert.equal(movedMost([]), null);
});
