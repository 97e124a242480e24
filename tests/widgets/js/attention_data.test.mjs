import assert from "node:assert/strict";
import test from "node:test";

import * as d from "../../../llmlib/widgets/attention/data.mjs";
import { parseColour } from "../../../llmlib/widgets/shared/canvas.mjs";
import { close, pattern, square } from "./attention_patterns.mjs";

test("codes keep faint weights and never err by more than half a step", () => {
  for (let w = 0; w <= 1; w += 1 / 4096) {
    const found = d.decode(d.encode(w));
    assert.ok(Math.abs(found - w) <= Math.sqrt(w) / 254 + 1e-5, `${w} became ${found}`);
  }
  close(d.decode(d.encode(1 / 512)), 1 / 512, 1e-4);
  assert.equal(d.decode(d.encode(1)), 1);
  assert.equal(d.decode(d.encode(3, 4), 4) > 2.9, true);
  assert.ok(Number.isNaN(d.decode(d.encode(NaN))));
  for (const w of [-1, -0.3, -0.001, 0, 0.2, 1]) close(d.decode(d.encode(w, 1, true), 1, true), w, 0.01);
});

test("cells are numbered in a triangle or in a square", () => {
  assert.equal(d.headSize(4, true), 10);
  assert.equal(d.headSize(4, false), 16);
  assert.deepEqual(
    [0, 1, 2].map((i) => d.cellIndex({ n: 3, causal: true }, i, 1)),
    [-1, 2, 4],
  );
  assert.equal(d.cellIndex({ n: 3, causal: false }, 1, 2), 5);
});

test("bytes are read at any offset, and a wrong number of them is refused", () => {
  const buffer = Uint8Array.from([9, 9, 9, 254, 0, 254, 254, 127, 127]).buffer;
  const meta = { tokens: ["a", "b"], layers: 2, heads: 1, causal: true, scale: 1 };
  const text = d.unpack(meta, new DataView(buffer, 3, 6));
  assert.deepEqual([...d.headPattern(text, 1, 0).codes], [254, 127, 127]);
  assert.throws(() => d.unpack(meta, new DataView(buffer, 3, 5)), /Expected 6 bytes of attention; got 5/);
});

test("the mean and the maximum of a layer's heads are computed", () => {
  const meta = { tokens: ["a", "b"], layers: 1, heads: 2, causal: true, scale: 1 };
  const codes = [1, 0.2, 0.8, 1, 0.6, 0.4].map((w) => d.encode(w));
  const text = d.unpack(meta, new DataView(Uint8Array.from(codes).buffer));
  close(d.weightAt(d.headPattern(text, 0, "mean"), 1, 0), 0.4);
  close(d.weightAt(d.headPattern(text, 0, "max"), 1, 0), 0.6);
  codes[4] = d.NAN_CODE;
  const broken = d.unpack(meta, new DataView(Uint8Array.from(codes).buffer));
  for (const how of ["mean", "max"]) assert.ok(Number.isNaN(d.weightAt(d.headPattern(broken, 0, how), 1, 0)));
});

test("differences are signed, and a causal and a full pattern can be compared", () => {
  const a = pattern([
    [1, 0],
    [0.3, 0.7],
  ]);
  const b = pattern(
    [
      [0.6, 0.4],
      [0.9, 0.1],
    ],
    false,
  );
  const found = d.difference(a, b);
  assert.equal(found.causal, false);
  const expected = [
    [-0.4, 0.4],
    [0.6, -0.6],
  ];
  for (const i of [0, 1]) for (const j of [0, 1]) close(d.weightAt(found, i, j), expected[i][j], 0.015);
  const same = d.difference(a, a);
  assert.equal(same.causal, true);
  assert.ok(same.codes.every((code) => code === d.MIDDLE));
});

test("the weights in a row or column are found, and the strongest among them", () => {
  const p = pattern([
    [1, 0, 0],
    [0.25, 0.75, 0],
    [0.1, 0.6, 0.3],
  ]);
  d.weightsOf(p, 2, "from").forEach((w, j) => close(w, [0.1, 0.6, 0.3][j]));
  d.weightsOf(p, 1, "to").forEach((w, i) => close(w, [0, 0.75, 0.6][i]));
  assert.deepEqual(d.strongest(d.weightsOf(p, 2, "from"), 2), [1, 2]);
  assert.deepEqual(d.strongest(Float32Array.from([0, NaN, 0.5, -0.7]), 5), [1, 3, 2]);
  assert.deepEqual(d.strongestPairs(p, 2), [
    [0, 0],
    [1, 1],
  ]);
  assert.equal(d.strongestPairs(p, 100).length, 6);
  assert.equal(d.strongestPairs(p, 100, 0.5).length, 3);
});

test("images show large cells, small cells, cells outside a pattern, and NaN", () => {
  const p = pattern([
    [1, 0],
    [0, 1],
  ]);
  assert.deepEqual([...d.pool(p, { x: 0, y: 0, w: 2, h: 2 }, 4, 2)], [255, 255, 0, 0, 1, 1, 255, 255]);
  assert.deepEqual([...d.pool(p, { x: 1, y: 0, w: 1, h: 2 }, 1, 2)], [0, 255]);
  const n = 100;
  const thin = pattern(square(n, (i, j) => (j === i - 1 ? 1 : 0)));
  const small = d.pool(thin, { x: 0, y: 0, w: n, h: n }, 10, 10);
  for (let i = 0; i < 10; i++) assert.equal(small[i * 10 + i], 255, "a thin diagonal survives");
  assert.equal(small[9], 0);
  const broken = pattern([
    [1, 0],
    [NaN, 1],
  ]);
  assert.equal(d.pool(broken, { x: 0, y: 0, w: 2, h: 2 }, 1, 1)[0], d.NAN_CODE + 1);
  const signed = pattern(
    [
      [0.1, 0],
      [-0.9, 0.2],
    ],
    true,
    true,
  );
  assert.equal(d.pool(signed, { x: 0, y: 0, w: 2, h: 2 }, 1, 1)[0], d.encode(-0.9, 1, true) + 1);
});

test("heads that do only one thing get the expected scores", () => {
  const tokens = ["a", "b", "c", "a", "b", "c"];
  const same = d.earlierSame(tokens);
  assert.deepEqual(same, [[], [], [], [0], [1], [2]]);
  const looks = (keys) => pattern(keys.map((key) => tokens.map((_, j) => (j === key ? 1 : 0))));
  close(d.headScores(looks([0, 0, 1, 2, 3, 4]), same).previous, 1);
  close(d.headScores(looks([0, 0, 0, 0, 0, 0]), same).first, 1);
  close(d.headScores(looks([0, 1, 2, 0, 1, 2]), same).duplicate, 1);
  close(d.headScores(looks([0, 1, 2, 1, 2, 3]), same).induction, 1);
  close(d.headScores(looks([0, 0, 1, 2, 3, 4]), same).distance, 5 / 6);
  const even = d.headScores(pattern(square(tokens.length, (i, j) => (j <= i ? 1 / (i + 1) : 0))), same);
  close(even.entropy, [1, 2, 3, 4, 5, 6].reduce((sum, k) => sum + Math.log(k), 0) / 6, 0.01);
  const twice = d.earlierSame(["a", "a"]);
  close(
    d.headScores(
      pattern([
        [1, 0],
        [0, 1],
      ]),
      twice,
    ).induction,
    0,
  ); // a token that attends to itself does not count as induction
  const alone = d.headScores(pattern([[1]]), [[]]);
  assert.deepEqual(alone, { entropy: 0, distance: 0, previous: 0, first: 0, duplicate: 0, induction: 0 });
});

test("the distance between two patterns is measured, and the colour scale makes changes visible", () => {
  const a = pattern([
    [1, 0, 0],
    [0.3, 0.7, 0],
    [0.2, 0.3, 0.5],
  ]);
  const b = pattern([
    [1, 0, 0],
    [0.5, 0.5, 0],
    [0.2, 0.5, 0.3],
  ]);
  const { largest, moved, rows } = d.compare(a, b);
  close(largest, 0.2, 0.01);
  close(moved, 0.4 / 3, 0.01);
  close(rows, 0.4 / 3, 0.01);
  assert.deepEqual(d.compare(a, a), { largest: 0, moved: 0, rows: 0 });
  assert.deepEqual(
    [0, 0.004, 0.02, 0.03, 0.06, 0.2, 0.21, 0.6, 1, 1.5].map((w) => Number(d.changeScale(w).toFixed(3))),
    [0.02, 0.02, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1, 2],
  );
  const scaled = d.difference(a, b, 0.2);
  const strongest = Math.max(...scaled.codes);
  assert.ok(strongest >= 250, `the largest change has nearly the strongest colour: ${strongest}`);
  for (const [i, j, change] of [
    [1, 0, 0.2],
    [1, 1, -0.2],
    [2, 1, 0.2],
    [0, 0, 0],
  ])
    close(d.weightAt(scaled, i, j), change, 0.01);
  const broken = pattern([
    [1, 0, 0],
    [NaN, 0.7, 0],
    [0.2, 0.3, 0.5],
  ]);
  assert.ok(Number.isFinite(d.compare(a, broken).moved));
  assert.ok(Number.isNaN(d.weightAt(d.difference(a, broken), 1, 0)));
});

test("heads are sorted by a score", () => {
  assert.deepEqual(d.orderHeads([0.1, 0.9, 0.5, 0.9]), [1, 3, 2, 0]);
});

test("colours run from the background to the strongest, with others for cells outside and for NaN", () => {
  assert.deepEqual(parseColour("#0b5cad"), [11, 92, 173]);
  assert.deepEqual(parseColour("rgb(1, 2, 3)"), [1, 2, 3]);
  const table = d.colourTable(["#ffffff", "#000000"], "#111111", "#ff0000");
  assert.equal(table[1], 0xffffffff);
  assert.equal(table[255], 0xff000000);
  assert.equal(table[0], 0xff111111);
  assert.equal(table[256], 0xff0000ff);
});

test("weights are written in words", () => {
  assert.equal(d.inWords(0.43), "43%");
  assert.equal(d.inWords(NaN), "not a number");
  assert.equal(d.inWords(2.5), "2.50");
  assert.equal(d.inWords(-0.314, true), "−31 points");
  assert.equal(d.inWords(0.0213, true), "+2.1 points");
  assert.equal(d.inWords(0, true), "±0 points");
});
