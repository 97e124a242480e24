import assert from "node:assert/strict";
import test from "node:test";

import {
  chain,
  crosses,
  fromPlane,
  nudged,
  placeNames,
  reach,
  toPlane,
} from "../../../llmlib/widgets/attention_steps/plane.mjs";
import { attend, number, rowsOf, rowText, shortRow, story } from "../../../llmlib/widgets/attention_steps/stages.mjs";

const close = (a, b) => a.forEach((x, i) => assert.ok(Math.abs(x - b[i]) < 1e-12, `${a} is not ${b}`));

test("rows are unpacked at any offset, and a moved vector replaces its row", () => {
  const bytes = new Uint8Array(17);
  const view = new DataView(bytes.buffer, 1);
  [1, 2, 3, -4].forEach((x, i) => view.setFloat32(4 * i, x, true));
  assert.deepEqual(rowsOf(view, 2, "k", {}), [
    [1, 2],
    [3, -4],
  ]);
  assert.deepEqual(rowsOf(view, 2, "k", { k1: [9, 9], q0: [7, 7] }), [
    [1, 2],
    [9, 9],
  ]);
});

test("attention is computed stage by stage, and scaling or the mask can be switched off", () => {
  const q = [2, 0, 0, 0];
  const keys = [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [5, 0, 0, 0],
  ];
  const values = [
    [1, 0, 0, 0],
    [0, 1, 0, 0],
    [0, 0, 1, 0],
  ];
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

test("the softmax of huge scores does not overflow", () => {
  close(
    attend(
      [1000, 0],
      [
        [1000, 0],
        [999, 0],
      ],
      [
        [1, 0],
        [0, 1],
      ],
      1,
      true,
      true,
    ).weights,
    [1, 0],
  );
});

test("numbers are written with two decimals, a real minus sign and no negative zero", () => {
  assert.deepEqual([-0.125, -0.001, 12, -Infinity].map(number), ["−0.13", "0.00", "12.00", "−∞"]);
  assert.equal(rowText([1, -1]), "(1.00, −1.00)");
});

test("the plane has room for all arrows, and its points map to pixels and back", () => {
  assert.equal(reach([[0.1, 0.2]]), 2);
  assert.equal(
    reach([
      [0, -3.5],
      [1, 1],
    ]),
    4,
  );
  assert.deepEqual(toPlane([0, 0], 100, 2), [50, 50]);
  assert.deepEqual(toPlane([2, 2], 100, 2), [86, 14]); // leaves room for the whole tip
  assert.deepEqual(fromPlane(...toPlane([0.5, -1.25], 340, 2), 340, 2), [0.5, -1.25]);
  assert.deepEqual(fromPlane(-50, 500, 100, 2), [-2, -2]);
});

test("arrow keys nudge a vector, but not past the edge; other keys do nothing", () => {
  assert.deepEqual(nudged([0, 0], "ArrowUp", false, 2), [0, 0.1]);
  assert.deepEqual(nudged([0, 0], "ArrowLeft", true, 2), [-0.5, 0]);
  assert.deepEqual(nudged([1.95, 0], "ArrowRight", false, 2), [2, 0]);
  assert.equal(nudged([0, 0], "Tab", false, 2), null);
});

test("the story of a stage says what it does and what is switched off", () => {
  const state = { scaled: true, masked: true, width: 4, name: (row) => `t${row}`, made: { weights: [0.25, 0.75] } };
  assert.match(story(1, state), /√4 = 2.00/);
  assert.match(story(1, { ...state, scaled: false }), /^Scaling is switched off/);
  assert.match(story(2, { ...state, masked: false }), /sees later tokens/);
  assert.match(story(3, state), /The largest goes to “t1”: 0.75/);
});

test("a long vector is shortened with an ellipsis", () => {
  assert.equal(shortRow([1, 2, 3, 4]), "(1.00, 2.00, 3.00, 4.00)");
  assert.equal(shortRow([1, 2, 3, 4, 5]), "(1.00, 2.00, 3.00, …)");
});

test("weighted values joined end to end lead to the output", () => {
  const values = [
    [1, 0],
    [0, 1],
    [-2, 3],
  ];
  const weights = [0.5, 0.25, 0.25];
  assert.deepEqual(chain(values, weights), [
    [0, 0],
    [0.5, 0],
    [0.5, 0.25],
    [0, 1],
  ]);
  const made = attend(
    [1, 0],
    [
      [1, 2],
      [0, 1],
      [2, 2],
    ],
    values,
    2,
    true,
    true,
  );
  close(chain(values, made.weights).at(-1), made.output);
});

test("segments that cross a box or lie inside it are detected, and others are not", () => {
  const box = { left: 10, right: 20, top: 10, bottom: 20 };
  assert.ok(crosses([0, 0], [30, 30], box));
  assert.ok(crosses([12, 12], [14, 14], box));
  assert.ok(!crosses([0, 0], [9, 9], box));
  assert.ok(!crosses([0, 15], [9, 15], box));
  assert.ok(!crosses([0, 25], [30, 25], box));
});

test("names stay inside the plane and overlap neither arrows nor other names", () => {
  const size = 340;
  const vectors = [
    [-1.5, 0.5],
    [2, 0.8],
    [0.3, -1.7],
    [-0.8, -1.2],
    [0.8, 2],
    [2, 0.5],
    [3, 3],
    [-3, -3],
  ];
  const tips = vectors.map((vector, k) => {
    const [x, y] = toPlane(vector, size, 3);
    return { x, y, label: `·word ${k}` };
  });
  const lines = tips.map(({ x, y }) => [
    [size / 2, size / 2],
    [x, y],
  ]);
  const boxes = placeNames(tips, lines, size).map(({ x, y }, k) => ({
    left: x,
    right: x + 8 * tips[k].label.length,
    top: y - 12,
    bottom: y + 4,
  }));
  for (const box of boxes) {
    assert.ok(box.left >= 0 && box.right <= size && box.top >= 0 && box.bottom <= size);
    assert.equal(lines.filter(([a, b]) => crosses(a, b, box)).length, 0);
    assert.equal(
      boxes.filter(
        (one) =>
          one !== box && box.left < one.right && box.right > one.left && box.top < one.bottom && box.bottom > one.top,
      ).length,
      0,
    );
  }
  // names for which there is no room cause no error
  const dense = Array.from({ length: 40 }, () => ({ x: 170, y: 170, label: "x".repeat(40) }));
  assert.equal(placeNames(dense, [], size).length, 40);
});
