// Draws two pictures of what was measured inside a model: all parts over time, as a strip, and one part in detail.

import { svg } from "../shared/canvas.mjs";
import { shortly, ticksBetween } from "../shared/runs/curves.mjs";
import { columnsBetween, placeAmong, powersOf, sizeInWords } from "./sizes.mjs";

// In pixels: the space for names, for numbers, on the right, above and below; the height of the picture of one part;
// the smallest and the largest height of a row; and the height that a name needs.
const NAMED = 82;
const NUMBERED = 50;
const RIGHT = 18;
const ABOVE = 6;
const BELOW = 22;
const FAN_TALL = 190;
const ROW_LEAST = 10;
const ROW_MOST = 24;
const ROW_NAMED = 14;
const DECADES = { strip: 3, fan: 5 }; // at most this many powers of ten get distinct colours

function word(palette, text, attributes) {
  return svg("text", { "font-size": 11, fill: palette.faint, ...attributes }, text);
}

function sizeTo(picture, width, height) {
  const all = { viewBox: `0 0 ${width} ${height}`, width, height };
  for (const [name, value] of Object.entries(all)) picture.setAttribute(name, value);
}

const stepMarks = (palette, [from, to], width, toX, y) =>
  ticksBetween(from, to, Math.max(2, Math.min(6, width / 80))).map((x) =>
    word(palette, shortly(x), { x: toX(x), y, "text-anchor": "middle" }),
  );

/** Return the layout of a strip, `wide` pixels wide, with this many groups, from position `from` to position `to`. */
export function stripFrame(groups, [from, to], wide) {
  const row = Math.max(ROW_LEAST, Math.min(ROW_MOST, Math.floor((FAN_TALL - ABOVE - BELOW) / groups)));
  const width = wide - NAMED - RIGHT;
  const toX = (x) => NAMED + (width * (x - from)) / (to - from);
  const top = (group) => ABOVE + (groups - 1 - group) * row; // the bottom of the model is at the bottom
  /** Return the group and the position at a point; the group is null if there is none. */
  const at = (x, y) => {
    const group = groups - 1 - Math.floor((y - ABOVE) / row);
    const share = Math.max(0, Math.min(1, (x - NAMED) / width));
    return { group: group >= 0 && group < groups ? group : null, x: from + share * (to - from) };
  };
  return { groups, from, to, wide, row, width, left: NAMED, bottom: ABOVE + groups * row, toX, top, at };
}

/** Draw medians as colours, with a row for each group; return the powers of ten at the ends of the colour scale. */
export function drawStrip(picture, frame, { xs, names, median }, { palette, shades, marks }) {
  const { groups, row, toX, top, bottom } = frame;
  const columns = columnsBetween(xs, [frame.from, frame.to]);
  const parts = [];
  const numbers = Array.from({ length: groups }, (_, group) => group);
  const medians = columns.flatMap(({ record }) => numbers.map((group) => median(record, group)));
  const powers = powersOf(medians, DECADES.strip);
  const middle = row / 2 + 4;
  sizeTo(picture, frame.wide, bottom + BELOW);
  const every = Math.ceil(ROW_NAMED / row); // if rows are thin, only some have space for a name
  for (const group of numbers) {
    const y = top(group);
    const name = () => word(palette, names[group], { x: NAMED - 6, y: y + middle, "text-anchor": "end" });
    if (group % every === 0) parts.push(name());
    for (const { record, left, right } of columns) {
      const share = placeAmong(median(record, group), powers);
      const x = toX(left);
      const width = Math.max(0.5, toX(right) - x);
      const fill = share === null ? palette.outside : shades[Math.round(255 * share)].fill;
      const cell = { x: x.toFixed(1), y, width: width.toFixed(1), height: row - 1, fill };
      parts.push(svg("rect", { ...cell, "shape-rendering": "crispEdges" }));
    }
  }
  const below = stepMarks(palette, [frame.from, frame.to], frame.width, toX, bottom + 14);
  picture.replaceChildren(...parts, ...below, marks);
  return powers;
}

/** Mark the chosen part of the strip, and the part and step that the user points at (`at`). */
export function stripMarks(frame, xs, chosen, at, palette) {
  const box = { fill: "none", stroke: palette.ink };
  const { left, width, row, top, toX } = frame;
  const whole = { x: left - 1, y: top(chosen) - 1, width: width + 2, height: row + 1 };
  const of = svg("rect", { ...whole, ...box, "stroke-width": 1.6 });
  const here = at && columnsBetween(xs, [frame.from, frame.to]).find(({ record }) => record === at.record);
  if (!here) return [of];
  const x = toX(here.left);
  const place = { x, y: top(at.group), width: Math.max(2, toX(here.right) - x), height: row - 1 };
  return [of, svg("rect", { ...place, ...box, "stroke-width": 2.4, stroke: palette.missing })];
}

/**
 * Draw the quantiles of one group: a pale band for 90% of the values, a strong band for 50%, and a line for the
 * median.
 */
export function drawFan(picture, { from, to, wide }, { xs, quantiles, rule }, { palette, colour }) {
  const all = Array.from(xs, (x, record) => ({ x, q: quantiles(record) }));
  const known = all.filter(({ x, q }) => x >= from && x <= to && !Number.isNaN(q[2]));
  const powers = powersOf([...known.flatMap(({ q }) => Array.from(q)), ...(rule ? [rule] : [])], DECADES.fan);
  const width = wide - NUMBERED - RIGHT;
  const right = NUMBERED + width;
  const bottom = FAN_TALL - BELOW;
  const parts = [];
  const toX = (x) => NUMBERED + (width * (x - from)) / (to - from);
  const toY = (size) => ABOVE + (bottom - ABOVE) * (1 - (placeAmong(size, powers) ?? 0));
  const across = (y, style) => svg("line", { x1: NUMBERED, x2: right, y1: y, y2: y, ...style });
  const line = (one, q) => one.map((point) => `${toX(point.x).toFixed(1)} ${toY(point.q[q]).toFixed(1)}`).join("L");
  const band = (low, high, opacity) =>
    svg("path", {
      fill: colour,
      "fill-opacity": opacity,
      d: `M${line(known, low)}L${line([...known].reverse(), high)}Z`,
    });
  sizeTo(picture, wide, FAN_TALL);
  for (let power = powers[0]; power <= powers[1]; power++) {
    const y = toY(10 ** power);
    parts.push(across(y, { stroke: palette.line, "stroke-width": 0.6 }));
    parts.push(word(palette, sizeInWords(10 ** power), { x: NUMBERED - 6, y: y + 4, "text-anchor": "end" }));
  }
  parts.push(...stepMarks(palette, [from, to], width, toX, bottom + 15));
  if (known.length) {
    parts.push(band(0, 4, 0.18), band(1, 3, 0.3));
    parts.push(svg("path", { fill: "none", stroke: colour, "stroke-width": 2, d: `M${line(known, 2)}` }));
  } else {
    const middle = { x: NUMBERED + width / 2, y: FAN_TALL / 2, "text-anchor": "middle" };
    parts.push(word(palette, "nothing to measure here", middle));
  }
  const [only] = known;
  if (known.length === 1) parts.push(svg("circle", { cx: toX(only.x), cy: toY(only.q[2]), r: 3, fill: colour }));
  if (rule) {
    const halo = { stroke: palette.paper, "stroke-width": 4, "paint-order": "stroke", fill: palette.ink };
    parts.push(across(toY(rule), { stroke: palette.ink, "stroke-dasharray": "5 4" }));
    const place = { x: right - 4, y: toY(rule) - 5, "text-anchor": "end" };
    parts.push(word(palette, `${sizeInWords(rule)}: rule of thumb`, { ...place, ...halo }));
  }
  picture.replaceChildren(...parts);
}
