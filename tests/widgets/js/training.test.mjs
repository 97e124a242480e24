import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bandPath,
  capOf,
  columnsOf,
  domainOf,
  duration,
  inWindow,
  linePath,
  logTicksBetween,
  moveInto,
  movingAverage,
  nearest,
  readingAt,
  readingInWords,
  scaleOf,
  shortly,
  spread,
  standingOf,
  stepsInWords,
  ticksBetween,
  unpackCurves,
  windowBetween,
} from "../../../llmlib/widgets/shared/runs/curves.mjs";
import { METRICS, numbersOf, sampleAt, stepsOfSamples } from "../../../llmlib/widgets/training/data.mjs";
import {
  columnsBetween,
  placeAmong,
  powersOf,
  quantilesInWords,
  sizeInWords,
  unpackInside,
} from "../../../llmlib/widgets/training/sizes.mjs";
import { stripFrame } from "../../../llmlib/widgets/training/strip.mjs";

/** A curve as `Curve.pack` writes it: rows of [first, last, seconds, ...means, (...lows, ...highs)]. */
function packed(width, values, rows) {
  const bytes = new DataView(new ArrayBuffer(4 * (3 + rows.reduce((sum, row) => sum + row.length, 0))));
  [rows.length, width, values].forEach((value, k) => bytes.setUint32(4 * k, value, true));
  const columns = rows[0]?.length ?? 0;
  for (let c = 0; c < columns; c++)
    rows.forEach((row, k) => bytes[c < 2 ? "setUint32" : "setFloat32"](12 + 4 * (c * rows.length + k), row[c], true));
  return new Uint8Array(bytes.buffer);
}

/** Several of them, at an odd offset. */
function together(...parts) {
  const whole = new Uint8Array(1 + parts.reduce((sum, part) => sum + part.length, 0));
  let at = 1;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new DataView(whole.buffer, 1);
}

const wide = packed(2, 4, [
  [1, 2, 1, 4, 0.5, 1, 100, 3, 0.5, 1, 90, 5, 0.5, 1, 110],
  [3, 4, 2, 2, 0.25, 2, 200, 1, 0.25, 1, 190, 3, 0.25, 3, 210],
]);
const seen = packed(1, 1, [[4, 4, 2, 2.5]]);
const curves = unpackCurves(together(wide, seen))[0];

test("curves come back from their bytes", () => {
  const runs = unpackCurves(together(wide, seen, packed(1, 4, []), packed(1, 1, [])));
  assert.equal(runs.length, 2);
  assert.deepEqual([...runs[0].steps.last], [2, 4]);
  assert.deepEqual(
    runs[0].steps.mean.map((row) => [...row]),
    [
      [4, 2],
      [0.5, 0.25],
      [1, 2],
      [100, 200],
    ],
  );
  assert.deepEqual(
    [[...runs[0].steps.low[0]], [...runs[0].steps.high[0]]],
    [
      [3, 1],
      [5, 3],
    ],
  );
  assert.deepEqual([...runs[0].dashed.high[0]], [2.5], "one step is its own highest");
  assert.equal(runs[1].steps.n, 0);
  assert.deepEqual(unpackCurves(new DataView(new ArrayBuffer(0))), []);
});

test("a curve is read where it is pointed at, and nowhere beyond its end", () => {
  assert.deepEqual(
    [0, 2.9, 3.1, 5].map((x) => nearest([2, 4], x)),
    [0, 0, 1, 1],
  );
  assert.equal(nearest([2, 4], 9), -1);
  assert.equal(nearest([], 1), -1);
  const reading = readingAt(curves, 3.9, "steps");
  assert.equal(stepsInWords(reading), "steps 3 to 4");
  assert.deepEqual([reading.values[0], reading.low, reading.high, reading.dashed], [2, 1, 3, [2.5]]);
  assert.deepEqual(readingAt(curves, 2, "steps").dashed, [], "it was not validated there");
  assert.equal(readingAt(curves, 1, "seconds").last, 2);
  assert.equal(
    readingInWords("small", reading, METRICS, ["validation"]),
    "small, steps 3 to 4: loss 2.000, validation 2.500, learning rate 0.25, gradient norm 2.00, tokens a second 200.",
  );
});

test("the scale holds what is drawn", () => {
  const [low, high] = domainOf([[1, 3, NaN], [2]]);
  assert.ok(low < 1 && low > 0.8 && high > 3 && high < 3.2);
  assert.equal(domainOf([[1, 3]], { fromZero: true })[0], 0);
  assert.ok(domainOf([[0, 1, 100]], { log: true })[0] > 0.5, "zero has no place on a scale of powers");
  assert.deepEqual(domainOf([[]]), [0, 1]);
  const [same, above] = domainOf([[2, 2]]);
  assert.ok(same < 2 && above > 2);
  assert.equal(scaleOf([1, 100], true)(10), 0.5);
  assert.equal(scaleOf([1, 3], false)(2), 0.5);
});

test("a run that goes astray does not flatten the others", () => {
  const calm = [6, 3, 2];
  const wild = [6, 5000, 100000];
  assert.equal(capOf([calm, wild]), 9);
  assert.ok(domainOf([calm, wild], { cap: capOf([calm, wild]) })[1] < 10);
  assert.equal(domainOf([calm], { cap: capOf([calm]) })[1], domainOf([calm])[1]);
  assert.equal(capOf([[]]), Infinity);
});

test("ticks are round", () => {
  assert.deepEqual(ticksBetween(0, 1000, 5), [0, 200, 400, 600, 800, 1000]);
  assert.deepEqual(ticksBetween(0, 0.003, 3), [0, 0.001, 0.002, 0.003]);
  assert.deepEqual(logTicksBetween(0.9, 110, 6), [1, 2, 5, 10, 20, 50, 100]);
  assert.deepEqual(logTicksBetween(2.1, 4.1, 4), [2.5, 3, 3.5, 4], "powers are too few");
  assert.deepEqual([0.0003, 12345, 2.5, 0, 5e7, -3.14e12].map(shortly), [
    "0.0003",
    "12.3k",
    "2.5",
    "0",
    "50M",
    "-3.1e+12",
  ]);
  assert.equal(METRICS[0].write(101816.2), "102k");
});

test("a moving average begins where the curve does, and what is missing stays missing", () => {
  const alike = (x, y) => Math.abs(x - y) < 1e-5 || (Number.isNaN(x) && Number.isNaN(y));
  const near = (a, b) => a.forEach((value, k) => assert.ok(alike(value, b[k]), `${a} / ${b}`));
  near([...movingAverage([4, 4, 4], 0.9)], [4, 4, 4]);
  near([...movingAverage([1, 2, 3], 0)], [1, 2, 3]);
  near([...movingAverage([1, 3], 0.5)], [1, (0.25 + 1.5) / 0.75]); // by hand: weights of 1/4 and 1/2, divided by 3/4
  near([...movingAverage([1, NaN, 3], 0.5)], [1, NaN, (0.25 + 1.5) / 0.75]);
  const far = [
    ...movingAverage(
      Array.from({ length: 500 }, (_, k) => k % 2),
      0.99,
    ),
  ];
  assert.ok(Math.abs(far.at(-1) - 0.5) < 0.02);
});

test("a window holds its points, and one more on each side", () => {
  assert.deepEqual(inWindow([1, 2, 3, 4, 5], [2, 3]), [0, 4]);
  assert.deepEqual(inWindow([1, 2, 3], [0, 9]), [0, 3]);
  assert.deepEqual(inWindow([10, 20], [12, 15]), [0, 2], "a line goes through a window without points");
  assert.deepEqual(inWindow([], [0, 1]), [0, 0]);
});

test("a window is as wide as it must be and stays within the run", () => {
  assert.deepEqual(windowBetween(300, 200, 1000, 4), [200, 300]);
  assert.deepEqual(windowBetween(2, 2, 1000, 4), [0, 4]);
  assert.deepEqual(windowBetween(999, 1000, 1000, 4), [996, 1000]);
  assert.equal(windowBetween(-50, 1200, 1000, 4), null);
  assert.deepEqual(moveInto([10, 20], 25), [15, 25]);
  assert.deepEqual(moveInto([10, 20], 4), [4, 14]);
  assert.deepEqual(moveInto([10, 20], 12), [10, 20]);
});

test("what was seen inside comes back from its bytes", () => {
  const n = 2;
  const groups = 2;
  const bytes = new DataView(new ArrayBuffer(1 + 4 * (2 + 2 * n + n * 3 * groups * 5) + 8), 1);
  [n, groups, 1, 10].forEach((value, k) => bytes.setUint32(4 * k, value, true));
  for (let k = 0; k < 2 + n * 3 * groups * 5; k++) bytes.setFloat32(16 + 4 * k, k < 2 ? k + 0.5 : k - 2, true);
  const [run, empty] = unpackInside(bytes); // a run that nobody has looked into has no record
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

test("sizes are placed among powers of ten, and told in few signs", () => {
  assert.deepEqual(powersOf([0.002, 0.5, 0, NaN], 9), [-3, 0]);
  assert.deepEqual(powersOf([1e-9, 0.5], 3), [-3, 0], "next to nothing hides nothing");
  assert.deepEqual(powersOf([0.001, 0.001], 9), [-3, -2]);
  assert.deepEqual(powersOf([NaN, 0], 9), [-4, 0]);
  assert.equal(placeAmong(0.01, [-3, -1]), 0.5);
  assert.deepEqual(
    [0, 1e9, NaN].map((size) => placeAmong(size, [-3, -1])),
    [0, 1, null],
  );
  const told = ["0.0012", "3.2e-5", "140", "0", "not known", "0.01"];
  assert.deepEqual([0.00123, 3.2e-5, 140, 0, NaN, 0.01].map(sizeInWords), told);
  assert.equal(sizeInWords(1e-4), "1e-4");
  assert.equal(
    quantilesInWords("block 1", 1200, [1, 2, 3, 4, 5]),
    "block 1, step 1,200: median 3; half are between 2 and 4, nine in ten between 1 and 5.",
  );
  assert.equal(quantilesInWords("output", 1, [NaN, NaN, NaN, NaN, NaN]), "output, step 1: nothing to measure.");
});

test("a strip has a place for each part and step, and finds them again", () => {
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

test("a long run is drawn with a point a pixel, and its spikes stay", () => {
  const n = 100_000;
  const xs = Float64Array.from({ length: n }, (_, k) => k);
  const mean = Float64Array.from(xs, (x) => Math.sin(x / 9000));
  const high = mean.map((v, k) => (k === 77_777 ? 50 : v));
  const columns = columnsOf(xs, { mean, low: mean, high }, (x) => (500 * x) / n);
  assert.ok(columns.length <= 501);
  assert.equal(Math.max(...columns.map((one) => one.high)), 50);
  assert.ok(linePath(columns, (v) => v).length < 10_000);
  assert.ok(bandPath(columns, (v) => v).startsWith("M0.0"));
  assert.equal(
    bandPath(
      columnsOf([1, 2], { mean: [1, 2], low: [1, 2], high: [1, 2] }, (x) => x),
      (v) => v,
    ),
    "",
    "no band where each point is a step",
  );
  assert.deepEqual(
    columnsOf([1, 2], { mean: [NaN, 3], low: [NaN, 3], high: [NaN, 3] }, (x) => x).map(({ x }) => x),
    [2],
  );
});

test("labels do not lie on each other", () => {
  assert.deepEqual(spread([10, 11, 50], 14, 0, 100), [10, 24, 50]);
  assert.deepEqual(spread([98, 99], 14, 0, 100), [86, 100]);
});

test("a run is told in words", () => {
  const run = {
    name: "a",
    state: "running",
    begun: 0,
    step: 250,
    steps: 1000,
    seconds: 10,
    loss: 1.5,
    validation_loss: 1.75,
    best: 1.7,
    best_step: 200,
    tokens_per_second: 5200.4,
  };
  assert.equal(standingOf(run), "running: step 250 of 1,000, about 30 s left");
  assert.equal(standingOf(run, 2), "running: step 250 of 1,000, about 1 min 0 s left", "two take turns");
  assert.equal(
    standingOf({ ...run, in_cell: true }),
    "running in a cell (interrupt it to pause): step 250 of 1,000, about 30 s left",
  );
  assert.equal(standingOf({ ...run, state: "finished", step: 1000 }), "finished: step 1,000");
  assert.equal(standingOf(run, 1, true), "ended with the kernel at step 250 of 1,000");
  assert.equal(standingOf({ ...run, state: "finished" }, 1, true), "finished: step 250");
  assert.equal(standingOf({ state: "ready", begun: 0, step: 0, steps: 0, seconds: 0 }), "not started: step 0");
  assert.equal(numbersOf(run), "loss 1.500 · validation 1.750 (lowest 1.700 at step 200) · 5,200 tokens a second");
  assert.equal(numbersOf({}), "");
  assert.deepEqual([12, 80, 4020].map(duration), ["12 s", "1 min 20 s", "1 h 7 min"]);
});

test("samples of several runs at one time", () => {
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
