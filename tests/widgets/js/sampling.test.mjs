import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cutAt,
  layOut,
  measures,
  mostDrawn,
  neighbour,
  pathTo,
  scaleFor,
  stageInWords,
  straying,
  treeAsJson,
  unpackTree,
  within,
} from "../../../llmlib/widgets/sampling/data.mjs";
import { placeOf, SETTINGS, settingsInWords, tokensAt } from "../../../llmlib/widgets/shared/settings.mjs";
import { surpriseShade, tinyShare } from "../../../llmlib/widgets/shared/surprise.mjs";

/** A tree unpacked from what `Branches.pack` writes, at an odd offset; each node is [parent, id, log-probability]. */
function treeOf(nodes) {
  const all = [[-1, 0, 0], ...nodes];
  const n = all.length;
  const bytes = new DataView(new ArrayBuffer(17 * n + 1), 1);
  all.forEach(([parent, id, logProb], k) => {
    bytes.setUint32(4 * k, id, true);
    bytes.setInt32(4 * (n + k), parent, true);
    bytes.setFloat32(4 * (2 * n + k), logProb, true);
    bytes.setFloat32(4 * (3 * n + k), 0.5, true);
    bytes.setUint8(16 * n + k, k ? 1 : 0);
  });
  return unpackTree(bytes);
}
const chain = (length, from = 0, first = 1) =>
  Array.from({ length }, (_, k) => [k ? first + k - 1 : from, 100 + k, -1]);
const widthOf = () => 50;

test("a tree is unpacked from its bytes", () => {
  const tree = treeOf([
    [0, 7, -1],
    [1, 8, -2],
    [1, 9, -0.5],
  ]);
  assert.deepEqual([...tree.parents], [-1, 0, 1, 1]);
  assert.deepEqual(pathTo(tree, 3), [1, 3]);
  assert.deepEqual(pathTo(tree, 0), []);
  const listed = treeAsJson(tree, "The", { 7: " cat", 8: " sat" });
  assert.deepEqual(listed[0], {
    node: 0,
    parent: null,
    id: null,
    token: "The",
    log_prob: 0,
    chance: 1 / 2,
    way: "prompt",
  });
  assert.deepEqual(listed[2], { node: 2, parent: 1, id: 8, token: " sat", log_prob: -2, chance: 0.5, way: "chance" });
});

test("a first child continues the row of its parent, and each other child opens a row below", () => {
  const tree = treeOf([
    [0, 1, -1],
    [1, 2, -1],
    [1, 3, -2],
    [0, 4, -3],
    [3, 5, -1],
  ]);
  const { boxes, ends, totals, rows, width } = layOut(tree, { at: 2, widthOf });
  assert.deepEqual(
    boxes.map(({ node, row, x }) => [node, row, x]),
    [
      [0, 0, 0],
      [1, 0, 60],
      [2, 0, 120],
      [3, 1, 120],
      [5, 1, 180],
      [4, 2, 60],
    ],
  );
  assert.equal(rows, 3);
  assert.equal(width, 230);
  assert.deepEqual(
    ends.map(({ node }) => node),
    [2, 5, 4],
  );
  assert.deepEqual(
    ends.map(({ node }) => totals[node]),
    [-2, -4, -3],
  );
});

test("the middle of a long stretch is folded, unless the text ends in it or the reader opened it", () => {
  const tree = treeOf(chain(30));
  const { boxes } = layOut(tree, { at: 30, widthOf });
  assert.equal(boxes.length, 1 + 3 + 1 + 3);
  assert.deepEqual(
    boxes[4].hidden,
    Array.from({ length: 24 }, (_, k) => k + 4),
  );
  assert.equal(layOut(tree, { at: 15, widthOf }).boxes.length, 31);
  assert.equal(layOut(tree, { at: 30, open: new Set([4]), widthOf }).boxes.length, 31);
  assert.equal(layOut(treeOf(chain(8)), { at: 8, widthOf }).boxes.length, 9);
  assert.ok(layOut(treeOf(chain(20_000)), { at: 20_000, widthOf }).boxes.length < 10, "no tree is too deep");
});

test("every node is shown or folded, whatever the tree", () => {
  let seed = 1;
  const random = (n) => {
    seed = (seed * 16807) % 2147483647;
    return seed % n;
  };
  for (let times = 0; times < 30; times++) {
    const tree = treeOf(Array.from({ length: 120 }, (_, k) => [random(3) ? k : random(k + 1), random(9), -1]));
    const { boxes, rows, ends } = layOut(tree, { at: random(121), widthOf });
    assert.deepEqual(
      boxes.flatMap(({ node, hidden }) => hidden ?? [node]).sort((a, b) => a - b),
      Array.from({ length: 121 }, (_, k) => k),
    );
    for (const one of boxes)
      for (const other of boxes)
        if (one !== other && one.row === other.row)
          assert.ok(one.x + one.width <= other.x || other.x + other.width <= one.x);
    assert.equal(ends.length, rows);
  }
});

test("keys move to parents, children and neighbours", () => {
  const { boxes } = layOut(
    treeOf([
      [0, 1, -1],
      [1, 2, -1],
      [1, 3, -2],
      [0, 4, -3],
    ]),
    { at: 2, widthOf },
  );
  const at = (from, key) =>
    boxes[
      neighbour(
        boxes,
        boxes.findIndex(({ node }) => node === from),
        key,
      )
    ].node;
  assert.deepEqual(
    [
      at(0, "ArrowLeft"),
      at(0, "ArrowRight"),
      at(2, "ArrowRight"),
      at(2, "ArrowLeft"),
      at(2, "ArrowDown"),
      at(3, "ArrowDown"),
      at(4, "ArrowUp"),
      at(3, "Home"),
      at(0, "ArrowUp"),
    ],
    [0, 1, 2, 1, 3, 4, 3, 0, 0],
  );
});

test("a scale covers what is drawn, and has ticks", () => {
  assert.deepEqual(
    [0, 0.03, 0.31, 0.8, 0.81, 1].map((p) => scaleFor(p).end),
    [0.04, 0.04, 0.4, 0.8, 1, 1],
  );
  assert.deepEqual(scaleFor(0.5).ticks, [0, 0.2, 0.4, 0.6000000000000001, 0.8]);
});

test("a stage shows only what it or an earlier stage has cut", () => {
  const stages = ["model", "logit_bias", "temperature", "top_k"].map((name) => ({ name }));
  const seen = (cut) => [1, 2, 3, null].map((k) => cutAt(cut, stages, k));
  assert.deepEqual(seen("top_k"), ["", "", "top_k", "top_k"]);
  assert.deepEqual(seen("logit_bias"), Array(4).fill("logit_bias"));
  assert.deepEqual(seen(""), Array(4).fill(""));
});

test("the scale for draws covers the shares and their expected range, and nothing more", () => {
  assert.equal(mostDrawn([0.4, 0.3], [0, 0], 0), 0.4, "before the first draw");
  assert.equal(mostDrawn([0.1, 0], [0.5, 0.1], 100), 0.5);
  assert.equal(mostDrawn([0.5, 0.5], [0.5, 0.5], 100), 0.6, "the whole range in which most draws end");
});

test("the expected range of a share of draws is computed, and shares within it are counted", () => {
  assert.equal(straying(0.5, 100), 0.1);
  assert.deepEqual(within([50, 30, 20, 0], [0.5, 0.5, 0.2, 0], 100), { inside: 2, of: 3 });
});

test("surprise has a shade, and tiny probabilities are written as powers of ten", () => {
  assert.deepEqual(
    [0, Math.log(0.1), -99].map((logProb) => Number(surpriseShade(logProb).toFixed(3))),
    [0, 0.333, 1],
  );
  assert.deepEqual([Math.log(0.5), Math.log(0.004), Math.log(4.4e-10), Math.log(9.97e-8), -1000].map(tinyShare), [
    "50%",
    "0.4%",
    "4.4 × 10⁻¹⁰",
    "1.0 × 10⁻⁷",
    "5.1 × 10⁻⁴³⁵",
  ]);
});

test("settings are described in words", () => {
  const neutral = Object.fromEntries(SETTINGS.map(({ name, neutral: value }) => [name, value]));
  assert.equal(settingsInWords(neutral), "no settings");
  assert.equal(
    settingsInWords({ ...neutral, temperature: 0, top_k: 40 }, [3], "a|b"),
    "temperature 0 · top_k 40 · 1 banned · pattern a|b",
  );
  assert.equal(stageInWords("top_p", { top_p: 0.9 }), "top_p 0.9");
  assert.equal(stageInWords("constraint", {}), "pattern");
});

test("each place on a slider stands for a number of tokens", () => {
  assert.equal(tokensAt(100, 49152), null);
  assert.equal(tokensAt(0, 49152), 1);
  assert.equal(placeOf(null, 49152), 100);
  for (const k of [0, 20, 50, 99]) assert.ok(Math.abs(placeOf(tokensAt(k, 49152), 49152) - k) <= 3);
  assert.equal(placeOf(5, 1), 99);
});

test("the mean surprise of a text and its share of distinct pairs are computed", () => {
  assert.deepEqual(measures([1, 2, 1, 2, 1], [-1, -2, -3, -1, -1]), { surprise: 1.6, distinct: 0.5 });
  assert.ok(Number.isNaN(measures([], []).surprise));
});
