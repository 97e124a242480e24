// Turns losses by position and grids of needles into numbers and words. This code does not touch the page, so it can be
// tested in Node.

/**
 * Unpack the levels of averaging from the bytes of a `LongContextView`: [{ width, first, last, arms }, …]. Each arm is
 * { mean, low, high }, with NaN at positions where the arm has no loss.
 */
export function unpackLosses({ levels, arms }, data) {
  const buffer = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer; // aligned
  let at = 0;
  const take = (Kind, n) => {
    at += 4 * n;
    return new Kind(buffer, at - 4 * n, n);
  };
  return levels.map(({ width, n }) => ({
    width,
    first: take(Uint32Array, n),
    last: take(Uint32Array, n),
    arms: arms.map(() => ({ mean: take(Float32Array, n), low: take(Float32Array, n), high: take(Float32Array, n) })),
  }));
}

/** Unpack each arm's grid of shares, `[length, depth]` row by row; NaN means that a cell is not measured yet. */
export function unpackGrids({ grid_arms, lengths, depths }, data) {
  const buffer = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer; // aligned
  const n = lengths.length * depths.length;
  return grid_arms.map((_, k) => new Float32Array(buffer, 4 * n * k, n));
}

/** Return the number of a level's first point that ends at or after a position, or else of its last point. */
export function pointAt({ last }, position) {
  let at = 0;
  while (at < last.length - 1 && last[at] < position) at++;
  return at;
}

/** Write a position in words: "position 512", or "positions 497 to 512" if a point is an average. */
export function positionsInWords({ first, last }, point) {
  const [from, to] = [first[point], last[point]].map((value) => value.toLocaleString("en"));
  return from === to ? `position ${to}` : `positions ${from} to ${to}`;
}

/** Write a loss: "2.31", or "–" if there is none. */
export const lossText = (value) => (Number.isFinite(value) ? value.toFixed(2) : "–");

/** Compare a position with the trained length: "", "within the trained length", "2 × the trained length". */
export function againstTrained(position, trained) {
  if (!trained) return "";
  if (position <= trained) return "within the trained length";
  const times = position / trained;
  return `${times < 10 ? Number(times.toFixed(1)) : Math.round(times)} × the trained length`;
}

/** Describe the losses at a point in one sentence. */
export function lossesInWords(level, point, arms, trained) {
  const side = againstTrained(level.last[point], trained);
  const perArm = arms.map(({ name, row }) => `${name} ${lossText(level.arms[row].mean[point])}`);
  return `At ${positionsInWords(level, point)}${side ? `, ${side}` : ""}: ${perArm.join(", ")}.`;
}

/** Write how often a needle was found: "75%"; "·" for a cell that is not measured yet. */
export const foundText = (share) => (Number.isNaN(share) ? "·" : `${Math.round(100 * share)}%`);

/** Say how often a needle was found, as part of a sentence; `needles` is the number of needles hidden, if known. */
export function foundInWords(share, needles) {
  if (Number.isNaN(share)) return "not measured yet";
  return needles ? `${Math.round(share * needles)} of ${needles} found` : `${foundText(share)} found`;
}

/** Format the share of needles found, averaged over all measured cells of a grid. */
export function meanFound(grid) {
  const known = grid.filter((share) => !Number.isNaN(share));
  return known.length ? foundText(known.reduce((sum, share) => sum + share, 0) / known.length) : "not measured yet";
}

/** Describe a depth as a position in the text. */
export const depthText = (depth) => `${Number((100 * depth).toFixed(1))}% in`;

/** Describe the same cell of all grids in one sentence. */
export function cellInWordsOf({ lengths, depths, needles, trained }, [column, row], grids) {
  const side = againstTrained(lengths[column], trained);
  const length = `${lengths[column].toLocaleString("en")} tokens${side ? ` (${side})` : ""}`;
  const perGrid = grids.map(
    ({ name, shares }) => `${name} ${foundInWords(shares[column * depths.length + row], needles)}`,
  );
  return `${length}, needle ${depthText(depths[row])}: ${perGrid.join("; ")}.`;
}

/** Return the first column past the trained length; -1 if there is none. */
export const firstBeyond = (lengths, trained) => (trained ? lengths.findIndex((length) => length > trained) : -1);
