// Draws the answers by score: right answers above the axis, wrong answers below it, and a line at the threshold.

import { element } from "../shared/shared.mjs";
import { svg } from "../shared/canvas.mjs";
import { ticksBetween } from "../shared/runs/curves.mjs";
import { binned, countsAt, groupsInWords, scoreText, tallest, thresholdAt, tickOf, ticksOf } from "./data.mjs";

const SIDE = 8; // half the width of a slider's thumb
const HEAD = 22;
const FOOT = 22;
const TALL = 180; // pixels beside, above and below the plot, and the plot's height
// Possible numbers of columns; with more columns, a dot is nearer to its score.
const COLUMNS = { dots: [100, 67, 50, 40], bars: 40 };
const DOT = { least: 3.4, most: 14 }; // the smallest and the largest distance between two dots, in pixels

/** Make the histogram; `ctx` holds the scores and the user's choices (see view.mjs). */
export function histogram(ctx) {
  const picture = svg("svg", { role: "img" });
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Threshold" });
  const node = element("div", { class: "llm-histogram" }, picture, slider);
  let frame = null;
  let bins = [];
  let size = null; // the size of a dot; null: bars

  slider.addEventListener("input", () => ctx.go({ threshold: thresholdAt(ctx.score(), Number(slider.value)) }));
  const dragged = (event) => {
    const box = picture.getBoundingClientRect();
    const { low, high } = ctx.score();
    const value = low + ((event.clientX - box.left - SIDE) / (box.width - 2 * SIDE)) * (high - low);
    ctx.go({ threshold: thresholdAt(ctx.score(), tickOf(ctx.score(), value)) });
  };
  picture.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault(); // do not select words in the picture
    picture.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true });
    dragged(event);
  });
  picture.addEventListener("pointermove", (event) => {
    if (event.buttons & 1 && picture.hasPointerCapture(event.pointerId)) dragged(event);
  });

  const toX = (value) => {
    const { low, high } = ctx.score();
    return SIDE + ((Math.max(low, Math.min(high, value)) - low) / (high - low)) * (frame.width - 2 * SIDE);
  };
  const word = (words, x, y, attributes = {}) =>
    svg("text", { x, y, "font-size": 12, fill: ctx.palette.faint, ...attributes }, words);

  /** Place a number below the axis so that all of it is inside the picture. */
  const anchored = (x, y) =>
    x < 24
      ? [x - SIDE, y, { "text-anchor": "start" }]
      : x > frame.width - 24
        ? [x + SIDE, y, { "text-anchor": "end" }]
        : [x, y, { "text-anchor": "middle" }];

  /** Lay out the answers by the shown score in `width` pixels: as the largest dots that fit, or otherwise as bars. */
  function lay(width) {
    const score = ctx.score();
    const binsOf = (columns) => binned(score, Math.max(1, Math.ceil(ticksOf(score) / columns)));
    const roomIn = (found) => {
      const [up, down] = tallest(found);
      return Math.min(DOT.most, TALL / Math.max(1, up + down), (width - 2 * SIDE) / found.length);
    };
    const ways = COLUMNS.dots.map(binsOf);
    bins = ways.reduce((best, one) => (roomIn(one) > roomIn(best) ? one : best));
    size = roomIn(bins) >= DOT.least ? roomIn(bins) : null;
    if (size === null) bins = binsOf(COLUMNS.bars);
    const [up, down] = tallest(bins);
    const unit = TALL / Math.max(1, up + down);
    frame = { width, unit: size ?? unit, middle: HEAD + 16 + unit * up, bottom: HEAD + 32 + TALL };
  }

  const circle = (x, y, r) =>
    `M${(x - r).toFixed(1)} ${y.toFixed(1)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;

  /** Draw a dot for each answer, filled if the answer is let through. */
  function dots(kind, colour) {
    const paths = { kept: "", lost: "" };
    const sign = kind === "right" ? -1 : 1;
    const score = ctx.score();
    for (const bin of bins) {
      const x = (toX(bin.from) + toX(bin.to)) / 2;
      bin[kind].forEach((answer, k) => {
        const side = score.values[answer] >= ctx.state.threshold ? "kept" : "lost";
        paths[side] += circle(x, frame.middle + sign * size * (k + 0.5), 0.4 * size);
      });
    }
    return [
      svg("path", { d: paths.kept, fill: colour, stroke: colour, "stroke-width": 0.8 }),
      svg("path", { d: paths.lost, fill: "none", stroke: colour, "stroke-width": 0.8 }),
    ];
  }

  /** Draw bars for many answers; bars to the left of the threshold are pale. */
  function bars(kind, colour) {
    const paths = { kept: "", lost: "" };
    const at = toX(ctx.state.threshold);
    for (const bin of bins) {
      const height = frame.unit * bin[kind].length;
      if (!height) continue;
      const [from, to] = [toX(bin.from), toX(bin.to) - 1];
      const top = kind === "right" ? frame.middle - height : frame.middle;
      const bar = (a, b) =>
        b > a ? `M${a.toFixed(1)} ${top.toFixed(1)}H${b.toFixed(1)}v${height.toFixed(1)}H${a.toFixed(1)}Z` : "";
      paths.lost += bar(from, Math.min(to, at));
      paths.kept += bar(Math.max(from, at), to);
    }
    return [
      svg("path", { d: paths.kept, fill: colour }),
      svg("path", { d: paths.lost, fill: colour, "fill-opacity": 0.22, stroke: colour, "stroke-width": 0.6 }),
    ];
  }

  function draw() {
    const score = ctx.score();
    const [yes, no] = ctx.names;
    const { threshold } = ctx.state;
    const { width, middle, bottom } = frame;
    const at = toX(threshold);
    const ink = ctx.palette.ink;
    const parts = [];
    for (const [kind, colour] of [
      ["right", ctx.palette.accent],
      ["wrong", ctx.palette.warm],
    ])
      parts.push(...(size === null ? bars(kind, colour) : dots(kind, colour)));
    parts.push(svg("line", { x1: SIDE, x2: width - SIDE, y1: middle, y2: middle, stroke: ctx.palette.line }));
    for (const value of ticksBetween(score.low, score.high, Math.max(2, Math.min(10, width / 90))))
      parts.push(
        svg("line", { x1: toX(value), x2: toX(value), y1: bottom, y2: bottom + 4, stroke: ctx.palette.line }),
        word(scoreText(value), ...anchored(toX(value), bottom + 17)),
      );
    parts.push(
      svg("line", { x1: at, x2: at, y1: 4, y2: bottom, stroke: ink, "stroke-width": 2 }),
      svg("path", { d: `M${at - 7} 4h14l-7 9Z`, fill: ink }),
    );
    const sides = [
      ["◂ withheld", -12, "end", at - SIDE],
      ["let through ▸", 12, "start", width - SIDE - at],
    ];
    for (const [words, by, anchor, room] of sides)
      if (room > 90) parts.push(word(words, at + by, 14, { "text-anchor": anchor, fill: ink, "font-weight": 600 }));
    // explain the colours, on the side of the plot that has more space
    const onLeft = at > width / 2;
    const [x, anchor] = onLeft ? [SIDE, "start"] : [width - SIDE, "end"];
    for (const [words, y, fill] of [
      [`▲ ${yes}`, HEAD + 10, ctx.palette.accent],
      [`▼ ${no}`, bottom - 4, ctx.palette.warm],
    ])
      parts.push(word(words, x, y, { "text-anchor": anchor, fill, "font-weight": 600 }));
    picture.setAttribute("viewBox", `0 0 ${width} ${bottom + FOOT}`);
    picture.setAttribute("width", width);
    picture.setAttribute("height", bottom + FOOT);
    const counts = countsAt(score, threshold);
    const said = groupsInWords(counts, ctx.names).join(" ");
    picture.setAttribute("aria-label", `Answers by ${score.name}: ${yes} above the axis, ${no} below. ${said}`);
    picture.replaceChildren(...parts);
    slider.max = ticksOf(score);
    slider.value = tickOf(score, threshold);
    slider.setAttribute("aria-valuetext", `${scoreText(threshold)}. ${said}`);
    slider.style.width = `${width}px`;
  }
  return { node, lay, draw };
}
