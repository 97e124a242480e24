import assert from "node:assert/strict";
import test from "node:test";

import {
  ASPECT,
  cameraNumbers,
  countKinds,
  drawingOrder,
  makeScreen,
  panned,
  pick,
  projectCloud,
  revealed,
  rowOfTyped,
  scaleOf,
  searchTokens,
  soundCamera,
  startCamera,
  turned,
  typedOf,
  typedText,
  UNDRAWN,
  unpackCloud,
  zoomed,
} from "../../../llmlib/widgets/embeddings/data.mjs";
import { cloudOf, flat, near, SQUARE, unaligned } from "./embeddings_clouds.mjs";

test("labels and points are unpacked at any offset, and the points are centred", () => {
  assert.equal(SQUARE.n, 4);
  assert.deepEqual([0, 1, 2, 3].map(SQUARE.label), ["·a", "<b>", "∅", "⟨F0 9F⟩"]);
  assert.deepEqual(SQUARE.texts(), [" a", "<b>", "", "\ufffd"]);
  near(
    SQUARE.xyz.reduce((a, b) => a + b),
    0,
  );
  const aside = cloudOf(
    [
      [0.5, 0, 0],
      [0.7, 0, 0],
    ],
    ["a", "b"],
  );
  near(aside.xyz[0], -0.1);
  near(aside.xyz[3], 0.1);
});

test("rare kinds are drawn last", () => {
  const kinds = Uint8Array.from([1, 0, 1, 2, 2, 2]);
  const counts = countKinds(kinds, 3);
  assert.deepEqual(counts, [1, 2, 3]);
  assert.deepEqual([...drawingOrder(kinds, counts)], [3, 4, 5, 0, 2, 1]);
  assert.deepEqual([...drawingOrder(Uint8Array.from([0, 0]), [2, 0])], [0, 1]);
});

test("y grows upwards, and the camera sets how long one unit is", () => {
  const { x, y } = projectCloud(SQUARE, flat, 200, 100, makeScreen(4));
  near(scaleOf(flat, 200, 100), 25);
  near(x[0], 75, 0.01);
  near(y[0], 75, 0.01);
  near(y[2], 25, 0.01);
});

test("from the front, a three-dimensional cloud differs from a flat one only by perspective", () => {
  const cloud = cloudOf(
    [
      [-1, 0, 0],
      [1, 0, 0],
      [0, 1, 1],
      [0, -1, -1],
    ],
    ["a", "b", "c", "d"],
  );
  const { x, y, z } = projectCloud(cloud, { ...flat, dims: 3 }, 100, 100, makeScreen(4));
  near(x[1], 75, 0.01);
  assert.ok(50 - y[2] > y[3] - 50, "what is nearer looks larger");
  assert.ok(z[2] > z[3]);
});

test("turns are rotations: turning there and back changes nothing, and lengths stay the same", () => {
  let m = turned(turned(flat.turn, 0.4, 0), 0, -0.9);
  for (const r of [0, 3, 6]) near(Math.hypot(m[r], m[r + 1], m[r + 2]), 1);
  m = turned(turned(m, 0, 0.9), -0.4, 0);
  flat.turn.forEach((v, k) => near(m[k], v));
  const cloud = cloudOf(
    [
      [0, 0, 1],
      [0, 0, -1],
    ],
    ["front", "back"],
  );
  const { x } = projectCloud(cloud, { ...flat, dims: 3, turn: turned(flat.turn, 0.5, 0) }, 100, 100, makeScreen(2));
  assert.ok(x[0] > 50, "dragging to the right takes the front to the right");
  const { y } = projectCloud(cloud, { ...flat, dims: 3, turn: turned(flat.turn, 0, 0.5) }, 100, 100, makeScreen(2));
  assert.ok(y[0] > 50, "dragging down takes the front down");
});

test("dragging moves points with the pointer; zooming keeps the point under the pointer in place", () => {
  const before = projectCloud(SQUARE, flat, 200, 100, makeScreen(4));
  const after = projectCloud(SQUARE, panned(flat, 7, -5, 200, 100), 200, 100, makeScreen(4));
  near(after.x[1] - before.x[1], 7, 0.01);
  near(after.y[1] - before.y[1], -5, 0.01);
  const close = projectCloud(SQUARE, zoomed(flat, 3, before.x[1], before.y[1], 200, 100), 200, 100, makeScreen(4));
  near(close.x[1], before.x[1], 0.01);
  near(close.y[1], before.y[1], 0.01);
  near(close.x[1] - close.x[0], 3 * (before.x[1] - before.x[0]), 0.02);
  assert.equal(zoomed(flat, 1e9, 0, 0, 200, 100).zoom, 400);
  assert.equal(zoomed(flat, 1e-9, 0, 0, 200, 100).zoom, 0.2);
  assert.ok(Math.abs(panned(flat, -1e9, 0, 200, 100).x) <= 2);
});

test("the camera centres on a point only if the point is not well inside the picture", () => {
  assert.equal(revealed(flat, [100, 50], 200, 100), flat);
  const close = { ...flat, zoom: 5 };
  const { x, y } = projectCloud(SQUARE, close, 200, 100, makeScreen(4));
  const to = projectCloud(SQUARE, revealed(close, [x[1], y[1]], 200, 100), 200, 100, makeScreen(4));
  near(to.x[1], 100, 0.01);
  near(to.y[1], 50, 0.01);
});

test("the initial camera ignores outliers, and works for one point or points that coincide", () => {
  const many = cloudOf(
    [...Array.from({ length: 1000 }, (_, i) => [0.1 * Math.sin(i), 0.1 * Math.cos(i), 0]), [1, 1, 0]],
    Array(1001).fill("x"),
  );
  assert.equal(startCamera(many, 2).zoom, 8);
  near(startCamera(SQUARE, 2).zoom, 0.95); // the square is almost as high as the picture
  const turned3 = startCamera(SQUARE, 3);
  const seen = projectCloud(SQUARE, turned3, 150, 100, makeScreen(4));
  for (const y of seen.y) assert.ok(y >= 0 && y <= 100);
  for (const x of seen.x) assert.ok(x >= 0 && x <= 150);
  near(
    startCamera(
      cloudOf(
        [
          [-1, 0, 0],
          [1, 0, 0],
        ],
        ["a", "b"],
      ),
      2,
    ).zoom,
    0.95 * ASPECT,
    1e-3,
  );
  assert.ok(Number.isFinite(startCamera(cloudOf([[0, 0, 0]], ["one"]), 2).zoom));
  assert.ok(
    Number.isFinite(
      startCamera(
        cloudOf(
          [
            [0.2, 0, 0],
            [0.2, 0, 0],
          ],
          ["a", "b"],
        ),
        3,
      ).zoom,
    ),
  );
});

test("cameras are sent as numbers, and anything that is not a camera is ignored", () => {
  const camera = { ...flat, x: 0.123456789, zoom: 7 };
  near(soundCamera(cameraNumbers(camera), flat).x, 0.12346, 1e-9);
  for (const wrong of [undefined, [], [1, 2], Array(12).fill("x"), Array(12).fill(NaN)])
    assert.equal(soundCamera(wrong, flat), flat);
  assert.equal(soundCamera([0, 0, 1e12, ...flat.turn], flat).zoom, 400);
});

const WORDS = ["king", " King", " king", "asking", " kings", " kingdom", "KING", "\n", " ", "·"];

test("a search finds tokens that contain the text, with the best matches first", () => {
  assert.deepEqual(searchTokens(WORDS, "king").rows, [0, 1, 2, 6, 4, 5, 3]);
  assert.deepEqual(searchTokens(WORDS, "·king").rows, [2, 1, 4, 5]);
  assert.deepEqual(searchTokens(WORDS, " king", { whole: true }), { rows: [2], total: 1 });
  assert.deepEqual(searchTokens(WORDS, "king", { most: 2 }), { rows: [0, 1], total: 7 });
  assert.deepEqual(searchTokens(WORDS, "", {}), { rows: [], total: 0 });
  assert.deepEqual(searchTokens(WORDS, "⏎").rows, [7]);
  assert.deepEqual(searchTokens(WORDS, "zebra"), { rows: [], total: 0 });
  assert.deepEqual(searchTokens(WORDS, "(?:[").total, 0); // plain text, not a pattern
});

test("a quoted word stands for exactly that token; without quotes, a space before it is preferred", () => {
  assert.equal(rowOfTyped(WORDS, "king"), 2);
  assert.equal(rowOfTyped(WORDS, "·king"), 2);
  assert.equal(rowOfTyped(WORDS, '"king"'), 0);
  assert.equal(rowOfTyped(WORDS, "asking"), 3);
  assert.equal(rowOfTyped(WORDS, "queen"), -1);
  assert.equal(rowOfTyped(WORDS, ""), -1);
  for (const row of [0, 1, 2, 3, 7, 8]) assert.equal(rowOfTyped(WORDS, typedOf(WORDS[row])), row);
  assert.equal(typedOf(" king"), "·king");
  assert.equal(typedText("a·b"), "a b");
});

test("the initial camera looks at the middle of the cloud, wherever the mean of its points is", () => {
  const aside = cloudOf([...Array.from({ length: 8 }, () => [-1, 0, 0]), [1, 0.5, 0]], Array(9).fill("x"));
  const { x, y } = projectCloud(aside, startCamera(aside, 2), 150, 100, makeScreen(9));
  near(x[0] + x[8], 150, 0.01);
  near(y[0] + y[8], 100, 0.01);
  near(x[8] - x[0], 0.95 * 150, 0.05); // the points almost fill the picture's width
});

test("rows that a map does not draw are neither counted nor picked", () => {
  const typed = Uint16Array.from([0, 0, 0, 65535, 0, 0, 0, 65535, 0]);
  const ends = Uint32Array.from([1, 2, 3]);
  const cloud = unpackCloud(
    unaligned(typed),
    unaligned(Uint8Array.from([97, 98, 99])),
    unaligned(ends),
    unaligned(Uint8Array.from([1, 0, 0])),
    2,
  );
  assert.deepEqual([...cloud.kinds], [1, 0, UNDRAWN]);
  assert.deepEqual([cloud.n, cloud.drawn, cloud.label(2)], [3, 2, "c"]);
  const counts = countKinds(cloud.kinds, 2);
  assert.deepEqual(counts, [1, 1]);
  assert.deepEqual([...drawingOrder(cloud.kinds, counts)], [1, 0]);
  const screen = projectCloud(cloud, flat, 100, 100, makeScreen(3));
  assert.equal(pick(screen, cloud.kinds, new Set([UNDRAWN]), screen.x[2], screen.y[2], 5), -1);
  assert.ok(Number.isFinite(startCamera(cloud, 2).zoom));
});
