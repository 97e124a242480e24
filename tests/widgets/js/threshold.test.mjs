import assert from "node:assert/strict";
import test from "node:test";

import {
  binned,
  countsAt,
  groupWords,
  groupsInWords,
  nearestOf,
  reaching,
  scoreText,
  shareText,
  stepsOf,
  tallest,
  thinned,
  thresholdAt,
  tickFor,
  tickOf,
  ticksOf,
  tradeInWords,
  unpackScores,
} from "../../../llmlib/widgets/threshold/data.mjs";

const VALUES = [0.9, 0.2, 0.5, 0.5, 0.7, 0];
const RIGHT = [1, 0, 1, 0, 0, 1];

/** A score unpacked from what Python packs, at an odd offset in a larger buffer. */
function score(values = VALUES, right = RIGHT, axis = { low: 0, high: 1, step: 0.005 }) {
  const n = values.length;
  const bytes = new Uint8Array(3 + 9 * n);
  new Uint8Array(bytes.buffer, 3).set(new Uint8Array(Float64Array.from(values).buffer));
  bytes.set(right, 3 + 8 * n);
  return unpackScores({ n, scores: [{ name: "p", ...axis }] }, new DataView(bytes.buffer, 3))[0];
}

test("a threshold divides answers into four groups, and lets through a score that equals it", () => {
  assert.deepEqual(countsAt(score(), 0.5), {
    kept: 4,
    of: 6,
    kept_right: 2,
    kept_wrong: 2,
    lost_right: 1,
    lost_wrong: 1,
  });
  assert.equal(reaching(score(), 0), 6);
  assert.equal(reaching(score(), 0.91), 0);
});

test("the curves take one step for all equal scores, and go from none let through to all", () => {
  const steps = stepsOf(score());
  assert.deepEqual(
    steps.map(({ kept, right, wrong }) => [kept, right, wrong]),
    [
      [0, 0, 0],
      [1, 1, 0],
      [2, 1, 1],
      [4, 2, 2],
      [5, 2, 3],
      [6, 3, 3],
    ],
  );
  assert.deepEqual(thinned([1, 2, 3, 4, 5], 3), [1, 3, 5]);
});

test("each step of the slider has its own threshold", () => {
  const one = score();
  assert.equal(ticksOf(one), 200);
  assert.equal(thresholdAt(one, 29), 0.145); // and not 0.14500000000000002
  for (const tick of [0, 1, 77, 200]) assert.equal(tickOf(one, thresholdAt(one, tick)), tick);
  assert.equal(tickOf(one, -3), 0);
  assert.equal(tickOf(one, 3), 200);
  const many = Array.from({ length: 200 }, (_, k) => k / 200);
  const all = score(
    many,
    many.map(() => 1),
  ); // each value is on a step, and rounding must not put it on the wrong side
  many.forEach((_, k) => assert.equal(reaching(all, thresholdAt(all, k)), 200 - k));
});

test("the slider finds a threshold that lets a given number of answers through", () => {
  const one = score();
  for (const kept of [0, 1, 2, 4, 5, 6]) assert.equal(reaching(one, thresholdAt(one, tickFor(one, kept))), kept);
  assert.equal(thresholdAt(one, tickFor(one, 1)), 0.805); // the middle of all thresholds that let one through
});

test("every answer is in one bin, and the highest score is in the last", () => {
  const bins = binned(score(), 5);
  assert.equal(bins.length, 40);
  assert.deepEqual(tallest(bins), [1, 1]);
  const found = bins.flatMap(({ right, wrong }) => [...right, ...wrong]);
  assert.deepEqual(found.toSorted(), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(binned(score([1], [1]), 5).at(-1).right, [0]);
  assert.deepEqual(binned(score([1], [1]), 7).at(-1).to, 1);
});

test("the answers of a group are sorted, the nearest to the threshold first", () => {
  const one = score();
  assert.deepEqual(nearestOf(one, 4, "kept_right", 9), [2, 0]);
  assert.deepEqual(nearestOf(one, 4, "kept_wrong", 1), [3]);
  assert.deepEqual(nearestOf(one, 4, "lost_right", 9), [5]);
  assert.deepEqual(nearestOf(one, 6, "lost_wrong", 9), []);
});

test("a single answer is described, whether or not it is let through", () => {
  const one = score([0.5], [1]);
  assert.deepEqual(groupsInWords(countsAt(one, 0.6), ["right", "wrong"]), [
    "0 of 1 let through: 0 right, 0 wrong.",
    "1 withheld: 1 right, 0 wrong.",
  ]);
  assert.equal(tradeInWords(one, 0.6, countsAt(one, 0.6), ["right", "wrong"]), "p ≥ 0.6 lets nothing through.");
  assert.equal(
    tradeInWords(one, 0.5, countsAt(one, 0.5), ["real", "invented"]),
    "p ≥ 0.5 lets 1 of 1 through, and 100% of these are real.",
  );
});

test("a tile describes its group", () => {
  const words = (group) => Object.values(groupWords(group, countsAt(score(), 0.5), ["real", "invented"])).join("|");
  assert.equal(words("lost_right"), "1|real, lost|33% of all real");
  assert.equal(words("lost_wrong"), "1|invented, caught|33% of all invented");
  assert.equal(words("kept_wrong"), "2|invented, let through|67% of all invented");
});

test("scores and shares are written briefly", () => {
  assert.deepEqual([0.62, -3, -0, 1234.5].map(scoreText), ["0.62", "−3", "0", "1234.5"]);
  assert.deepEqual(
    [
      [7, 8],
      [1, 1000],
      [999, 1000],
      [0, 0],
      [0, 5],
    ].map(([part, all]) => shareText(part, all)),
    ["88%", "0.1%", "99.9%", "none", "0%"],
  );
});

test("ten thousand answers are counted correctly at each threshold", () => {
  const n = 10_000;
  const values = Array.from({ length: n }, (_, k) => ((k * 7919) % n) / n);
  const one = score(
    values,
    values.map((value, k) => Number((k * 31) % 97 < 97 * value)),
  );
  for (let tick = 0; tick <= 200; tick++) {
    const threshold = thresholdAt(one, tick);
    assert.equal(countsAt(one, threshold).kept, values.filter((value) => value >= threshold).length);
  }
});
