// Scores and what a threshold makes of them, as numbers and words. It does not touch the page, so Node can test it.

/** The four groups, as they are around the threshold: to its left and right, above and below the axis. */
export const GROUPS = ["lost_right", "kept_right", "lost_wrong", "kept_wrong"];

/** Round away what arithmetic leaves behind the twelfth digit. */
export const tidy = (value) => Number(value.toPrecision(12));

/**
 * The scores from the bytes of a `ThresholdView`: for each its values, the answers from the highest score to the lowest
 * (`order`), and for each k how many of the first k are right (`hits`).
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

/** How many answers reach a threshold. */
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

/** How many answers are in each of the four groups; `kept`: let through, `of`: all. */
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

/** The counts at each threshold that makes a difference, from no answer to all: [{ kept, right, wrong }, …]. */
export function stepsOf({ n, values, order, hits }) {
  const found = [{ kept: 0, right: 0, wrong: 0 }];
  for (let kept = 1; kept <= n; kept++)
    if (kept === n || values[order[kept]] !== values[order[kept - 1]])
      found.push({ kept, right: hits[kept], wrong: kept - hits[kept] });
  return found;
}

/** At most `most` points of a curve, evenly spaced, with the first and the last among them. */
export function thinned(points, most) {
  if (points.length <= most) return points;
  return Array.from({ length: most }, (_, k) => points[Math.round((k * (points.length - 1)) / (most - 1))]);
}

/** How many steps of the slider the axis of a score has. */
export const ticksOf = ({ low, high, step }) => Math.round((high - low) / step);

/** The threshold at a step of the slider, and the step nearest to a threshold. */
export const thresholdAt = ({ low, step }, tick) => tidy(low + tick * step);
export const tickOf = (score, threshold) =>
  Math.max(0, Math.min(ticksOf(score), Math.round((threshold - score.low) / score.step)));

/** The step that lets through as close to `kept` answers as possible; of several in a row, the middle one. */
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
 * Answers in bins along the axis, each `width` steps wide: [{ from, to, right, wrong }, …], each with its lists of
 * answers from the lowest score to the highest.
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

/** The longest lists of right and of wrong answers in any bin. */
export const tallest = (bins) =>
  ["right", "wrong"].map((kind) => bins.reduce((most, bin) => Math.max(most, bin[kind].length), 0));

/** The answers of a group that are nearest to the threshold, the nearest first. */
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

/** Write a share in percent: "88%", "0.1%"; a share of nothing is "none". */
export function shareText(part, all) {
  if (!all) return "none";
  const value = (100 * part) / all;
  return (value > 0 && value < 1) || (value > 99 && value < 100) ? `${value.toFixed(1)}%` : `${Math.round(value)}%`;
}

/** What is let through, and what is withheld, in two sentences. */
export function groupsInWords(counts, [yes, no]) {
  const { kept, of } = counts;
  return [
    `${many(kept)} of ${many(of)} let through: ${many(counts.kept_right)} ${yes}, ${many(counts.kept_wrong)} ${no}.`,
    `${many(of - kept)} withheld: ${many(counts.lost_right)} ${yes}, ${many(counts.lost_wrong)} ${no}.`,
  ];
}

/** What a threshold trades, in one sentence. */
export function tradeInWords({ name }, threshold, counts, [yes]) {
  const at = `${name} ≥ ${scoreText(threshold)}`;
  if (!counts.kept) return `${at} lets nothing through.`;
  const passed = `${at} lets ${many(counts.kept)} of ${many(counts.of)} through`;
  return `${passed}, and ${shareText(counts.kept_right, counts.kept)} of these are ${yes}.`;
}

/** What each group means, for the tiles: its words, and its share of all of its kind. */
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
