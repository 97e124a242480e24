// Turns scores and the effects of a threshold into numbers and words. This code does not touch the page, so it can be
// tested in Node.

/** The four groups as they are arranged around the threshold: left and right of the line, above and below the axis. */
export const GROUPS = ["lost_right", "kept_right", "lost_wrong", "kept_wrong"];

/** Round to twelve digits, to remove small floating-point errors. */
export const tidy = (value) => Number(value.toPrecision(12));

/**
 * Unpack the scores from the bytes of a `ThresholdView`. Each score has its `values`, its answers from the highest
 * value to the lowest (`order`), and for each k how many of the first k answers are right (`hits`).
 */
export function unpackScores({ n, scores }, data) {
  const buffer = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer; // aligned
  const right = new Uint8Array(buffer, 8 * n * scores.length, n);
  return scores.map((about, k) => {
    const values = new Float64Array(buffer, 8 * n * k, n);
    const order = Uint32Array.from(values, (_, answer) => answer).sort((a, b) => values[b] - values[a] || a - b);
    const hits = new Uint32Array(n + 1);
    order.forEach((answer, rank) => {
      hits[rank + 1] = hits[rank] + right[answer];
    });
    return { ...about, n, values, right, order, hits };
  });
}

/** Count the answers that reach a threshold. */
export function reaching({ values, order }, threshold) {
  let from = 0;
  let to = order.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (values[order[middle]] >= threshold) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Count the answers in each of the four groups, the answers that are let through (`kept`), and all answers (`of`). */
export function countsAt(score, threshold) {
  const kept = reaching(score, threshold);
  const right = score.hits[kept];
  const all = score.hits[score.n];
  return {
    kept,
    of: score.n,
    kept_right: right,
    kept_wrong: kept - right,
    lost_right: all - right,
    lost_wrong: score.n - all - (kept - right),
  };
}

/** Return the counts at each threshold that changes them, from no answers kept to all: [{ kept, right, wrong }, …]. */
export function stepsOf({ n, values, order, hits }) {
  const found = [{ kept: 0, right: 0, wrong: 0 }];
  for (let kept = 1; kept <= n; kept++)
    if (kept === n || values[order[kept]] !== values[order[kept - 1]])
      found.push({ kept, right: hits[kept], wrong: kept - hits[kept] });
  return found;
}

/** Return at most `most` points of a curve, evenly spaced, including the first and the last point. */
export function thinned(points, most) {
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, k) => points[Math.round((k * (points.length - 1)) / (most - 1))]);
}

/** Return how many steps the slider along a score's axis has. */
export const ticksOf = ({ low, high, step }) => Math.round((high - low) / step);

/** Convert a step of the slider into a threshold; `tickOf` converts a threshold into the nearest step. */
export const thresholdAt = ({ low, step }, tick) => tidy(low + tick * step);
export const tickOf = (score, threshold) =>
  Math.max(0, Math.min(ticksOf(score), Math.round((threshold - score.low) / score.step)));

/**
 * Return the step that lets through as close to `kept` answers as possible; if several neighbouring steps are equally
 * close, return the middle one.
 */
export function tickFor(score, kept) {
  const last = ticksOf(score);
  let best = Infinity;
  let run = [0, 0];
  for (let tick = 0; tick <= last; tick++) {
    const off = Math.abs(reaching(score, thresholdAt(score, tick)) - kept);
    if (off < best) [best, run] = [off, [tick, tick]];
    else if (off === best && run[1] === tick - 1) run[1] = tick;
  }
  return run[0] + ((run[1] - run[0] + 1) >> 1);
}

/**
 * Sort answers into bins along the axis, each `width` steps wide: [{ from, to, right, wrong }, …]. In each bin, `right`
 * and `wrong` list answers from the lowest score to the highest.
 */
export function binned(score, width) {
  const { low, step, order, values, right } = score;
  const ticks = ticksOf(score);
  const bins = Array.from({ length: Math.ceil(ticks / width) }, (_, k) => ({
    from: thresholdAt(score, k * width),
    to: thresholdAt(score, Math.min(ticks, (k + 1) * width)),
    right: [],
    wrong: [],
  }));
  for (let rank = order.length - 1; rank >= 0; rank--) {
    const answer = order[rank];
    const at = Math.floor((values[answer] - low) / (step * width) + 1e-9);
    bins[Math.max(0, Math.min(bins.length - 1, at))][right[answer] ? "right" : "wrong"].push(answer);
  }
  return bins;
}

/** Return the largest number of right answers in any bin, and the largest number of wrong answers. */
export const tallest = (bins) =>
  ["right", "wrong"].map((kind) => bins.reduce((most, bin) => Math.max(most, bin[kind].length), 0));

/** Return the answers of a group that are nearest to the threshold, nearest first. */
export function nearestOf({ order, right, n }, kept, group, most) {
  const wanted = group.endsWith("right") ? 1 : 0;
  const found = [];
  const isKept = group.startsWith("kept");
  for (let rank = isKept ? kept - 1 : kept; isKept ? rank >= 0 : rank < n; rank += isKept ? -1 : 1) {
    if (right[order[rank]] === wanted) found.push(order[rank]);
    if (found.length === most) break;
  }
  return found;
}

const many = (count) => count.toLocaleString("en");

/** Write a threshold or a score: 0.62, −3. */
export const scoreText = (value) => String(Number(value.toPrecision(6)) + 0).replace("-", "−");

/** Write a share as a percentage: "88%", "0.1%", or "none" if the whole is 0. */
export function shareText(part, all) {
  if (!all) return "none";
  const value = (100 * part) / all;
  return (value > 0 && value < 1) || (value > 99 && value < 100) ? `${value.toFixed(1)}%` : `${Math.round(value)}%`;
}

/** Say in two sentences how many answers are let through, and how many are withheld. */
export function groupsInWords(counts, [yes, no]) {
  const { kept, of } = counts;
  return [
    `${many(kept)} of ${many(of)} let through: ${many(counts.kept_right)} ${yes}, ${many(counts.kept_wrong)} ${no}.`,
    `${many(of - kept)} withheld: ${many(counts.lost_right)} ${yes}, ${many(counts.lost_wrong)} ${no}.`,
  ];
}

/** Say in one sentence how many answers a threshold lets through, and how many of them are right. */
export function tradeInWords({ name }, threshold, counts, [yes]) {
  const at = `${name} ≥ ${scoreText(threshold)}`;
  if (!counts.kept) return `${at} lets nothing through.`;
  const passed = `${at} lets ${many(counts.kept)} of ${many(counts.of)} through`;
  return `${passed}, and ${shareText(counts.kept_right, counts.kept)} of these are ${yes}.`;
}

/** Return the texts on a group's tile: its size, its name, and its share of all right (or all wrong) answers. */
export function groupWords(group, counts, [yes, no]) {
  const kind = group.split("_")[1];
  const name = kind === "right" ? yes : no;
  const all = counts[`kept_${kind}`] + counts[`lost_${kind}`];
  const meaning = { lost_right: "lost", kept_right: "let through", lost_wrong: "caught", kept_wrong: "let through" };
  return {
    count: many(counts[group]),
    words: `${name}, ${meaning[group]}`,
    of: `${shareText(counts[group], all)} of all ${name}`,
  };
}
