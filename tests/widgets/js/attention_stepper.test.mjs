import assert from "node:assert/strict";
import test from "node:test";

import { attend, fromPlane, nudged, number, reach, rowsOf, rowText, story, toPlane } from "../../../llmlib/widgets/attention_stepper/view.mjs";

const close = (a, b) => a.forEach((x, i) => assert.ok(Math.abs(x - b[i]) < 1e-12, `${a} is not ${b}`));

test("rows come out of the bytes at any offset, and moved ones take their places", () => {
  const bytes = new Uint8Array(17);
  const view = new DataView(bytes.buffer, 1);
  [1, 2, 3, -4].forEach((x, i) => view.setFloat32(4 * i, x, true));
  assert.deepEqual(rowsOf(view, 2, "k", {}), [[1, 2], [3, -4]]);
  assert.deepEqual(rowsOf(view, 2, "k", { k1: [9, 9], q0: [7, 7] }), [[1, 2], [9, 9]]);
});

test("the stages of attention, each switch off and on", () => {
  const q = [2, 0, 0, 0], keys = [[1, 0, 0, 0], [0, 1, 0, 0], [5, 0, 0, 0]], values = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]];
  const made = attend(q, keys, values, 1, true, true);
  assert.deepEqual(made.dots, [2, 0, 10]);
  assert.deepEqual(made.scaled, [1, 0, 5]);
  assert.deepEqual(made.masked, [1, 0, -Infinity]);
  const first = Math.E / (Math.E + 1);
  close(made.weights, [first, 1 - first, 0]);
  close(made.output, [first, 1 - first, 0, 0]);
  assert.deepEqual(attend(q, keys, values, 1, false, true).scaled, [2, 0, 10]);
  assert.ok(attend(q, keys, values, 1, true, false).weights[2] > 0.9);
});

test("huge scores do not overflow", () => {
  close(attend([1000, 0], [[1000, 0], [999, 0]], [[1, 0], [0, 1]], 1, true, true).weights, [1, 0]);
});

test("numbers have two decimals, a real minus sign, and no negative zero", () => {
  assert.deepEqual([-0.125, -0.001, 12, -Infinity].map(number), ["−0.13", "0.00", "12.00", "−∞"]);
  assert.equal(rowText([1, -1]), "(1.00, −1.00)");
});

test("the plane holds all arrows, and points go there and back", () => {
  assert.equal(reach([[0.1, 0.2]]), 2);
  assert.equal(reach([[0, -3.5], [1, 1]]), 4);
  assert.deepEqual(toPlane([0, 0], 100, 2), [50, 50]);
  assert.deepEqual(toPlane([2, 2], 100, 2), [100, 0]);
  assert.deepEqual(fromPlane(...toPlane([0.5, -1.25], 340, 2), 340, 2), [0.5, -1.25]);
  assert.deepEqual(fromPlane(-50, 500, 100, 2), [-2, -2]);
});

test("arrow keys nudge a vector and stop at the edge; other keys do nothing", () => {
  assert.deepEqual(nudged([0, 0], "ArrowUp", false, 2), [0, 0.1]);
  assert.deepEqual(nudged([0, 0], "ArrowLeft", true, 2), [-0.5, 0]);
  assert.deepEqual(nudged([1.95, 0], "ArrowRight", false, 2), [2, 0]);
  assert.equal(nudged([0, 0], "Tab", false, 2), null);
});

test("the story tells what a stage does, and what is switched off", () => {
  const told = { scaled: true, masked: true, width: 4, name: (row) => `t${row}`, made: { weights: [0.25, 0.75] } };
  assert.match(story(1, told), /√4 = 2.00/);
  assert.match(story(1, { ...told, scaled: false }), /^Switched off/);
  assert.match(story(2, { ...told, masked: false }), /sees later tokens/);
  assert.match(story(3, told), /Most goes to “t1”: 0.75/);
});
