// The data that the training view shows about its runs, as numbers and words. This code does not touch the page, so it
// can be tested in Node.

import { fixed, whole } from "../shared/runs/curves.mjs";

/** The measurements at each step, in the order in which curves store them. */
export const METRICS = [
  {
    name: "loss",
    title: "Loss",
    unit: "nats per token",
    write: (value) => fixed(value, 3),
    fromZero: false,
    logs: true,
    caps: true,
  },
  {
    name: "learning rate",
    title: "Learning rate",
    unit: "",
    write: (value) => String(Number(value.toPrecision(3))),
    fromZero: true,
    steady: true,
  },
  {
    name: "gradient norm",
    title: "Gradient norm",
    unit: "before clipping",
    write: (value) => fixed(value, 2),
    fromZero: true,
    logs: true,
  },
  { name: "tokens per second", title: "Tokens per second", unit: "", write: whole, fromZero: true },
];

/** Write a run's latest losses and speed as text. */
export function numbersOf(run) {
  const parts = [];
  if (run.loss !== undefined) parts.push(`loss ${METRICS[0].write(run.loss)}`);
  if (run.best !== undefined) {
    const lowest = `lowest ${METRICS[0].write(run.best)} at step ${whole(run.best_step)}`;
    parts.push(`validation ${METRICS[0].write(run.validation_loss)} (${lowest})`);
  }
  if (run.tokens_per_second !== undefined) parts.push(`${whole(run.tokens_per_second)} tokens per second`);
  return parts.join(" · ");
}

/** Return the steps at which any of these runs has written a sample. */
export const stepsOfSamples = (samples, shown) =>
  [...new Set(samples.filter(([run]) => shown.includes(run)).map(([, step]) => step))].sort((a, b) => a - b);

/** Return the last sample that a run had written by this step: [run, step, text], or undefined. */
export const sampleAt = (samples, run, step) => samples.filter(([whose, when]) => whose === run && when <= step).at(-1);
