// The stages of one query's attention, in numbers and in words.

export const STAGES = ["q·k", "scale", "mask", "softmax", "values"];

/** Rows of float32 numbers (little endian) out of a DataView, with the reader's own vectors in place. */
export function rowsOf(view, width, kind, moved) {
  const rows = [];
  for (let at = 0; at < view.byteLength; at += 4 * width)
    rows.push(
      moved[`${kind}${rows.length}`] ?? Array.from({ length: width }, (_, i) => view.getFloat32(at + 4 * i, true)),
    );
  return rows;
}

export const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** All stages of one query's attention. */
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

/** A number as the view writes it: two decimals, halves away from zero, a real minus sign. */
export function number(x) {
  if (x === -Infinity) return "−∞";
  const cents = Math.floor(Math.abs(x) * 100 + 0.5);
  return `${x < 0 && cents ? "−" : ""}${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
}

export const rowText = (row) => `(${row.map(number).join(", ")})`;

/** What the current stage does, in words. */
export function story(stage, { scaled, masked, width, name, made }) {
  const best = made.weights.indexOf(Math.max(...made.weights));
  const most = `“${name(best)}”: ${number(made.weights[best])}`;
  const root = `√${width} = ${number(Math.sqrt(width))}`;
  const query = `The query of “${name(null)}”`;
  return [
    `${query} is multiplied by each key, channel by channel, and the products are summed: how well do the two match?`,
    scaled
      ? `Each product is divided by ${root}, so that wide heads do not get extreme scores.`
      : "Scaling is switched off: the products stay as large as they are.",
    masked
      ? "Tokens after the query get −∞: the query must not see the future."
      : "The mask is switched off: the query sees later tokens too.",
    `Exponentials, divided by their sum: positive weights that sum to one. The largest goes to ${most}.`,
    "Each value is multiplied by its weight, and the products are summed. The head passes on this sum.",
  ][stage];
}

/** Write a vector; only the beginning of a wide one. */
export const shortRow = (row) => (row.length <= 4 ? rowText(row) : `${rowText(row.slice(0, 3)).slice(0, -1)}, …)`);
