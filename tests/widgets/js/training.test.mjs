import assert from "node:assert/strict";
import { test } from "node:test";
import { numbersOf, sampleAt, stepsOfSamples } from "../../../llmlib/widgets/training/data.mjs";
import {
  columnsBetween,
  placeAmong,
  powersOf,
  quantilesInWords,
  sizeInWords,
  unpackInside,
} from "../../../llmlib/widgets/training/sizes.mjs";
import { stripFrame } from "../../../llmlib/widgets/training/strip.mjs";

test("statistics from inside a model are unpacked from their bytes", () => {
  const n = 2;
  const groups = 2;
  const bytes = new DataView(new ArrayBuffer(1 + 4 * (2 + 2 * n + n * 3 * groups * 5) + 8), 1);
  [n, groups, 1, 10].forEach((value, k) => bytes.setUint32(4 * k, value, true));
  for (let k = 0; k < 2 + n * 3 * groups * 5; k++) bytes.setFloat32(16 + 4 * k, k < 2 ? k + 0.5 : k - 2, true);
  const [run, empty] = unpackInside(bytes); // a run without statistics has no records
  assert.deepEqual(
    [[...run.steps], [...run.seconds]],
    [
      [1, 10],
      [0.5, 1.5],
    ],
  );
  assert.deepEqual([...run.at(0, 0, 0)], [0, 1, 2, 3, 4]);
  assert.deepEqual([...run.at(2, 1, 1)], [55, 56, 57, 58, 59]);
  assert.equal(empty.n, 0);
});

test("sizes have places on a scale of powers of ten, and are written briefly", () => {
  assert.deepEqual(powersOf([0.002, 0.5, 0, NaN], 9), [-3, 0]);
  assert.deepEqual(powersOf([1e-9, 0.5], 3), [-3, 0], "a size of next to nothing does not hide the others");
  assert.deepEqual(powersOf([0.001, 0.001], 9), [-3, -2]);
  assert.deepEqual(powersOf([NaN, 0], 9), [-4, 0]);
  assert.equal(placeAmong(0.01, [-3, -1]), 0.5);
  assert.deepEqual(
    [0, 1e9, NaN].map((size) => placeAmong(size, [-3, -1])),
    [0, 1, null],
  );
  const expected = ["0.0012", "3.2e-5", "140", "0", "not known", "0.01"];
  assert.deepEqual([0.00123, 3.2e-5, 140, 0, NaN, 0.01].map(sizeInWords), expected);
  assert.equal(sizeInWords(1e-4), "1e-4");
  assert.equal(
    quantilesInWords("block 1", 1200, [1, 2, 3, 4, 5]),
    "block 1, step 1,200: median 3; half are between 2 and 4, nine in ten between 1 and 5.",
  );
  assert.equal(quantilesInWords("output", 1, [NaN, NaN, NaN, NaN, NaN]), "output, step 1: nothing to measure.");
});

test("a strip turns parts and steps into places, and places into parts and steps", () => {
  assert.deepEqual(columnsBetween([1, 11, 21], [0, 100]), [
    { record: 0, left: 0, right: 6 },
    { record: 1, left: 6, right: 16 },
    { record: 2, left: 16, right: 26 },
  ]);
  assert.deepEqual(columnsBetween([1, 11, 21], [7, 12]), [{ record: 1, left: 7, right: 12 }]);
  assert.deepEqual(columnsBetween([1], [0, 9]), [{ record: 0, left: 0, right: 2 }]);
  const frame = stripFrame(5, [0, 400], 480);
  for (let group = 0; group < 5; group++)
    assert.deepEqual(frame.at(frame.toX(100), frame.top(group) + 1), { group, x: 100 });
  assert.ok(frame.top(0) > frame.top(4), "the bottom of the model is at the bottom");
  assert.equal(frame.at(0, -5).group, null);
  assert.ok(stripFrame(60, [0, 1], 480).row >= 10, "rows of a deep model can still be seen");
});

test("samples from several runs are looked up by step", () => {
  const samples = [
    [0, 10, "a"],
    [0, 20, "b"],
    [1, 15, "c"],
  ];
  assert.deepEqual(stepsOfSamples(samples, [0, 1]), [10, 15, 20]);
  assert.deepEqual(stepsOfSamples(samples, [1]), [15]);
  assert.deepEqual(sampleAt(samples, 0, 15), [0, 10, "a"]);
  assert.equal(sampleAt(samples, 1, 10), undefined);
});

test("the last step of a run is described in words", () => {
  const run = { loss: 1.5, validation_loss: 1.75, best: 1.7, best_step: 200, tokens_per_second: 5200.4 };
  assert.equal(numbersOf(run), "loss 1.500 · validation 1.750 (lowest 1.700 at step 200) · 5,200 tokens per second");
  assert.equal(numbersOf({}), "");
});
