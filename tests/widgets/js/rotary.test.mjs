import assert from "node:assert/strict";
import test from "node:test";

import { moved, pairOf, period, plot, score, shares, tip } from "../../../llmlib/widgets/rotary/view.mjs";

const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);
const turned = (vector, frequencies, position) => {
  const n = frequencies.length;
  const out = [];
  frequencies.forEach((f, i) => {
    const c = Math.cos(f * position);
    const s = Math.sin(f * position);
    out[i] = vector[i] * c - vector[i + n] * s;
    out[i + n] = vector[i + n] * c + vector[i] * s;
  });
  return out;
};

test("the score is the dot product of the turned vectors, whatever their positions", () => {
  const frequencies = [1, 0.3, 0.01];
  const q = [1, -2, 0.5, 0.3, 1, 2];
  const k = [0.2, 1, -1, 1, 0, 3];
  for (const [m, n] of [
    [5, 2],
    [105, 102],
    [7, 7],
    [90, 0],
  ]) {
    const a = turned(q, frequencies, m);
    const b = turned(k, frequencies, n);
    near(
      score(q, k, frequencies, m - n),
      a.reduce((sum, x, i) => sum + x * b[i], 0),
    );
  }
  assert.equal(shares(q, k, frequencies, 3).length, 3);
});

test("channel i is paired with the channel half a vector further on", () => {
  near(pairOf([3, 9, 4, 9], 0).length, 5);
  near(pairOf([0, 9, 2, 9], 0).angle, Math.PI / 2);
});

test("the angles of the hands are measured anticlockwise from the right", () => {
  near(tip(0, 10)[0], 10);
  near(tip(Math.PI / 2, 10)[1], -10); // up on the screen
});

test("the key never comes after the query, and both positions stay in range", () => {
  assert.deepEqual(moved("query", 3, 20, 14, 200), { query: 3, key: 3 });
  assert.deepEqual(moved("query", 300, 20, 14, 200), { query: 200, key: 14 });
  assert.deepEqual(moved("key", 30, 20, 14, 200), { query: 30, key: 30 });
  assert.deepEqual(moved("key", -1, 20, 14, 200), { query: 20, key: 0 });
  assert.deepEqual(moved("both", 50, 20, 14, 200), { query: 56, key: 50 });
  assert.deepEqual(moved("both", 199, 20, 14, 200), { query: 200, key: 194 });
});

test("periods are described in words", () => {
  assert.equal(period(1), "6.3 positions per turn");
  assert.equal(period(0.001), "6,283 positions per turn");
  assert.equal(period(0), "never turns");
});

test("the range of a plot includes all values and zero", () => {
  const { low, high, points } = plot([2, -1, 1], 100, 30);
  assert.deepEqual([low, high], [-1, 2]);
  assert.deepEqual(points, [
    [0, 0],
    [50, 30],
    [100, 10],
  ]);
  assert.deepEqual(plot([0], 100, 30).points, [[0, 0]]);
});
