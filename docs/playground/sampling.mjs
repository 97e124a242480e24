// Turns logits into the next token, as in lesson 07.

import { softmax } from "./transformer.mjs";

/** Return the probabilities at a temperature: 0 for all but the likeliest tokens, which together reach `topP`. */
export function probabilities(logits, { temperature, topP }) {
  const best = logits.indexOf(logits.reduce((most, value) => Math.max(most, value), -Infinity));
  if (temperature === 0) return Float32Array.from(logits, (_, id) => Number(id === best));
  const most = logits[best]; // subtracted first, so that dividing by a tiny temperature cannot overflow
  const p = softmax(Float32Array.from(logits, (value) => (value - most) / temperature));
  if (topP >= 1) return p;
  const order = inOrder(p, p.length);
  let sum = 0;
  let kept = 0;
  while (kept < order.length && sum < topP) sum += p[order[kept++]];
  const few = new Float32Array(p.length);
  for (const id of order.slice(0, kept)) few[id] = p[id] / sum;
  return few;
}

/** Return the ids of the `n` largest numbers, largest first; equal numbers are in the order of their ids. */
export function inOrder(numbers, n) {
  return Array.from(numbers.keys())
    .sort((a, b) => numbers[b] - numbers[a] || a - b)
    .slice(0, n);
}

/** Return the first id at which the running sum of the probabilities exceeds `chance` (at least 0 and less than 1). */
export function draw(p, chance) {
  const total = p.reduce((sum, value) => sum + value, 0);
  let sum = 0;
  for (let id = 0; id < p.length; id++) {
    sum += p[id];
    if (sum > chance * total) return id;
  }
  return p.findLastIndex((value) => value > 0);
}

/** Return the log-probability of each token of the vocabulary. */
export function logProbabilities(logits) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = Math.log(logits.reduce((sum, value) => sum + Math.exp(value - most), 0));
  return logits.map((value) => value - most - total);
}
