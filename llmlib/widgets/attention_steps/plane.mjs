// The plane for two channels: arrows that can be dragged, and names that nothing covers.

import { arrowOf } from "../shared/keys.mjs";

const INSET = 14; // pixels that the longest arrow keeps from the edge, so that its tip is whole

/** The half width of the plane: large enough for all arrows, and never less than 2. */
export function reach(rows) {
  return Math.max(2, Math.ceil(Math.max(0, ...rows.flat().map(Math.abs)) + 0.25));
}

/** Where a vector is on a square picture of this size, and back, kept inside and rounded to hundredths. */
export function toPlane([x, y], size, most) {
  const unit = (size / 2 - INSET) / most;
  return [size / 2 + x * unit, size / 2 - y * unit];
}
export function fromPlane(px, py, size, most) {
  const unit = (size / 2 - INSET) / most;
  return [kept((px - size / 2) / unit, most), kept((size / 2 - py) / unit, most)];
}

const kept = (x, most) => Math.round(100 * Math.max(-most, Math.min(most, x))) / 100 + 0;

/** The vector after an arrow key, or null for another key. */
export function nudged([x, y], key, coarse, most) {
  const step = coarse ? 0.5 : 0.1;
  const arrow = arrowOf(key);
  return arrow && [kept(x + step * arrow[1], most), kept(y - step * arrow[0], most)];
}

/** The path of the values, each times its weight, one after the other: from the origin to the output. */
export function chain(values, weights) {
  const sums = [[0, 0]];
  values.forEach(([x, y], row) => sums.push([sums.at(-1)[0] + weights[row] * x, sums.at(-1)[1] + weights[row] * y]));
  return sums;
}

/** Whether the segment from a to b meets a box: Liang and Barsky's clipping leaves something of it. */
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
const HIGH = 16; // pixels of a letter at 14 px

/**
 * Where the names of arrows go: [{x, y}], the left end of each baseline. `tips` are [{x, y, label}] on a square picture
 * of this size, `lines` pairs of points. A name goes in the direction of its arrow, or turns aside until it meets no
 * line, no tip and no other name; if every place is taken, it goes where it meets the fewest.
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
