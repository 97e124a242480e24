// The plane for two channels: arrows that users can drag, and their names, which overlap as little as possible.

import { arrowOf } from "../shared/keys.mjs";

const INSET = 14; // pixels between the longest arrow and the edge, so that the whole tip shows

/** Return half the width of the plane: large enough for all arrows, and at least 2. */
export function reach(rows) {
  return Math.max(2, Math.ceil(Math.max(0, ...rows.flat().map(Math.abs)) + 0.25));
}

/**
 * Convert a vector to a position on a square picture of this size, or (`fromPlane`) a position to a rounded vector
 * inside the picture.
 */
export function toPlane([x, y], size, most) {
  const unit = (size / 2 - INSET) / most;
  return [size / 2 + x * unit, size / 2 - y * unit];
}
export function fromPlane(px, py, size, most) {
  const unit = (size / 2 - INSET) / most;
  return [kept((px - size / 2) / unit, most), kept((size / 2 - py) / unit, most)];
}

const kept = (x, most) => Math.round(100 * Math.max(-most, Math.min(most, x))) / 100 + 0;

/** Return the vector as moved by an arrow key, or null for any other key. */
export function nudged([x, y], key, coarse, most) {
  const step = coarse ? 0.5 : 0.1;
  const arrow = arrowOf(key);
  return arrow && [kept(x + step * arrow[1], most), kept(y - step * arrow[0], most)];
}

/** Return the points of the path from the origin to the output; each step adds a value times its weight. */
export function chain(values, weights) {
  const sums = [[0, 0]];
  values.forEach(([x, y], row) => sums.push([sums.at(-1)[0] + weights[row] * x, sums.at(-1)[1] + weights[row] * y]));
  return sums;
}

/** Return whether the segment from a to b meets a box (with the Liang–Barsky algorithm). */
export function crosses([ax, ay], [bx, by], { left, right, top, bottom }) {
  let from = 0;
  let to = 1;
  for (const [p, q] of [
    [ax - bx, ax - left],
    [bx - ax, right - ax],
    [ay - by, ay - top],
    [by - ay, bottom - ay],
  ]) {
    if (p === 0) {
      if (q < 0) return false;
    } else if (p < 0) from = Math.max(from, q / p);
    else to = Math.min(to, q / p);
  }
  return from <= to;
}

const TURNS = [0, 1, -1, 2, -2, 3, -3, 4].map((k) => (k * Math.PI) / 4);
const WIDE = 8;
const HIGH = 16; // pixels: the width and height of a letter at 14 px

/**
 * Place the names of arrows, and return [{x, y}], the left end of each name's baseline. `tips` are [{x, y, label}] on a
 * square picture of this size, and `lines` are pairs of points. A name goes in the direction of its arrow, or is turned
 * aside or moved away until it does not overlap a line, a tip or another name. If no position is free, the name goes
 * where it overlaps least; an overlap with a tip or a name counts twice.
 */
export function placeNames(tips, lines, size) {
  const taken = tips.map(({ x, y }) => ({ left: x - 9, right: x + 9, top: y - 9, bottom: y + 9 }));
  return tips.map(({ x, y, label }) => {
    const wide = WIDE * Array.from(label).length;
    const ahead = Math.atan2(y - size / 2, x - size / 2);
    let best = null;
    for (const off of [14, 26, 40])
      for (const turn of TURNS) {
        const cos = Math.cos(ahead + turn);
        const sin = Math.sin(ahead + turn);
        const mx = x + cos * (off + wide / 2);
        const my = y + sin * (off + HIGH / 4);
        const box = { left: mx - wide / 2, right: mx + wide / 2, top: my - HIGH / 2, bottom: my + HIGH / 2 };
        if (box.left < 2 || box.top < 2 || box.right > size - 2 || box.bottom > size - 2) continue;
        const met =
          lines.filter(([a, b]) => crosses(a, b, box)).length +
          2 *
            taken.filter(
              (one) => box.left < one.right && box.right > one.left && box.top < one.bottom && box.bottom > one.top,
            ).length;
        if (!best || met < best.met) best = { met, box };
      }
    const { box } = best ?? { box: { left: 2, right: 2 + wide, top: 2, bottom: 2 + HIGH } };
    taken.push(box);
    return { x: box.left, y: box.bottom - 4 };
  });
}
