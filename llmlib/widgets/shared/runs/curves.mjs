// Turns the curves of runs into numbers and words. This code does not touch the page, so it can be tested in Node.

/**
 * Unpack the bytes of `Curve.pack`. Each run has a curve of the values measured at every step, and a curve of the
 * values that are drawn dashed, which may be measured less often.
 */
export function unpackCurves(packed) {
  // copied, so that the arrays are aligned
  const buffer = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength).slice().buffer;
  const runs = [];
  let at = 0;
  const take = (Kind, n) => {
    at += 4 * n;
    return new Kind(buffer, at - 4 * n, n);
  };
  const curve = () => {
    const [n, width, values] = take(Uint32Array, 3);
    const rows = () => Array.from({ length: values }, () => take(Float32Array, n));
    const first = take(Uint32Array, n);
    const last = take(Uint32Array, n);
    const seconds = take(Float32Array, n);
    const mean = rows();
    return {
      n,
      width,
      first,
      last,
      seconds,
      mean,
      low: width === 1 ? mean : rows(),
      high: width === 1 ? mean : rows(),
    };
  };
  while (at < buffer.byteLength) runs.push({ steps: curve(), dashed: curve() });
  return runs;
}

/** Return empty curves for a run that has not yet taken a step. */
export const noCurves = (values, dashed) =>
  unpackCurves(new DataView(new Uint32Array([0, 1, values, 0, 1, dashed]).buffer))[0];

export const whole = (value) => Math.round(value).toLocaleString("en");
/** Format a number in few characters: 0.0003, 2.5, "12k", "50M", "3.1e+12". */
export function shortly(value) {
  const size = Math.abs(value);
  const few = (x) => String(Number(x.toPrecision(3)));
  if (size >= 1e10) return value.toExponential(1);
  return size >= 1e7 ? `${few(value / 1e6)}M` : size >= 1e4 ? `${few(value / 1e3)}k` : few(value);
}

/** Format a number with this many decimal places, or a large number in few characters. */
export const fixed = (value, digits) => (Math.abs(value) < 1000 ? value.toFixed(digits) : shortly(value));

/** Return the x values of a curve's points: steps, or seconds of computing time. */
export const xsOf = (curve, across) => (across === "seconds" ? curve.seconds : curve.last);

/** Return the number of the point nearest to x; -1 if there are no points, or if x is too far beyond the last point. */
export function nearest(xs, x) {
  if (!xs.length) return -1;
  let from = 0;
  let to = xs.length - 1;
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    if (xs[middle] <= x) from = middle;
    else to = middle;
  }
  const best = x - xs[from] <= xs[to] - x ? from : to;
  const last = xs.length - 1;
  return x > xs[last] + Math.max(1e-9, last ? xs[last] - xs[last - 1] : 1) ? -1 : best;
}

/**
 * Return the lowest and highest values that a chart shows, including a margin. A linear scale ends at `cap` or lower
 * (plus the margin), and with `fromZero`, it begins at 0 unless a value is negative.
 */
export function domainOf(rows, { fromZero = false, log = false, cap = Infinity } = {}) {
  let low = Infinity;
  let high = -Infinity;
  for (const row of rows)
    for (const value of row)
      if (Number.isFinite(value) && (!log || value > 0)) {
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
  if (low > high) return log ? [0.1, 1] : [0, 1];
  if (log) {
    const room = (high / low) ** 0.04;
    return room > 1.0001 ? [low / room, high * room] : [low / 1.1, high * 1.1];
  }
  high = Math.max(low, Math.min(high, cap));
  const room = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
  return fromZero && low >= 0 ? [0, high + room] : [low - room, high + room];
}

/**
 * Return 1.5 times the highest starting loss. A run above this loss has diverged and would flatten the other curves.
 */
export const capOf = (rows) =>
  1.5 * Math.max(0, ...rows.filter(({ length }) => length).map(([first]) => first)) || Infinity;

/** Choose round numbers between `low` and `high`, roughly `about` of them. */
export function ticksBetween(low, high, about) {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10]
    .map((k) => k * power)
    .reduce((a, b) => (Math.abs(Math.log(b / rough)) < Math.abs(Math.log(a / rough)) ? b : a));
  const found = [];
  for (let k = Math.ceil(low / size - 1e-9); k <= Math.floor(high / size + 1e-9); k++)
    found.push(Number((k * size).toPrecision(12)));
  return found;
}

/** Choose ticks for a logarithmic scale: 1, 2, 5, 10, 20 …, or evenly spaced numbers if there would be too few. */
export function logTicksBetween(low, high, about) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
    for (const k of [1, 2, 5]) {
      const value = Number((k * 10 ** power).toPrecision(12));
      if (value >= low && value <= high) found.push(value);
    }
  return found.length < 4 ? ticksBetween(low, high, about) : found;
}

/** Return a function that maps a value to a position between 0 and 1. */
export function scaleOf([low, high], log) {
  if (!log) return (value) => (value - low) / (high - low);
  return (value) => Math.log(Math.max(value, low) / low) / Math.log(high / low);
}

/**
 * Return an exponential moving average, as TensorBoard draws it; `weight` is the weight of the earlier values (0: no
 * smoothing). The average starts at 0 and is divided by the sum of the weights so far, so that the first values are not
 * pulled towards 0 (Kingma and Ba, 2014, "Adam", section 3). Missing values stay missing.
 */
export function movingAverage(values, weight) {
  let average = 0;
  let gathered = 0;
  return Float32Array.from(values, (value) => {
    if (!Number.isFinite(value)) return NaN;
    average = weight * average + (1 - weight) * value;
    gathered = weight * gathered + (1 - weight);
    return average / gathered;
  });
}

/** Return the range of points in a window, as [first, end], with one more point on each side so that lines reach the
 * edges. */
export function inWindow(xs, [from, to]) {
  let first = 0;
  let after = xs.length;
  while (first < after && xs[first] < from) first++;
  while (after > first && xs[after - 1] > to) after--;
  return [Math.max(0, first - 1), Math.min(xs.length, after + 1)];
}

/** Return the window between two positions, within 0 … end and at least `least` wide; null if it shows everything. */
export function windowBetween(a, b, end, least) {
  const width = Math.max(least, Math.abs(b - a));
  const middle = (a + b) / 2;
  const from = Math.max(0, Math.min(end - width, middle - width / 2));
  const to = Math.min(end, from + width);
  return width >= end ? null : [from, to];
}

/** Move a window, without changing its width, so that it contains x. */
export function moveInto([from, to], x) {
  const by = x < from ? x - from : x > to ? x - to : 0;
  return [from + by, to + by];
}

/**
 * Return at most one point for each column of pixels: [{ x, mean, low, high }, …], with x in pixels. So a long run
 * takes no longer to draw than a short run, and its spikes still show.
 */
export function columnsOf(xs, { mean, low, high }, toPixel) {
  const found = [];
  for (let k = 0; k < xs.length; k++) {
    if (!Number.isFinite(mean[k])) continue;
    const x = toPixel(xs[k]);
    const last = found.at(-1);
    if (last && Math.round(last.x) === Math.round(x)) {
      last.n++;
      last.mean += (mean[k] - last.mean) / last.n;
      last.low = Math.min(last.low, low[k]);
      last.high = Math.max(last.high, high[k]);
    } else found.push({ x, mean: mean[k], low: low[k], high: high[k], n: 1 });
  }
  return found;
}

const place = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;
/**
 * Return the SVG path of a line through the columns; `bandPath` returns the path of the band between their lowest and
 * highest values.
 */
export const linePath = (columns, toY) =>
  columns.map(({ x, mean }, k) => `${k ? "L" : "M"}${place(x, toY(mean))}`).join("");
export function bandPath(columns, toY) {
  if (!columns.some(({ low, high }) => high > low)) return "";
  const there = columns.map(({ x, high }, k) => `${k ? "L" : "M"}${place(x, toY(high))}`);
  const back = columns.map(({ x, low }) => `L${place(x, toY(low))}`).reverse();
  return `${there.join("")}${back.join("")}Z`;
}

/**
 * Shift labels so that they do not overlap: down, beginning at `top`, and then up where they would go beyond `bottom`.
 */
export function spread(heights, gap, top, bottom) {
  const order = heights.map((_, k) => k).sort((a, b) => heights[a] - heights[b]);
  const found = [...heights];
  order.forEach((k, n) => {
    found[k] = Math.max(found[k], n ? found[order[n - 1]] + gap : top);
  });
  [...order].reverse().forEach((k, n, all) => {
    found[k] = Math.min(found[k], n ? found[all[n - 1]] - gap : bottom);
  });
  return found;
}

/** Format a duration: 12 -> "12 s", 80 -> "1 min 20 s", 4000 -> "1 h 7 min". */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(s / 60);
  if (s < 60) return `${s} s`;
  return minutes < 60 ? `${minutes} min ${s % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Describe a run's state in words. `together` is how many runs take turns, and `gone` whether the kernel is gone. */
export function standingOf(run, together = 1, gone = false) {
  const of = run.steps && run.state !== "finished" ? ` of ${whole(run.steps)}` : "";
  const at = `step ${whole(run.step)}${of}`;
  if (gone && ["ready", "running", "paused"].includes(run.state)) return `ended when the kernel stopped: ${at}`;
  const words = {
    ready: "not started",
    running: "running",
    paused: "paused",
    stopped: "stopped",
    finished: "finished",
    failed: "failed",
  }[run.state];
  const taken = run.step - run.begun;
  const left =
    run.state === "running" && taken > 0 && run.steps
      ? ((run.steps - run.step) * run.seconds * together) / taken
      : null;
  const how = run.in_cell && run.state === "running" ? "running in a cell (interrupt the cell to pause)" : words;
  return `${how}: ${at}${left === null || !Number.isFinite(left) ? "" : `, about ${duration(left)} left`}`;
}

/** Return a curve's point at x, or null; `dashed` holds the values of the dashed curves at the same steps, if any. */
export function readingAt({ steps, dashed }, x, across) {
  const at = nearest(xsOf(steps, across), x);
  if (at < 0) return null;
  const seen = nearest(xsOf(dashed, across), x);
  const { first, last } = steps;
  const isHere = seen >= 0 && dashed.last[seen] >= first[at] && dashed.first[seen] <= last[at];
  return {
    at,
    first: first[at],
    last: last[at],
    x: xsOf(steps, across)[at],
    values: steps.mean.map((row) => row[at]),
    low: steps.low[0][at],
    high: steps.high[0][at],
    dashed: isHere ? dashed.mean.map((row) => row[seen]) : [],
  };
}

/** Name a point's steps: "step 12", or "steps 129 to 256" if the point covers several steps. */
export const stepsInWords = ({ first, last }) =>
  first === last ? `step ${whole(last)}` : `steps ${whole(first)} to ${whole(last)}`;

/** Write a reading as one sentence; `metrics` and `names` name its values and the dashed curves. */
export function readingInWords(name, reading, metrics, names) {
  const write = metrics[0].write;
  const known = (value) => Number.isFinite(value);
  const parts = metrics.flatMap((one, k) =>
    known(reading.values[k]) ? [`${one.name} ${one.write(reading.values[k])}`] : [],
  );
  const beside = reading.dashed.flatMap((value, k) => (known(value) ? [`${names[k]} ${write(value)}`] : []));
  parts.splice(1, 0, ...beside);
  return `${name ? `${name}, ` : ""}${stepsInWords(reading)}: ${parts.join(", ")}.`;
}

/** Return a step's x value on a run's curve, in steps or in seconds of computing time; null if it is not known. */
export function placeOfStep({ last, seconds, n }, step, across) {
  if (across === "steps") return step;
  let at = 0;
  while (at < n - 1 && last[at] < step) at++;
  return seconds[at] ?? null;
}
