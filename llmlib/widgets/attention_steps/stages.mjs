// The stages of one query's attention, in numbers and in words.

export const STAGES = ["q·k", "scale", "mask", "softmax", "values"];

/** Read rows of float32 numbers (little endian) from a DataView; vectors that the user has moved replace the
 * originals. */
export function rowsOf(view, width, kind, moved) {
  const rows = [];
  for (let at = 0; at < view.byteLength; at += 4 * width)
    rows.push(
      moved[`${kind}${rows.length}`] ?? Array.from({ length: width }, (_, i) => view.getFloat32(at + 4 * i, true)),
    );
  return rows;
}

export const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** Compute all stages of one query's attention. */
export function attend(q, keys, values, query, useScale, useMask) {
  const dots = keys.map((key) => dot(q, key));
  const scaled = useScale ? dots.map((x) => x / Math.sqrt(q.length)) : dots;
  const masked = useMask ? scaled.map((x, key) => (key > query ? -Infinity : x)) : scaled;
  const largest = Math.max(...masked);
  const exponentials = masked.map((x) => Math.exp(x - largest));
  const total = exponentials.reduce((sum, x) => sum + x, 0);
  const weights = exponentials.map((x) => x / total);
  const output = q.map((_, i) => values.reduce((sum, value, key) => sum + weights[key] * value[i], 0));
  return { dots, scaled, masked, weights, output };
}

/** Write a number with two decimals and a real minus sign; halves are rounded away from zero. */
export function number(x) {
  if (x === -Infinity) return "−∞";
  const cents = Math.floor(Math.abs(x) * 100 + 0.5);
  return `${x < 0 && cents ? "−" : ""}${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
}

export const rowText = (row) => `(${row.map(number).join(", ")})`;

/** Say in words what the current stage does. */
export function story(stage, { scaled, masked, width, name, made }) {
  const best = made.weights.indexOf(Math.max(...made.weights));
  const most = `“${name(best)}”: ${number(made.weights[best])}`;
  const root = `√${width} = ${number(Math.sqrt(width))}`;
  const query = `The query of “${name(null)}”`;
  return [
    `${query} is multiplied by each key, channel by channel, and the products are summed: how well do the two match?`,
    scaled
      ? `Each dot product is divided by ${root}, so that wide heads do not get extreme scores.`
      : "Scaling is switched off, so the products do not change.",
    masked
      ? "Tokens after the query get a score of −∞, because the query must not see the future."
      : "The mask is switched off, so the query sees later tokens, too.",
    "The exponential of each score is divided by the sum of all the exponentials. " +
      `This gives positive weights that sum to 1. The largest goes to ${most}.`,
    "Each value is multiplied by its weight, and the products are summed. The head passes on this sum.",
  ][stage];
}

/** Write a vector, or only the beginning of a long vector. */
export const shortRow = (row) => (row.length <= 4 ? rowText(row) : `${rowText(row.slice(0, 3)).slice(0, -1)}, …)`);
