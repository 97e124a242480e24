import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bandPath,
  capOf,
  columnsOf,
  domainOf,
  duration,
  fixed,
  inWindow,
  linePath,
  logTicksBetween,
  moveInto,
  movingAverage,
  nearest,
  noCurves,
  placeOfStep,
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

const metrics = ["loss", "rate", "norm", "speed"].map((name) => ({ name, write: (value) => fixed(value, 2) }));

/** A curve as `Curve.pack` writes it, from rows of [first, last, seconds, ...means, (...lows, ...highs)]. */
function packed(width, values, rows) {
  const bytes = new DataView(new ArrayBuffer(4 * (3 + rows.reduce((sum, row) => sum + row.length, 0))));
  [rows.length, width, values].forEach((value, k) => bytes.setUint32(4 * k, value, true));
  const columns = rows[0]?.length ?? 0;
  for (let c = 0; c < columns; c++)
    rows.forEach((row, k) => bytes[c < 2 ? "setUint32" : "setFloat32"](12 + 4 * (c * rows.length + k), row[c], true));
  return new Uint8Array(bytes.buffer);
}

/** Several curves, at an odd offset. */
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

test("curves are unpacked from their bytes", () => {
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
  assert.deepEqual([...runs[0].dashed.high[0]], [2.5], "a single step is its own highest value");
  assert.equal(runs[1].steps.n, 0);
  assert.deepEqual(unpackCurves(new DataView(new ArrayBuffer(0))), []);
});

test("a curve is read where the pointer is, but not beyond the end of the curve", () => {
  assert.deepEqual(
    [0, 2.9, 3.1, 5].map((x) => nearest([2, 4], x)),
    [0, 0, 1, 1],
  );
  assert.equal(nearest([2, 4], 9), -1);
  assert.equal(nearest([], 1), -1);
  const reading = readingAt(curves, 3.9, "steps");
  assert.equal(stepsInWords(reading), "steps 3 to 4");
  assert.deepEqual([reading.values[0], reading.low, reading.high, reading.dashed], [2, 1, 3, [2.5]]);
  assert.deepEqual(readingAt(curves, 2, "steps").dashed, [], "there was no validation at this step");
  assert.equal(readingAt(curves, 1, "seconds").last, 2);
  assert.equal(
    readingInWords("small", reading, metrics, ["validation"]),
    "small, steps 3 to 4: loss 2.00, validation 2.50, rate 0.25, norm 2.00, speed 200.00.",
  );
});

test("the scale covers what is drawn", () => {
  const [low, high] = domainOf([[1, 3, NaN], [2]]);
  assert.ok(low < 1 && low > 0.8 && high > 3 && high < 3.2);
  assert.equal(domainOf([[1, 3]], { fromZero: true })[0], 0);
  assert.ok(domainOf([[0, 1, 100]], { log: true })[0] > 0.5, "zero has no place on a logarithmic scale");
  assert.deepEqual(domainOf([[]]), [0, 1]);
  const [same, above] = domainOf([[2, 2]]);
  assert.ok(same < 2 && above > 2);
  assert.equal(scaleOf([1, 100], true)(10), 0.5);
  assert.equal(scaleOf([1, 3], false)(2), 0.5);
});

test("a run that diverges does not flatten the others", () => {
  const calm = [6, 3, 2];
  const wild = [6, 5000, 100000];
  assert.equal(capOf([calm, wild]), 9);
  assert.ok(domainOf([calm, wild], { cap: capOf([calm, wild]) })[1] < 10);
  assert.equal(domainOf([calm], { cap: capOf([calm]) })[1], domainOf([calm])[1]);
  assert.equal(capOf([[]]), Infinity);
});

test("ticks are at round numbers", () => {
  assert.deepEqual(ticksBetween(0, 1000, 5), [0, 200, 400, 600, 800, 1000]);
  assert.deepEqual(ticksBetween(0, 0.003, 3), [0, 0.001, 0.002, 0.003]);
  assert.deepEqual(logTicksBetween(0.9, 110, 6), [1, 2, 5, 10, 20, 50, 100]);
  assert.deepEqual(logTicksBetween(2.1, 4.1, 4), [2.5, 3, 3.5, 4], "powers alone are too few");
  assert.deepEqual([0.0003, 12345, 2.5, 0, 5e7, -3.14e12].map(shortly), [
    "0.0003",
    "12.3k",
    "2.5",
    "0",
    "50M",
    "-3.1e+12",
  ]);
  assert.equal(fixed(101816.2, 3), "102k");
});

test("a step is found on its curve by its number or by its time", () => {
  assert.equal(placeOfStep(curves.steps, 3, "steps"), 3);
  assert.deepEqual(
    [1, 2, 3, 9].map((step) => placeOfStep(curves.steps, step, "seconds")),
    [1, 1, 2, 2],
  );
  const { steps, dashed } = noCurves(4, 2);
  assert.deepEqual([steps.n, steps.mean.length, dashed.mean.length], [0, 4, 2]);
  assert.equal(placeOfStep(steps, 1, "seconds"), null);
});

test("a moving average begins where the curve does, and missing values stay missing", () => {
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

test("a window contains its points, and one more on each side", () => {
  assert.deepEqual(inWindow([1, 2, 3, 4, 5], [2, 3]), [0, 4]);
  assert.deepEqual(inWindow([1, 2, 3], [0, 9]), [0, 3]);
  assert.deepEqual(inWindow([10, 20], [12, 15]), [0, 2], "a line goes through a window without points");
  assert.deepEqual(inWindow([], [0, 1]), [0, 0]);
});

test("a window has at least the required width, and stays within the run", () => {
  assert.deepEqual(windowBetween(300, 200, 1000, 4), [200, 300]);
  assert.deepEqual(windowBetween(2, 2, 1000, 4), [0, 4]);
  assert.deepEqual(windowBetween(999, 1000, 1000, 4), [996, 1000]);
  assert.equal(windowBetween(-50, 1200, 1000, 4), null);
  assert.deepEqual(moveInto([10, 20], 25), [15, 25]);
  assert.deepEqual(moveInto([10, 20], 4), [4, 14]);
  assert.deepEqual(moveInto([10, 20], 12), [10, 20]);
});

test("a long run is drawn with one point per pixel and keeps its spikes", () => {
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

test("labels do not overlap", () => {
  assert.deepEqual(spread([10, 11, 50], 14, 0, 100), [10, 24, 50]);
  assert.deepEqual(spread([98, 99], 14, 0, 100), [86, 100]);
});

test("a run is described in words", () => {
  const run = {
    name: "a",
    state: "running",
    begun: 0,
    step: 250,
    steps: 1000,
    seconds: 10,
  };
  assert.equal(standingOf(run), "running: step 250 of 1,000, about 30 s left");
  assert.equal(standingOf(run, 2), "running: step 250 of 1,000, about 1 min 0 s left", "two runs take turns");
  assert.equal(
    standingOf({ ...run, in_cell: true }),
    "running in a cell (interrupt the cell to pause): step 250 of 1,000, about 30 s left",
  );
  assert.equal(standingOf({ ...run, state: "finished", step: 1000 }), "finished: step 1,000");
  assert.equal(standingOf(run, 1, true), "ended when the kernel stopped: step 250 of 1,000");
  assert.equal(standingOf({ ...run, state: "finished" }, 1, true), "finished: step 250");
  assert.equal(standingOf({ state: "ready", begun: 0, step: 0, steps: 0, seconds: 0 }), "not started: step 0");
  assert.deepEqual([12, 80, 4020].map(duration), ["12 s", "1 min 20 s", "1 h 7 min"]);
});
