// Draws three small charts: over all thresholds, the share of right answers among those let through and the ROC curve,
// and the reliability of a score.

import { element } from "../shared/shared.mjs";
import { svg } from "../shared/canvas.mjs";
import { countsAt, shareText, stepsOf, thinned } from "./data.mjs";

const LEFT = 52;
const TOP = 8;
const RIGHT = 12;
const BOTTOM = 36; // pixels around a plot
const POINTS = 240; // a curve has at most this many points

/** Make a chart of two shares. `parts({ at, word })` returns the chart's SVG nodes; `at` converts a pair of shares into
 * x and y in pixels, and `word` makes a text. */
function panel(ctx, title) {
  const picture = svg("svg", { role: "img" });
  const reading = element("span", { class: "llm-note", "data-text": true });
  const node = element(
    "figure",
    {},
    element("figcaption", {}, element("span", { class: "llm-title", "data-text": true }, title), reading),
    picture,
  );
  const word = (words, x, y, attributes = {}) =>
    svg("text", { x, y, "font-size": 11, fill: ctx.palette.faint, "text-anchor": "middle", ...attributes }, words);
  function draw(width, { across, up, parts, note, said }) {
    const side = width - LEFT - RIGHT;
    const tall = Math.min(side, 190);
    const at = (x, y) => [LEFT + side * x, TOP + tall * (1 - y)];
    const drawn = [];
    for (const value of [0, 0.5, 1]) {
      const [x, y] = at(value, value);
      const line = { stroke: ctx.palette.line, "stroke-width": 0.6 };
      drawn.push(
        svg("line", { x1: LEFT, x2: LEFT + side, y1: y, y2: y, ...line }),
        svg("line", { x1: x, x2: x, y1: TOP, y2: TOP + tall, ...line }),
        word(`${100 * value}%`, LEFT - 5, y + 4, { "text-anchor": "end" }),
        word(`${100 * value}%`, x, TOP + tall + 15, value === 1 ? { "text-anchor": "end", x: x + RIGHT } : {}),
      );
    }
    drawn.push(word(across, LEFT + side / 2, TOP + tall + 31));
    const middle = TOP + tall / 2;
    drawn.push(word(up, 10, middle, { transform: `rotate(-90 10 ${middle})` }));
    drawn.push(...parts({ at, word }));
    const height = TOP + tall + BOTTOM;
    for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, width, height }))
      picture.setAttribute(name, value);
    picture.setAttribute("aria-label", said);
    picture.replaceChildren(...drawn);
    reading.textContent = note;
  }
  return { node, draw };
}

/** Make the three charts; `ctx` has the scores and where the user is looking (see view.mjs). */
export function tradePanels(ctx) {
  const risk = panel(ctx, "Fewer, but better?");
  const roc = panel(ctx, "ROC");
  const calibration = panel(ctx, "Reliability");
  const node = element("div", { class: "llm-trade" }, risk.node, roc.node, calibration.node);
  const known = new Map(); // for each score, the counts along its curves
  const stepsFor = (score) => {
    if (!known.has(score)) known.set(score, thinned(stepsOf(score), POINTS));
    return known.get(score);
  };

  /** Draw the curves of all scores; the current score's curve is thick, and is drawn over the others. */
  function curves(at, pointOf) {
    const order = [...ctx.scores.filter((one) => one !== ctx.score()), ctx.score()];
    return order.map((score) => {
      const isShown = score === ctx.score();
      const d = stepsFor(score)
        .map((step) => pointOf(step))
        .filter(Boolean)
        .map(([x, y]) => at(x, y))
        .map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`)
        .join("");
      const look = isShown
        ? { stroke: ctx.palette.accent, "stroke-width": 2.2 }
        : { stroke: ctx.palette.faint, "stroke-width": 1, "stroke-dasharray": "5 3" };
      return svg("path", { d, fill: "none", "stroke-linejoin": "round", ...look });
    });
  }
  const dashed = (at, [a, b], [c, d]) => {
    const [x1, y1] = at(a, b);
    const [x2, y2] = at(c, d);
    return svg("line", { x1, y1, x2, y2, stroke: ctx.palette.faint, "stroke-dasharray": "2 3" });
  };
  const dot = (at, x, y) => {
    const [cx, cy] = at(x, y);
    return svg("circle", { cx, cy, r: 5, fill: ctx.palette.ink, stroke: ctx.palette.paper, "stroke-width": 1.5 });
  };

  function drawRisk(width, counts) {
    const [yes] = ctx.names;
    const all = counts.kept_right + counts.lost_right;
    const base = all / counts.of;
    const now = shareText(counts.kept_right, counts.kept);
    risk.draw(width, {
      across: "share let through",
      up: `of these, ${yes}`,
      note: counts.kept
        ? `${shareText(counts.kept, counts.of)} let through, ${now} of them ${yes}`
        : "nothing let through",
      said:
        `The share of answers let through, and how many of them are ${yes}. Now: ` +
        `${shareText(counts.kept, counts.of)} let through, ${now} of them ${yes}. ` +
        `Of all answers, ${shareText(all, counts.of)} are ${yes}.`,
      parts: ({ at }) => [
        dashed(at, [0, base], [1, base]),
        ...curves(at, ({ kept, right }) => kept && [kept / counts.of, right / kept]),
        ...(counts.kept ? [dot(at, counts.kept / counts.of, counts.kept_right / counts.kept)] : []),
      ],
    });
  }

  function drawRoc(width, counts) {
    const [yes, no] = ctx.names;
    const { area, n } = ctx.score();
    const all = counts.kept_right + counts.lost_right;
    const words = `${no}, let through`;
    const now = [shareText(counts.kept_right, all), shareText(counts.kept_wrong, n - all)];
    const others = ctx.scores.filter((one) => one !== ctx.score() && one.area !== null);
    const beside = others.slice(0, 2).map((one) => one.area.toFixed(2));
    roc.draw(width, {
      across: words,
      up: `${yes}, let through`,
      note:
        area === null
          ? ""
          : `area under the curve ${area.toFixed(2)}${beside.length ? ` (dashed ${beside.join(", ")})` : ""}`,
      said:
        area === null
          ? `ROC curve: it needs both ${yes} and ${no} answers.`
          : `ROC curve, area ${area.toFixed(2)}. ` +
            `Let through: ${now[0]} of all ${yes} and ${now[1]} of all ${no} answers.`,
      parts: ({ at, word }) =>
        area === null
          ? [word("needs both kinds", ...at(0.5, 0.5))]
          : [
              dashed(at, [0, 0], [1, 1]),
              ...curves(at, ({ right, wrong }) => [wrong / (n - all), right / all]),
              dot(at, counts.kept_wrong / (n - all), counts.kept_right / all),
            ],
    });
  }

  function drawCalibration(width) {
    const [yes] = ctx.names;
    const { bins, error } = ctx.score();
    const most = Math.max(1, ...bins.map(({ count }) => count));
    const ofEachBin = bins.map(
      ({ score, right, count }) => `score ${score.toFixed(2)}: ${shareText(right, 1)} of ${count} are ${yes}`,
    );
    calibration.draw(width, {
      across: "score (read as a probability)",
      up: `share ${yes}`,
      note: error === null ? "" : `calibration error ${error.toFixed(2)}`,
      said:
        error === null
          ? "Reliability: the scores are not between 0 and 1, so they are not probabilities."
          : `Reliability: ${ofEachBin.join("; ")}. Calibration error ${error.toFixed(3)}.`,
      parts: ({ at, word }) => {
        if (error === null) {
          const [x, y] = at(0.5, 0.5);
          return [word("not between 0 and 1,", x, y - 7), word("so not a probability", x, y + 8)];
        }
        return [
          dashed(at, [0, 0], [1, 1]),
          ...bins.flatMap(({ score, right, count }) => {
            const [x, y] = at(score, right);
            const [, ideal] = at(0, score);
            const style = { stroke: ctx.palette.warm, "stroke-width": 2 };
            return [
              svg("line", { x1: x, x2: x, y1: ideal, y2: y, ...style }),
              svg("circle", { cx: x, cy: y, r: 2.5 + 4.5 * Math.sqrt(count / most), fill: ctx.palette.accent }),
            ];
          }),
        ];
      },
    });
  }

  function draw(width) {
    const counts = countsAt(ctx.score(), ctx.state.threshold);
    drawRisk(width, counts);
    drawRoc(width, counts);
    drawCalibration(width);
  }
  return { node, draw };
}
