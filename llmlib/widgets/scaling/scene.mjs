// Computes where everything is on this view's charts: scales, lines and marks. This code does not touch the page.

import { bestFor, lossOf, modelOf, smallestFor, tokensFor, trainingFlops, answeringFlops } from "./laws.mjs";
import { amount, nats, power } from "./words.mjs";
import { ticksBetween } from "../shared/runs/curves.mjs";

const HALF = 0.5; // the exponents at the ends of a window are multiples of this
const LEVELS = 9; // there are at most LEVELS + 1 lines of equal loss
const log = Math.log10;
const steps = (from, to, count) => Array.from({ length: count + 1 }, (_, k) => from + ((to - from) * k) / count);

/** Return a range slightly wider than the values need; its ends are powers of ten with whole or half exponents. */
export function around(values) {
  const [low, high] = [log(Math.min(...values)), log(Math.max(...values))];
  const room = 0.15 + 0.04 * (high - low);
  return [10 ** (Math.floor((low - room) / HALF) * HALF), 10 ** (Math.ceil((high + room) / HALF) * HALF)];
}

/**
 * Return a window that contains the user's model, other models, the user's runs and the range that the law was fitted
 * to ("all"), a window that contains all of these except the runs ("models"), or a window for only the runs ("runs").
 */
export function windowOf(which, { law, models, runs, you }) {
  const own = runs.flatMap(({ points }) => points.map(([n, d]) => ({ n, d })));
  const others = models.map(({ parameters, tokens }) => ({ n: parameters, d: tokens }));
  const fitted = [0, 1].flatMap((k) => (law.parameters ? [{ n: law.parameters[k], d: law.tokens[k] }] : []));
  const shown = { all: [...own, ...others, ...fitted], models: [...others, ...fitted], runs: own }[which];
  const all = which === "runs" ? shown : [...shown, you];
  return { n: around(all.map(({ n }) => n)), d: around(all.map(({ d }) => d)) };
}

/** Choose rounded losses for the lines in a window, from losses along its diagonal. */
export function levelsOf(law, { n, d }) {
  const between = ([low, high], share) => low * (high / low) ** share;
  const diagonal = steps(0.04, 0.96, LEVELS).map((share) => lossOf(law, between(n, share), between(d, share)));
  const [least, most] = [lossOf(law, n[1], d[1]), lossOf(law, n[0], d[0])];
  const round = [...new Set(diagonal.map((loss) => Number(loss.toPrecision(2))))];
  return round.filter((loss) => loss > least * 1.0005 && loss < most).sort((a, b) => a - b);
}

/**
 * Return the line on which models have this loss: [[n, d], …], from few parameters and many tokens to many parameters
 * and few tokens.
 */
export const lineOf = (law, loss) =>
  steps(24, -24, 120).map((odds) => {
    const { n, d } = modelOf(law, loss, odds);
    return [n, d];
  });

/** Return at most `most` powers of ten on an axis. */
export function tensOf([low, high], most) {
  const [from, to] = [Math.ceil(log(low) - 1e-9), Math.floor(log(high) + 1e-9)];
  const every = Math.max(1, Math.ceil((to - from + 1) / most));
  return steps(from, to, Math.max(0, to - from))
    .filter((k) => k % every === 0)
    .map((k) => 10 ** k);
}

const each = (n, d) => `${amount(d / n)} per parameter`;

/**
 * List the marks for the plane and the compute chart: other models, the user's runs, the user's model, the best model
 * for the same compute, and the cheapest model overall.
 */
function marksOf({ law, models, runs, you, best, cheap }, place) {
  const says = (n, d) => `${amount(n)} parameters, ${amount(d)} tokens, ${each(n, d)}`;
  const byLaw = (n, d) => `${says(n, d)}; this law predicts a loss of ${nats(lossOf(law, n, d))}`;
  const one = (kind, n, d, more) => ({ kind, ...place(n, d, lossOf(law, n, d)), title: byLaw(n, d), n, d, ...more });
  return [
    ...runs.flatMap(({ name, points }, group) =>
      points.map(([n, d, loss]) => ({
        kind: "run",
        group,
        n,
        d,
        ...place(n, d, loss),
        title: `A run of ${name}: ${says(n, d)}; measured loss ${nats(loss)}`,
      })),
    ),
    ...models.map(({ name, parameters: n, tokens: d }) =>
      one("model", n, d, { label: name, title: `${name}: ${byLaw(n, d)}` }),
    ),
    ...(best ? [one("best", best.n, best.d, { title: `Best for the same compute: ${byLaw(best.n, best.d)}` })] : []),
    ...(cheap ? [one("cheap", cheap.n, cheap.d, { title: `Cheapest overall: ${byLaw(cheap.n, cheap.d)}` })] : []),
    one("you", you.n, you.d, { title: `Your model: ${byLaw(you.n, you.d)}` }),
  ];
}

/** Build the plane: parameters across, tokens upwards, and lines of equal loss. */
export function planeOf(all) {
  const { law, you } = all;
  const view = windowOf(all.window, all);
  const compute = trainingFlops(you.n, you.d);
  const frontier = [-6, 36].map((k) => bestFor(law, 10 ** k)).map(({ n, d }) => [n, d]);
  const region = law.parameters && { x: law.parameters, y: law.tokens };
  return {
    x: { range: view.n, ticks: tensOf(view.n, 7), write: amount, label: "parameters" },
    y: { range: view.d, ticks: tensOf(view.d, 8), write: amount, label: "tokens" },
    region,
    lines: [
      ...levelsOf(law, view).map((loss) => ({ kind: "level", points: lineOf(law, loss), label: String(loss) })),
      { kind: "mine", points: lineOf(law, lossOf(law, you.n, you.d)) },
      { kind: "compute", points: view.n.map((n) => [n, compute / 6 / n]) },
      { kind: "frontier", points: frontier },
    ],
    marks: marksOf(all, (n, d) => ({ x: n, y: d })).filter(inside(view)),
  };
}

const inside =
  ({ n: across, d: up }) =>
  ({ n, d }) =>
    n >= across[0] && n <= across[1] && d >= up[0] && d <= up[1];

/**
 * Build the compute chart: training FLOPs across, loss upwards, a line for each of several sizes, and a line for the
 * loss of the best model for each amount of compute.
 */
export function computeOf(all) {
  const { law } = all;
  const view = windowOf(all.window, all);
  const marks = marksOf(all, (n, d, loss) => ({ x: trainingFlops(n, d), y: loss })).filter(inside(view));
  const range = around(marks.map(({ x }) => x));
  const losses = marks.map(({ y }) => y);
  const [least, most] = [Math.min(...losses), Math.max(...losses)];
  const room = Math.max(0.08 * (most - least), 0.02);
  const [bottom, top] = [Math.max(0, least - room), most + room];
  const across = steps(log(range[0]), log(range[1]), 60).map((k) => 10 ** k);
  const at = ({ n, d }) => lossOf(law, n, d);
  return {
    x: { range, ticks: tensOf(range, 6), write: power10, label: "training FLOPs" },
    y: { range: [bottom, top], linear: true, ticks: ticksBetween(bottom, top, 6), write: String, label: "loss, nats" },
    lines: [
      ...tensOf(view.n, 6).map((n) => ({
        kind: "level",
        points: across.map((c) => [c, lossOf(law, n, c / 6 / n)]),
        label: amount(n),
        first: true,
      })),
      { kind: "frontier", points: across.map((c) => [c, at(bestFor(law, c))]) },
    ],
    marks,
  };
}

export const power10 = (value) => power(value).replace("1.0 · ", "");

/**
 * Build the usage chart for models with the same loss as the user's model: sizes across, and upwards the FLOPs for
 * training, for answering, and for both together.
 */
export function bowlOf({ law, you, cheap, answered }) {
  const loss = lossOf(law, you.n, you.d);
  const least = smallestFor(law, loss);
  const sizes = [cheap.n, you.n];
  const range = [Math.max(least * 1.02, Math.min(...sizes) / 6), Math.max(...sizes) * 6];
  const across = steps(log(range[0]), log(range[1]), 80).map((k) => 10 ** k);
  const training = (n) => trainingFlops(n, tokensFor(law, n, loss));
  const both = (n) => training(n) + answeringFlops(n, answered);
  const top = 4 * Math.max(both(you.n), cheap.flops);
  const heights = [top, cheap.flops / 8];
  const mark = (kind, n, title) => ({ kind, x: n, y: both(n), n, d: tokensFor(law, n, loss), title });
  const y = [Math.min(...heights), Math.max(...heights)];
  return {
    x: { range, ticks: roundOf(range), write: amount, label: "parameters, all with this loss" },
    y: { range: y, ticks: tensOf(y, 5), write: power10, label: "FLOPs" },
    lines: [
      { kind: "training", points: across.map((n) => [n, training(n)]) },
      ...(answered ? [{ kind: "answering", points: across.map((n) => [n, answeringFlops(n, answered)]) }] : []),
      { kind: "both", points: across.map((n) => [n, both(n)]) },
    ],
    marks: [
      mark("cheap", cheap.n, `Cheapest overall: ${amount(cheap.n)} parameters`),
      mark("you", you.n, `Your model: ${amount(you.n)} parameters`),
    ],
  };
}

/**
 * Return the numbers in a range that are 1, 2 or 5 times a power of ten; if there are more than 6, return only powers
 * of ten.
 */
export function roundOf([low, high]) {
  const all = steps(Math.floor(log(low)), Math.ceil(log(high)), Math.ceil(log(high)) - Math.floor(log(low)))
    .flatMap((k) => [1, 2, 5].map((one) => Number((one * 10 ** k).toPrecision(3))))
    .filter((value) => value >= low && value <= high);
  return all.length > 6 ? tensOf([low, high], 6) : all;
}

/**
 * Find positions for labels beside their points, within a box of this size, so that no label covers another label or a
 * point: [{ x, y, anchor }, …], with null where there is no label or no space for it. Each of the `points` has x, y
 * and `label`, the width of its label (0: no label).
 */
export function placeLabels(points, { width, height }) {
  const taken = points.map(({ x, y }) => [x - 4, y - 4, x + 4, y + 4]);
  const ways = [
    [11, 4, "start"],
    [-11, 4, "end"],
    [0, -10, "middle"],
    [0, 20, "middle"],
    [7, -7, "start"],
    [7, 15, "start"],
    [-7, -7, "end"],
    [-7, 15, "end"],
  ];
  return points.map(({ x, y, label }, own) => {
    if (!label) return null;
    for (const [right, down, anchor] of ways) {
      const left = x + right - (anchor === "end" ? label : anchor === "middle" ? label / 2 : 0);
      const box = [left, y + down - 10, left + label, y + down + 3];
      const free = taken.every(([a, b, c, e], k) => k === own || box[2] < a || box[0] > c || box[3] < b || box[1] > e);
      if (!free || box[0] < 0 || box[1] < 0 || box[2] > width || box[3] > height) continue;
      taken.push(box);
      return { x: x + right, y: y + down, anchor };
    }
    return null;
  });
}
