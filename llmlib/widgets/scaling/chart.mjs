// Draws a scene (see scene.mjs) as an SVG picture in the page's current colours.

import { svg } from "../shared/canvas.mjs";
import { placeLabels } from "./scene.mjs";

const LEFT = 52;
const RIGHT = 10;
const TOP = 10;
const BOTTOM = 40;
const LETTER = 6.9; // the approximate width of a bold character at 11 px
const NEAR = 14; // pixels: a click this close to a mark chooses the mark

/** Return the SVG attributes for each kind of line, and for the region. */
function looksOf({ ink, faint, accent, less, line }) {
  return {
    level: { stroke: faint, "stroke-width": 0.8, opacity: 0.8 },
    mine: { stroke: accent, "stroke-width": 1.8 },
    compute: { stroke: accent, "stroke-width": 1.2, "stroke-dasharray": "1.5 4" },
    frontier: { stroke: ink, "stroke-width": 1.6, "stroke-dasharray": "7 4" },
    training: { stroke: accent, "stroke-width": 1.6 },
    answering: { stroke: less, "stroke-width": 1.6, "stroke-dasharray": "5 3" },
    both: { stroke: ink, "stroke-width": 2.2 },
    region: { fill: accent, "fill-opacity": 0.09, stroke: line, "stroke-width": 1 },
  };
}

/**
 * For each kind of mark, a function that returns its shape around a point, as an SVG path (for runs, one per group).
 */
const SHAPES = {
  run: [
    (x, y) => `M${x - 3} ${y - 3}l6 6m0 -6l-6 6`,
    (x, y) => `M${x - 3} ${y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0`,
    (x, y) => `M${x} ${y - 3.5}l3.5 6h-7z`,
    (x, y) => `M${x - 3.5} ${y}h7m-3.5 -3.5v7`,
  ],
  model: (x, y) => `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0`,
  you: (x, y) => `M${x - 8} ${y}a8 8 0 1 0 16 0a8 8 0 1 0 -16 0`,
  best: (x, y) => `M${x} ${y - 7}l7 7l-7 7l-7 -7z`,
  cheap: (x, y) => `M${x - 5.5} ${y - 5.5}h11v11h-11z`,
};

function markPath({ kind, group = 0 }, x, y, { ink, accent, less, paper }) {
  const shape = kind === "run" ? SHAPES.run[group % SHAPES.run.length] : SHAPES[kind];
  const looks = {
    run: { stroke: ink, "stroke-width": 1.2, fill: "none" },
    model: { fill: ink, stroke: paper, "stroke-width": 1 },
    you: { fill: "none", stroke: accent, "stroke-width": 3 },
    best: { fill: "none", stroke: accent, "stroke-width": 2 },
    cheap: { fill: "none", stroke: less, "stroke-width": 2.5 },
  }[kind];
  return svg("path", { d: shape(x, y), ...looks });
}

/** Draw a small sample of a mark, a line or the region, for a legend. */
export function sample(kind, palette, group = 0) {
  const node = svg("svg", { width: 20, height: 18, "aria-hidden": "true" });
  const line = looksOf(palette)[kind];
  node.append(
    line
      ? svg(kind === "region" ? "rect" : "path", {
          ...(kind === "region" ? { x: 2, y: 3, width: 16, height: 12 } : { d: "M1 9h18", fill: "none" }),
          ...line,
        })
      : markPath({ kind, group }, 10, 9, palette),
  );
  return node;
}

/**
 * Draw a scene into `node`, `width` by `height` pixels. Return `at(event)`, a function that returns { mark } if a mark
 * (other than the user's model) is near the pointer, or else the values there, { x, y }, or {} outside the axes.
 */
export function drawScene(node, scene, { width, height, palette }) {
  const inner = { width: width - LEFT - RIGHT, height: height - TOP - BOTTOM };
  const place = ({ range: [low, high], linear }) => {
    const value = linear ? (one) => one : Math.log;
    return (one) => (value(one) - value(low)) / (value(high) - value(low));
  };
  const [across, up] = [place(scene.x), place(scene.y)];
  const toX = (value) => LEFT + inner.width * across(value);
  const toY = (value) => TOP + inner.height * (1 - up(value));
  const looks = looksOf(palette);
  const word = (words, attributes) => svg("text", { "font-size": 11, fill: palette.faint, ...attributes }, words);
  node.setAttribute("width", width);
  node.setAttribute("height", height);
  node.setAttribute("viewBox", `0 0 ${width} ${height}`);

  const clip = `llm-clip-${Math.random().toString(36).slice(2)}`;
  const box = { x: LEFT, y: TOP, width: inner.width, height: inner.height };
  const clipped = svg("clipPath", { id: clip });
  clipped.append(svg("rect", box));
  const lines = svg("g", { "clip-path": `url(#${clip})`, fill: "none" });
  const axes = svg("g", {});
  axes.append(svg("rect", { ...box, fill: "none", stroke: palette.line }));
  for (const value of scene.x.ticks) {
    const x = toX(value);
    axes.append(
      svg("path", { d: `M${x.toFixed(1)} ${TOP + inner.height}v4`, stroke: palette.line }),
      word(scene.x.write(value), { x: x.toFixed(1), y: height - BOTTOM + 16, "text-anchor": "middle" }),
    );
  }
  for (const value of scene.y.ticks) {
    const y = toY(value);
    axes.append(
      svg("path", { d: `M${LEFT - 4} ${y.toFixed(1)}h4`, stroke: palette.line }),
      word(scene.y.write(value), { x: LEFT - 7, y: (y + 4).toFixed(1), "text-anchor": "end" }),
    );
  }
  axes.append(
    word(scene.x.label, { x: LEFT + inner.width / 2, y: height - 6, "text-anchor": "middle", "font-size": 12 }),
    word(scene.y.label, { x: LEFT + 6, y: TOP + 14, "font-size": 12, ...haloOf(palette) }),
  );
  if (scene.region) {
    const [left, right] = scene.region.x.map(toX);
    const [bottom, top] = scene.region.y.map(toY);
    lines.append(svg("rect", { x: left, y: top, width: right - left, height: bottom - top, ...looks.region }));
  }
  const named = [];
  for (const { kind, points, label, first } of scene.lines) {
    const shown = points.map(([x, y]) => [toX(x), toY(y)]).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
    lines.append(svg("path", { d: pathOf(shown), ...looks[kind] }));
    const end = width - RIGHT - (first ? 34 : 4);
    const isFree = (x, y) => y > TOP + 22 || x > LEFT + 80; // the name of the axis is in the corner
    const seen = shown.filter(
      ([x, y]) => x > LEFT + 4 && x < end && y > TOP + 16 && y < height - BOTTOM - 4 && isFree(x, y),
    );
    if (label && seen.length > 3) named.push([label, ...(first ? seen[0] : seen.at(-1)), first]);
  }
  const labels = svg("g", {});
  for (const [label, x, y, first] of spaced(named)) {
    const anchor = first || x < width - 50 ? "start" : "end";
    labels.append(
      word(label, { x: x + (anchor === "start" ? 3 : 0), y: y - 3, "text-anchor": anchor, ...haloOf(palette) }),
    );
  }
  const marks = svg("g", {});
  const placed = scene.marks.map((mark) => ({ mark, x: toX(mark.x), y: toY(mark.y) }));
  for (const { mark, x, y } of placed) {
    const one = markPath(mark, Number(x.toFixed(1)), Number(y.toFixed(1)), palette);
    one.append(svg("title", {}, mark.title));
    marks.append(one);
  }
  const sized = placed.map(({ mark, x, y }) => ({ x, y, label: mark.label ? LETTER * mark.label.length : 0 }));
  const where = placeLabels(sized, { width: width - RIGHT, height: height - BOTTOM });
  where.forEach((spot, k) => {
    if (!spot) return;
    const attributes = { x: spot.x.toFixed(1), y: spot.y.toFixed(1), "text-anchor": spot.anchor, fill: palette.ink };
    marks.append(word(placed[k].mark.label, { ...attributes, "font-weight": 600, ...haloOf(palette) }));
  });
  node.replaceChildren(clipped, lines, axes, labels, marks);

  const back = ({ range: [low, high], linear }, share) =>
    linear ? low + share * (high - low) : low * (high / low) ** share;
  return {
    at(event) {
      const frame = node.getBoundingClientRect();
      const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
      const far = (one) => Math.hypot(one.x - x, one.y - y);
      const near = placed
        .filter(({ mark }) => mark.kind !== "you")
        .reduce((best, one) => (far(one) < far(best) ? one : best), { x: Infinity, y: Infinity });
      if (far(near) <= NEAR) return { mark: near.mark };
      const shares = [(x - LEFT) / inner.width, 1 - (y - TOP) / inner.height];
      if (shares.some((share) => share < 0 || share > 1)) return {};
      return { x: back(scene.x, shares[0]), y: back(scene.y, shares[1]) };
    },
  };
}

const haloOf = ({ paper }) => ({ stroke: paper, "stroke-width": 3, "paint-order": "stroke" });

/** Return a path through points, but leave out points so far outside that they only cost bytes. */
function pathOf(points) {
  const most = 5000;
  const near = ([x, y]) => Math.abs(x) < most && Math.abs(y) < most;
  const kept = points.filter(
    (one, k) => near(one) || (points[k - 1] && near(points[k - 1])) || (points[k + 1] && near(points[k + 1])),
  );
  const shown = kept.length > 1 ? kept : points;
  return shown.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

/** Keep only the line labels that do not cover an earlier label. */
function spaced(named) {
  const kept = [];
  for (const one of named)
    if (kept.every(([, x, y]) => Math.abs(x - one[1]) > 30 || Math.abs(y - one[2]) > 12)) kept.push(one);
  return kept;
}
