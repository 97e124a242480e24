// Two models' predictions for each token, as numbers. This code does not touch the page, so it can be tested in Node.

const SCALES = [0.5, 1, 2, 4, 8]; // the possible ends of the colour scale, in nats, as in moves.py

/** Unpack the base model's `Expected`, then the tuned model's; each holds log-probabilities and the likeliest ids. */
export function unpackMoves(packed, n, shown) {
  const buffer = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength).slice().buffer;
  const size = 4 * n * (1 + 2 * shown);
  const model = (at) => ({
    logProbs: new Float32Array(buffer, at, n),
    top: new Uint32Array(buffer, at + 4 * n, n * shown),
    topLogProbs: new Float32Array(buffer, at + 4 * n * (1 + shown), n * shown),
  });
  const base = model(0);
  const tuned = model(size);
  return { n, shown, base, tuned, moves: tuned.logProbs.map((logProb, k) => logProb - base.logProbs[k]) };
}

/** Return the likeliest tokens of one model at a position: `[{ id, p }]`. */
export function likeliestAt({ top, topLogProbs }, shown, k) {
  return Array.from({ length: shown }, (_, j) => ({ id: top[k * shown + j], p: Math.exp(topLogProbs[k * shown + j]) }));
}

/** Choose the ends of the colour scale, in nats, so that 90% of the changes lie between them. */
export function scaleOf(moves) {
  const sizes = Array.from(moves)
    .filter((move) => !Number.isNaN(move))
    .map(Math.abs)
    .sort((a, b) => a - b);
  const most = sizes.length ? sizes[Math.floor(0.9 * (sizes.length - 1) + 0.999)] : 0;
  return SCALES.find((scale) => scale >= most) ?? SCALES.at(-1);
}

/**
 * Return a change's index in a table of 256 colours: 0 is far less likely, 255 is far likelier, and unknown and
 * unchanged tokens are in the middle.
 */
export const shadeOf = (move, scale) =>
  Math.round(127.5 + 127.5 * Math.max(-1, Math.min(1, (Number.isNaN(move) ? 0 : move) / scale)));

/** Write a change with its sign: "+1.3", "−0.5", "0", or "–" if the change is not known. */
export function signed(move) {
  if (Number.isNaN(move)) return "–";
  return Math.abs(move) < 0.05 ? "0" : `${move > 0 ? "+" : "−"}${Math.abs(move).toFixed(1)}`;
}

/** Write a change in words: "12 times as likely as before", "less likely than before by a factor of 3.0". */
export function timesInWords(move) {
  if (Number.isNaN(move)) return "nothing comes before it";
  const factor = Math.exp(Math.abs(move));
  const words =
    factor < 9.95 ? factor.toFixed(1) : factor < 1e6 ? Math.round(factor).toLocaleString("en") : "over a million";
  if (words === "1.0") return "as likely as before";
  return move > 0 ? `${words} times as likely as before` : `less likely than before by a factor of ${words}`;
}

/** Return the mean surprise of each model over some positions, in nats: `{ tokens, base, tuned }`. */
export function meanSurprise({ base, tuned }, places) {
  const counted = places.filter((k) => !Number.isNaN(base.logProbs[k]));
  const mean = (all) => -counted.reduce((sum, k) => sum + all[k], 0) / counted.length;
  return { tokens: counted.length, base: mean(base.logProbs), tuned: mean(tuned.logProbs) };
}

/** List the numbers from `from` up to, but not including, `to`. */
export const range = (from, to) => Array.from({ length: to - from }, (_, k) => from + k);

const LONG = 80;
const SHOWN = 60; // a message of more than LONG tokens is folded, and shows only SHOWN of them

/**
 * Return which of a message's `n` tokens are folded away, `[from, to]`: the middle, since the end may be a question.
 */
export const foldOf = (n) => (n > LONG ? [(2 * SHOWN) / 3, n - SHOWN / 3] : [n, n]);

/** Return the position of the token whose log-probability has changed most; null if no token can be compared. */
export function movedMost(moves) {
  let most = null;
  const isMore = (move) => most === null || Math.abs(move) > Math.abs(moves[most]);
  moves.forEach((move, k) => {
    if (!Number.isNaN(move) && isMore(move)) most = k;
  });
  return most;
}
