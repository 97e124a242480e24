// Draws one chart: the curves of all runs over steps or seconds, and the values at the pointer.

import { element, shorten } from "../shared.mjs";
import { svg } from "../canvas.mjs";
import {
  bandPath,
  capOf,
  columnsOf,
  domainOf,
  inWindow,
  linePath,
  logTicksBetween,
  movingAverage,
  scaleOf,
  shortly,
  spread,
  stepsInWords,
  ticksBetween,
  xsOf,
} from "./curves.mjs";

const LEFT = 50;
const TOP = 8;
const BOTTOM = 24;
const NAMES = 104; // pixels for the numbers at the side, the space above, the numbers below, and the runs' names
const DRAGGED = 6; // pixels: a shorter drag counts as a click
const DASHES = ["6 4", "2 4", "10 3 2 3"]; // for the dashed curves in the large chart
const DOTTED = 60; // a sparse dashed curve with at most this many points has a mark at each point

/** Whether the values of the dashed curves were measured at only some of the steps. */
const isSparse = ({ curves: { steps, dashed } }) => dashed.n < steps.n;

/**
 * Make the panel of one chart. `ctx` has the runs and colours (see board.mjs), and `which` is the number of a metric.
 * A large chart also shows the dashed curves and the names of the runs.
 */
export function chartPanel(ctx, which, large) {
  const { title, unit, fromZero, logs, caps, steady, write } = ctx.metrics[which];
  const dashesOf = (run) => (large ? run.dashed : []);
  const picture = svg("svg", { role: "img" });
  const marks = svg("g", {});
  const tip = element("div", { class: "llm-tip", "aria-hidden": "true" });
  const legend = large ? element("span", { class: "llm-key" }) : "";
  const node = element(
    "figure",
    { class: large ? "llm-large" : "llm-small" },
    element(
      "figcaption",
      {},
      element("span", { class: "llm-title", "data-text": true }, title),
      unit ? element("span", { class: "llm-note", "data-text": true }, unit) : "",
      legend,
    ),
    element("div", { class: "llm-plot" }, picture, tip),
  );
  const clip = `llm-clip-${Math.random().toString(36).slice(2)}`; // lines end at the chart's edge, whatever the zoom
  let frame = null;
  let drag = null;

  const word = (words, attributes) => svg("text", { "font-size": 11, fill: ctx.palette.faint, ...attributes }, words);
  const log = () => Boolean(logs && ctx.state.log);
  const dash = (row) => DASHES[row % DASHES.length];

  function toX(x) {
    return LEFT + (frame.width * (x - frame.from)) / (frame.to - frame.from);
  }
  function toY(value) {
    return TOP + frame.height * (1 - Math.max(0, Math.min(1, frame.scale(value))));
  }
  /** Convert the pointer's position into a step or a number of seconds. */
  function xAt(event) {
    const box = picture.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / frame.width;
    return Math.max(frame.from, Math.min(frame.to, frame.from + share * (frame.to - frame.from)));
  }
  picture.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !frame) return;
    drag = { x: xAt(event), pixel: event.clientX, to: null };
    picture.setPointerCapture(event.pointerId);
  });
  picture.addEventListener("pointermove", (event) => {
    if (!frame) return;
    if (drag && Math.abs(event.clientX - drag.pixel) >= DRAGGED) drag.to = xAt(event);
    ctx.point(xAt(event));
  });
  picture.addEventListener("pointerup", () => {
    const { x, to } = drag ?? { to: null };
    drag = null;
    if (to !== null) ctx.zoom(x, to);
    else if (x !== undefined) ctx.pick(x);
  });
  picture.addEventListener("pointercancel", () => {
    drag = null;
    point();
  });
  picture.addEventListener("pointerleave", () => {
    if (!drag) ctx.point(null);
  });
  picture.addEventListener("dblclick", () => ctx.zoom());

  function draw(width, height) {
    const shown = ctx.shownRuns();
    const across = ctx.state.across;
    const names = large && ctx.runs.length > 1;
    const [from, to] = ctx.window();
    const seen = (curve, row) => row.subarray(...inWindow(xsOf(curve, across), [from, to]));
    const rows = shown.flatMap((run) => [
      seen(run.curves.steps, run.curves.steps.mean[which]),
      ...dashesOf(run).map((_, row) => seen(run.curves.dashed, run.curves.dashed.mean[row])),
    ]);
    const [low, high] = domainOf(rows, {
      fromZero: fromZero && !log(),
      log: log(),
      cap: caps ? capOf(shown.map(({ curves }) => curves.steps.mean[0])) : Infinity,
    });
    const inner = { width: width - LEFT - (names ? NAMES : 14), height: height - TOP - BOTTOM };
    frame = { ...inner, from, to, scale: scaleOf([low, high], log()), low, high };
    picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
    node.style.width = `${width}px`;
    picture.setAttribute("width", width);
    picture.setAttribute("height", height);
    picture.setAttribute("aria-label", inWords(shown));
    const bottom = TOP + frame.height;
    const right = LEFT + frame.width;
    const thin = { stroke: ctx.palette.line, "stroke-width": 0.6 };
    const parts = [];
    for (const value of (log() ? logTicksBetween : ticksBetween)(low, high, large ? 6 : 3))
      parts.push(
        svg("line", { x1: LEFT, x2: right, y1: toY(value), y2: toY(value), ...thin }),
        word(shortly(value), { x: LEFT - 6, y: toY(value) + 4, "text-anchor": "end" }),
      );
    const steps = ticksBetween(from, to, Math.max(2, Math.min(8, frame.width / 90)));
    for (const x of steps)
      parts.push(
        svg("line", { x1: toX(x), x2: toX(x), y1: bottom, y2: bottom + 4, ...thin }),
        word(shortly(x), { x: toX(x), y: bottom + 16, "text-anchor": "middle" }),
      );
    if (large)
      parts.push(
        word(across === "seconds" ? "seconds of compute" : "steps", { x: right, y: bottom - 6, "text-anchor": "end" }),
      );
    if (large) parts.push(...rule(shown, right), ...mark());
    const area = svg("clipPath", { id: clip });
    const inside = svg("g", { "clip-path": `url(#${clip})` });
    area.append(svg("rect", { x: LEFT - 3, y: TOP - 3, width: frame.width + 6, height: frame.height + 6 }));
    for (const run of shown) inside.append(...lines(run));
    parts.push(area, inside);
    if (names) parts.push(...labels(shown, right));
    picture.replaceChildren(...parts, marks);
    if (large) drawLegend(shown);
    point();
  }

  /** Draw a line at a value to compare the curves with. */
  function rule(shown, right) {
    const found = ctx.rule(shown);
    if (!found || found.value < frame.low || found.value > frame.high) return [];
    const y = toY(found.value);
    const style = { stroke: ctx.palette.faint, "stroke-dasharray": "1 4", "stroke-linecap": "round" };
    return [
      svg("line", { x1: LEFT, x2: right, y1: y, y2: y, ...style }),
      word(`${found.words}: ${write(found.value)}`, {
        x: right - 4,
        y: y < TOP + 16 ? y + 13 : y - 5,
        "text-anchor": "end",
      }),
    ];
  }

  /** Mark the step that the texts below the charts come from. */
  function mark() {
    const found = ctx.mark();
    if (!found || found.x === null || found.x < frame.from || found.x > frame.to) return [];
    const x = toX(found.x);
    const near = x > LEFT + frame.width - 60;
    const upright = { x1: x, x2: x, y1: TOP, y2: TOP + frame.height };
    return [
      svg("line", { ...upright, stroke: ctx.palette.faint, "stroke-dasharray": "2 3" }),
      word(found.words, { x: x + (near ? -4 : 4), y: TOP + 32, "text-anchor": near ? "end" : "start" }),
    ];
  }

  function lines(run) {
    const { curves, colour } = run;
    const { steps, dashed } = curves;
    const limits = [frame.from, frame.to];
    const parts = [];
    const places = xsOf(steps, ctx.state.across);
    const range = inWindow(places, limits);
    const xs = places.subarray(...range);
    const [mean, low, high] = [steps.mean, steps.low, steps.high].map((rows) => rows[which].subarray(...range));
    const raw = columnsOf(xs, { mean, low, high }, toX);
    const pale = ctx.isPale(run) ? 0.25 : 1;
    const smooth = ctx.state.smooth > 0 && !steady;
    const line = (columns, attributes) =>
      svg("path", {
        d: linePath(columns, toY),
        fill: "none",
        stroke: colour,
        "stroke-linejoin": "round",
        ...attributes,
      });
    if (!steady)
      parts.push(svg("path", { d: bandPath(raw, toY), fill: colour, "fill-opacity": (smooth ? 0.16 : 0.22) * pale }));
    if (smooth) {
      const calm = movingAverage(steps.mean[which], ctx.state.smooth).subarray(...range);
      parts.push(
        line(raw, { "stroke-width": 1, "stroke-opacity": 0.3 * pale }),
        line(columnsOf(xs, { mean: calm, low: calm, high: calm }, toX), { "stroke-width": 2, "stroke-opacity": pale }),
      );
    } else parts.push(line(raw, { "stroke-width": 1.6, "stroke-opacity": pale }));
    if (raw.length === 1) parts.push(svg("circle", { cx: raw[0].x, cy: toY(raw[0].mean), r: 2.5, fill: colour }));
    const all = xsOf(dashed, ctx.state.across);
    const among = inWindow(all, limits);
    dashesOf(run).forEach((_, row) => {
      const known = smooth && !isSparse(run) ? movingAverage(dashed.mean[row], ctx.state.smooth) : dashed.mean[row];
      const values = known.subarray(...among);
      const seen = columnsOf(all.subarray(...among), { mean: values, low: values, high: values }, toX);
      parts.push(line(seen, { "stroke-width": 2, "stroke-dasharray": dash(row), "stroke-opacity": pale }));
      const dot = { r: 3, fill: ctx.palette.paper, stroke: colour, "stroke-width": 1.6, opacity: pale };
      if ((isSparse(run) && seen.length <= DOTTED) || seen.length === 1)
        parts.push(...seen.map(({ x, mean: value }) => svg("circle", { cx: x, cy: toY(value), ...dot })));
    });
    return parts;
  }

  /** Write each run's name where its line ends. */
  function labels(shown, right) {
    const ending = shown.filter(({ curves }) => curves.steps.n);
    const ends = ending.map(({ curves: { steps } }) => {
      const last = inWindow(xsOf(steps, ctx.state.across), [frame.from, frame.to])[1] - 1;
      return toY(movingAverage(steps.mean[which], ctx.state.smooth)[last] ?? frame.low);
    });
    const ys = spread(ends, 14, TOP + 6, TOP + frame.height);
    return ending.map(({ about, colour }, k) =>
      word(shorten(about.name, 13), { x: right + 8, y: ys[k] + 4, fill: colour, "font-weight": 600 }),
    );
  }

  function drawLegend(shown) {
    const sample = (words, dashes) => {
      const small = svg("svg", { width: 26, height: 10, viewBox: "0 0 26 10", "aria-hidden": "true" });
      const stroke = ctx.palette.ink;
      const style = { stroke, "stroke-width": 2, ...(dashes && { "stroke-dasharray": dashes }) };
      small.append(svg("line", { x1: 0, x2: 26, y1: 5, y2: 5, ...style }));
      if (dashes && drawn.some(isSparse))
        small.append(svg("circle", { cx: 13, cy: 5, r: 3, fill: ctx.palette.paper, stroke, "stroke-width": 1.6 }));
      return element("span", {}, small, element("span", { "data-text": true, dir: "auto" }, words));
    };
    const drawn = shown.filter(({ curves }) => curves.dashed.n);
    const names = [...new Set(drawn.flatMap((run) => run.dashed))];
    const row = (name) => drawn.find((run) => run.dashed.includes(name)).dashed.indexOf(name);
    legend.replaceChildren(sample(ctx.solid), ...names.map((name) => sample(shorten(name, 24), dash(row(name)))));
  }

  function inWords(shown) {
    const ends = (row) => `from ${write(row[0])} to ${write(row.at(-1))}`;
    const said = shown
      .filter(({ curves }) => curves.steps.n)
      .map((run) => {
        const { steps, dashed } = run.curves;
        const beside = dashed.n ? dashesOf(run).map((name, row) => `, ${name} ${ends(dashed.mean[row])}`) : [];
        return `${run.about.name}: ${ends(steps.mean[which])}${beside.join("")}`;
      });
    return `${title}. ${said.join("; ") || "No step yet"}.`;
  }

  /** Draw the range that will be visible when the user releases the pointer. */
  function brushed() {
    const [a, b] = [toX(drag.x), toX(drag.to)];
    const style = { fill: ctx.palette.accent, "fill-opacity": 0.18, stroke: ctx.palette.accent };
    return svg("rect", { x: Math.min(a, b), y: TOP, width: Math.abs(b - a), height: frame.height, ...style });
  }

  /** Show the values at the pointer, and change nothing else. */
  function point() {
    if (!frame) return;
    const isIn = (x) => x >= frame.from && x <= frame.to;
    const isSeen = ({ reading }) => Number.isFinite(reading.values[which]) && isIn(reading.x);
    const readings = ctx.readings().filter(isSeen);
    const brush = drag && drag.to !== null ? [brushed()] : [];
    tip.hidden = !readings.length;
    if (!readings.length) {
      marks.replaceChildren(...brush);
      return;
    }
    const x = toX(readings[0].reading.x);
    const upright = { x1: x, x2: x, y1: TOP, y2: TOP + frame.height, stroke: ctx.palette.ink, "stroke-width": 1 };
    marks.replaceChildren(
      ...brush,
      svg("line", upright),
      ...readings.flatMap(({ run, reading }) => [
        svg("circle", { cx: toX(reading.x), cy: toY(reading.values[which]), r: 4, fill: run.colour }),
        ...(large ? reading.dashed : []).filter(Number.isFinite).map((value) =>
          svg("circle", {
            cx: toX(reading.x),
            cy: toY(value),
            r: 4,
            fill: ctx.palette.paper,
            stroke: run.colour,
            "stroke-width": 2,
          }),
        ),
      ]),
    );
    const several = ctx.runs.length > 1;
    tip.replaceChildren(
      ...(large ? [element("div", { class: "llm-note" }, stepsInWords(readings[0].reading))] : []),
      ...readings.map(({ run, reading }) =>
        element(
          "div",
          {},
          several ? element("i", { style: `background: ${run.colour}` }) : "",
          several && large ? `${shorten(run.about.name, 13)} ` : "",
          element("strong", {}, write(reading.values[which])),
          large && reading.high > reading.low ? ` (${write(reading.low)} to ${write(reading.high)})` : "",
          ...(large ? reading.dashed : []).map((value, row) =>
            Number.isFinite(value) ? ` · ${shorten(run.dashed[row], 24)} ${write(value)}` : "",
          ),
        ),
      ),
    );
    if (!large && ctx.beside) {
      Object.assign(tip.style, { left: "auto", right: 0 });
      return;
    } // the tip is on the title's line, where it hides nothing
    const leftHalf = x < LEFT + frame.width / 2;
    Object.assign(
      tip.style,
      leftHalf
        ? { left: `${x + 8}px`, right: "auto" }
        : { left: "auto", right: `${parseFloat(picture.getAttribute("width")) - x + 8}px` },
    );
  }
  return { node, draw, point };
}
