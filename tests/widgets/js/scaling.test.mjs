import assert from "node:assert/strict";
import test from "node:test";

import { bestFor, lossOf, outside, tokensFor, trainingFlops } from "../../../llmlib/widgets/scaling/laws.mjs";
import {
  around,
  bowlOf,
  computeOf,
  levelsOf,
  lineOf,
  placeLabels,
  planeOf,
  roundOf,
  tensOf,
  windowOf,
} from "../../../llmlib/widgets/scaling/scene.mjs";
import {
  amount,
  energy,
  money,
  nats,
  parseAmount,
  power,
  spokenAmount,
  time,
} from "../../../llmlib/widgets/scaling/words.mjs";

const balance = (0.34 * 406.4) / (0.28 * 410.7);
const law = {
  E: 1.69,
  A: 406.4,
  B: 410.7,
  alpha: 0.34,
  beta: 0.28,
  power: 1,
  best_size: balance ** (1 / 0.62) * (1e18 / 6) ** (0.28 / 0.62),
  size_exponent: 0.28 / 0.62,
  parameters: [70e6, 16e9],
  tokens: [5e9, 500e9],
};
const models = [{ name: "Chinchilla", parameters: 70e9, tokens: 1.4e12 }];
const runs = [
  {
    name: "plays",
    points: [
      [2e4, 4e4, 4.2],
      [4e5, 4e5, 3.4],
    ],
  },
];
const you = { n: 70e9, d: 1.4e12 };
const all = {
  law,
  models,
  runs,
  you,
  window: "all",
  answered: 1e12,
  best: bestFor(law, trainingFlops(you.n, you.d)),
  cheap: { n: 50e9, d: 2e12, flops: 7e23 },
};
const near = (a, b) => assert.ok(Math.abs(a / b - 1) < 1e-6, `${a} is not ${b}`);

test("amounts are written briefly, and are read in several forms", () => {
  assert.deepEqual([7e10, 1.4e12, 381600, 950, 999.6e6, 0].map(amount), ["70B", "1.4T", "382k", "950", "1B", "0"]);
  assert.equal(spokenAmount(8.03e9), "8.03 billion");
  const written = ["70B", "1.4 trillion", "7e10", "70,000", "3 m", " 12 ", "0,5b", "381k"];
  assert.deepEqual(written.map(parseAmount), [7e10, 1.4e12, 7e10, 7e4, 3e6, 12, 5e8, 381e3]);
  for (const text of ["", "B", "many", "-3B", "0", "1e999", "7 x", "<b>7</b>"]) assert.equal(parseAmount(text), null);
});

test("compute, times, prices, energies and losses are written with few digits", () => {
  assert.deepEqual([5.88e23, 1e22, 1867, 0, 0.05].map(power), ["5.9 · 10²³", "1.0 · 10²²", "1900", "0", "5.0 · 10⁻²"]);
  assert.deepEqual([17.2, 1109, 0.3, 2e-5, 1e12].map(time).slice(0, 4), [
    "17 days",
    "3 years",
    "7.2 hours",
    "1.7 seconds",
  ]);
  assert.match(time(1e12), /· 10⁹ years/);
  assert.equal(time(1.2), "29 hours");
  assert.deepEqual([1.03e6, 2.5, 413, 6.65e10].map(money), ["$1.03 million", "$2.50", "$413", "$66.5 billion"]);
  assert.deepEqual([289e3, 0.5, 1.8632e7].map(energy), ["289 MWh", "500 Wh", "18.6 GWh"]);
  assert.deepEqual([1.97351, 12.34].map(nats), ["1.974", "12.3"]);
});

test("sizes outside the range of a law's runs are reported, and by what factor", () => {
  assert.deepEqual(outside(law, 1e9, 1e10), []);
  assert.deepEqual(outside(law, 70e9, 1e10), ["4.4 times the largest number of parameters"]);
  assert.deepEqual(outside(law, 7e6, 1e12), [
    "10 times smaller than the smallest number of parameters",
    "2 times the largest number of tokens",
  ]);
  assert.deepEqual(outside({ ...law, parameters: null, tokens: null }, 1, 1), []);
});

test("the window contains all models and runs, only the models, or only the runs", () => {
  const holds = ({ n, d }, a, b) => n[0] < a && a < n[1] && d[0] < b && b < d[1];
  const whole = windowOf("all", all);
  assert.ok(holds(whole, 2e4, 4e4) && holds(whole, 70e9, 1.4e12) && holds(whole, 16e9, 5e9));
  assert.ok(!holds(windowOf("models", all), 4e5, 4e5));
  assert.ok(!holds(windowOf("runs", all), 70e9, 1.4e12) && holds(windowOf("runs", all), 4e5, 4e5));
  assert.ok(
    holds(windowOf("models", { ...all, you: { n: 1e3, d: 1e15 } }), 1e3, 1e15),
    "your model is in the window of the models, wherever it is",
  );
  const [low, high] = around([5]);
  assert.ok(low < 5 && high > 5);
});

test("the points of each line have the loss that its label says", () => {
  const view = windowOf("all", all);
  const levels = levelsOf(law, view);
  assert.ok(levels.length >= 4 && levels.every((level) => level > law.E));
  for (const level of levels)
    for (const [n, d] of lineOf(law, level)) if (n < 1e30 && d < 1e30) near(lossOf(law, n, d), level);
});

test("ticks are few and round", () => {
  assert.deepEqual(tensOf([3e4, 2e7], 9), [1e5, 1e6, 1e7]);
  assert.ok(tensOf([1, 1e30], 6).length <= 6);
  assert.deepEqual(roundOf([1.5e10, 4e10]), [2e10]);
  assert.deepEqual(roundOf([3, 30]), [5, 10, 20]);
});

test("the plane marks each model and run in its window, and the best model for your compute", () => {
  const kinds = planeOf(all).marks.map(({ kind }) => kind);
  assert.deepEqual(kinds, ["run", "run", "model", "best", "cheap", "you"]);
  const best = planeOf(all).marks.find(({ kind }) => kind === "best");
  near(6 * best.x * best.y, trainingFlops(you.n, you.d));
  assert.ok(lossOf(law, best.x, best.y) <= lossOf(law, you.n, you.d));
  assert.deepEqual(
    planeOf({ ...all, window: "runs" }).marks.map(({ kind }) => kind),
    ["run", "run"],
  );
});

test("the compute chart shows runs at their measured losses, and models where the law puts them", () => {
  const { marks, y } = computeOf(all);
  assert.deepEqual(
    marks.filter(({ kind }) => kind === "run").map(({ y: loss }) => loss),
    [4.2, 3.4],
  );
  near(marks.find(({ kind }) => kind === "model").y, lossOf(law, 70e9, 1.4e12));
  assert.ok(marks.every(({ y: loss }) => loss > y.range[0] && loss < y.range[1]));
});

test("the total in the usage chart is training plus answering", () => {
  const { lines, marks } = bowlOf(all);
  const [training, answering, both] = lines.map(({ points }) => points);
  both.forEach(([, flops], k) => near(flops, training[k][1] + answering[k][1]));
  assert.equal(lines.length, 3);
  assert.equal(bowlOf({ ...all, answered: 0 }).lines.length, 2);
  near(tokensFor(law, marks[1].n, lossOf(law, you.n, you.d)), you.d);
});

test("no label covers another label or crosses the edge", () => {
  const points = [0, 1, 2, 3, 4, 5].map((k) => ({ x: 50 + 12 * k, y: 50 + (k % 2), label: 40 }));
  const boxes = placeLabels(points, { width: 200, height: 100 }).flatMap((spot) => {
    if (!spot) return [];
    const left = spot.x - { start: 0, middle: 20, end: 40 }[spot.anchor];
    return [[left, spot.y - 10, left + 40, spot.y + 3]];
  });
  assert.ok(boxes.length >= 2);
  for (const [k, a] of boxes.entries()) {
    assert.ok(a[0] >= 0 && a[1] >= 0 && a[2] <= 200 && a[3] <= 100);
    for (const b of boxes.slice(k + 1)) assert.ok(a[2] < b[0] || b[2] < a[0] || a[3] < b[1] || b[3] < a[1]);
  }
  assert.deepEqual(placeLabels([{ x: 5, y: 5, label: 0 }], { width: 10, height: 10 }), [null]);
});
