// Shows several runs at once: a row with buttons for each run, a large chart, small charts, and the view's own panels.

import { element, follow, followLooks, saveMenu } from "../shared.mjs";
import { arrowOf, bounded } from "../keys.mjs";
import { choice, renew } from "../controls.mjs";
import { paletteOf, pictureOf, shades } from "../canvas.mjs";
import {
  moveInto,
  noCurves,
  placeOfStep,
  readingAt,
  readingInWords,
  shortly,
  unpackCurves,
  windowBetween,
  xsOf,
} from "./curves.mjs";
import { chartPanel } from "./chart.mjs";
import { runRows } from "./rows.mjs";

const WIDEST = 944; // pixels: the largest width of a view
const BESIDE = 700; // pixels: the smallest width at which there are two columns of charts
const TALL = 300; // pixels: the height of the large chart
const COLOURS = 6; // how many runs have distinct colours
const FEWEST = 4; // zooming in stops at this many steps

/**
 * Fill `el` with rows and charts for runs, and return functions that stop the updates. `own` contains what a view adds:
 *
 * - `name` and `lead`: the name of the file for a saved picture, and the words at the top
 * - `metrics`: what is measured at each step: { name, title, unit, write }. `fromZero`: the scale begins at zero;
 * `logs`: users can choose a logarithmic scale; `caps`: a run that diverges does not flatten the other curves;
 * `steady`: the curve is not smoothed
 * - `solid`: the name of the first metric's solid line, shown if there are dashed lines
 * - `runOf(about, number)`: what panels know about a run besides its curves; `dashed` lists the names of its dashed
 * curves
 * - `numbersOf(about)`: the numbers of a run's last step, in words; `rule(shown)`: a value to compare the curves with
 * - `state`: where the user is looking initially; `traits`: the names of further traits from Python
 * - `panels(ctx)`: { inside, below }: panels { node, draw(width, beside), point? } inside and below the picture
 * - `mark(ctx)`: the step to mark in the large chart, because a panel shows it: { x, words }
 * - `pick(ctx, x)`: what happens when the user clicks on a chart or presses Enter
 */
export function runBoard({ model, hub, el }, own) {
  el.classList.add("llm-run-board");
  const state = {
    log: false,
    smooth: 0.6,
    across: "steps",
    zoom: null,
    hidden: [],
    ...own.state,
    ...model.get("place"),
  };
  let colours = [];
  let stressed = null;
  let cursor = null;
  let frame = 0;
  let drawn = false;
  let level = "";
  let said = null;

  // The values and functions that panels can use.
  const ctx = {
    state,
    runs: [],
    palette: null,
    beside: false,
    metrics: own.metrics,
    solid: own.solid,
    numbersOf: own.numbersOf,
    rule: own.rule ?? (() => null),
    mark: () => own.mark?.(ctx) ?? null,
    pick: (x) => own.pick?.(ctx, x),
    shownRuns: () => ctx.runs.filter(({ hidden }) => !hidden),
    isPale: ({ number }) => stressed !== null && stressed !== number && ctx.runs.length > 1,
    /** Return the right end of the charts: the last planned step, or the seconds of computing time so far. */
    furthest() {
      const shown = ctx.shownRuns();
      if (state.across === "seconds") return Math.max(1e-3, ...shown.map(({ about }) => about.seconds));
      return Math.max(1, ...shown.map(({ about }) => about.steps || about.step));
    },
    /** Return the range that the charts show: everything, or the range that the user has zoomed into. */
    window: () => state.zoom ?? [0, ctx.furthest()],
    /** Zoom to the range between two positions; without positions, show everything. */
    zoom(a, b) {
      const end = ctx.furthest();
      const least = state.across === "steps" ? Math.min(FEWEST, end) : end / 1000;
      const zoom = a === undefined ? null : windowBetween(a, b, end, least);
      ctx.go({ zoom });
      spoken.textContent = zoom ? `Showing: ${zoomInWords()}.` : "Showing everything.";
    },
    readings: () =>
      cursor === null
        ? []
        : ctx
            .shownRuns()
            .map((run) => ({ run, reading: readingAt(run.curves, cursor, state.across) }))
            .filter(({ reading }) => reading),
    point(x) {
      cursor = x;
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        [...charts, ...inside].forEach((one) => one.point?.());
      });
    },
    stress(number) {
      stressed = number;
      if (drawn && ctx.runs.length > 1) drawCharts();
    },
    hide(number, hide) {
      const { name } = ctx.runs[number].about;
      ctx.go({ hidden: [...state.hidden.filter((one) => one !== name), ...(hide ? [name] : [])] });
    },
    placeOf: (run, step) => placeOfStep(run.curves.steps, step, state.across),
    /** Return the step at a position in the charts. */
    stepAt: (run, x) => readingAt(run.curves, x, state.across)?.last ?? run.about.step,
    go(changes) {
      Object.assign(state, changes);
      hub.look({ place: { ...state } });
      load();
      draw();
    },
  };

  const charts = own.metrics.map((_, which) => chartPanel(ctx, which, which === 0));
  const small = element("div", { class: "llm-smalls" }, ...charts.slice(1).map(({ node }) => node));
  const board = element(
    "div",
    {
      class: "llm-charts",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "charts over time",
      "aria-label":
        "Curves. Left and Right step through the values; Page Up and Page Down move faster. " +
        "Home and End move to the first and last values. Plus and Minus zoom in and out; 0 shows everything. " +
        `${own.pick ? "Enter shows the answers at this step. " : ""}Escape hides the values.`,
    },
    charts[0].node,
    small,
  );
  const rows = runRows(ctx, hub);
  const { inside, below } = own.panels(ctx);
  const ways = element("span", { class: "llm-row llm-ways" });
  const smoothing = element("input", { type: "range", min: 0, max: 0.99, step: 0.01, "aria-label": "Smoothing" });
  const smooth = element("output");
  smoothing.addEventListener("input", () => ctx.go({ smooth: Number(smoothing.value) }));
  const showAll = () => {
    ctx.zoom();
    board.focus();
  };
  const all = element("button", { type: "button", onclick: showAll }, "Show all");
  const zoomed = element("span", { class: "llm-note" });
  const zooming = element("span", { class: "llm-row llm-zoomed" }, zoomed, all);
  const label = element("label", { class: "llm-smoothing" }, "smoothing ", smoothing, smooth);
  const tools = element("div", { class: "llm-row llm-tools" }, ways, label, zooming);
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const happened = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const picture = element("div", { class: "llm-scene" }, rows.node, tools, board, ...inside.map(({ node }) => node));
  const menu = saveMenu(model, own.name, () => pictureOf(picture, ctx.palette.paper));
  const lead = element("p", { class: "llm-note llm-lead" }, own.lead);
  el.append(
    element("div", { class: "llm-row llm-head" }, lead, menu),
    hub.line,
    picture,
    ...below.map(({ node }) => node),
    spoken,
    happened,
  );

  board.addEventListener("keydown", (event) => {
    const run = ctx.shownRuns().find(({ curves }) => curves.steps.n);
    const far = run && Math.max(1, Math.round(run.curves.steps.n / 10));
    const leaps = { PageUp: -far, PageDown: far, Home: -Infinity, End: Infinity };
    const move = run && (leaps[event.key] ?? arrowOf(event.key)?.[1]);
    if (move) {
      const xs = xsOf(run.curves.steps, state.across);
      const now =
        cursor === null
          ? move < 0
            ? xs.length
            : -1
          : (readingAt(run.curves, cursor, state.across)?.at ?? xs.length - 1);
      const x = xs[bounded(now + move, xs.length)];
      if (state.zoom && (x < state.zoom[0] || x > state.zoom[1])) ctx.go({ zoom: moveInto(state.zoom, x) });
      ctx.point(x);
      const name = ({ about }) => (ctx.runs.length > 1 ? about.name : "");
      const inWords = ({ run: one, reading }) => readingInWords(name(one), reading, ctx.metrics, one.dashed);
      spoken.textContent = ctx.readings().map(inWords).join(" ");
    } else if (["+", "=", "-"].includes(event.key)) {
      const [from, to] = ctx.window();
      const middle = cursor ?? (from + to) / 2;
      const half = (event.key === "-" ? 1 : 0.25) * (to - from);
      ctx.zoom(middle - half, middle + half);
    } else if (event.key === "0") ctx.zoom();
    else if (event.key === "Enter" && cursor !== null) ctx.pick(cursor);
    else if (event.key === "Escape") ctx.point(null);
    else return;
    event.preventDefault();
  });
  board.addEventListener("blur", () => ctx.point(null));

  /** Describe the zoomed range: "Steps 200 to 400", "12 to 30 s". */
  function zoomInWords() {
    const [from, to] = state.zoom;
    if (state.across === "seconds") return `${shortly(from)} to ${shortly(to)} s`;
    return `Steps ${shortly(Math.round(from))} to ${shortly(Math.round(to))}`;
  }

  function drawTools() {
    const { log, smooth: weight, across, zoom } = state;
    const key = JSON.stringify([log, across]);
    smoothing.value = weight;
    smooth.textContent = weight ? weight.toFixed(2) : "off";
    zoomed.textContent = zoom ? zoomInWords() : "";
    all.hidden = !zoom;
    if (level === key) return;
    level = key;
    const scales = own.metrics.filter(({ logs }) => logs).map(({ name }) => name);
    const kinds = [
      ["linear", "linear scale"],
      ["log", "log scale"],
    ];
    const places = [
      ["steps", "by step"],
      ["seconds", "by time"],
    ];
    const scale = () =>
      choice(`Scale of ${scales.join(" and ")}`, kinds, log ? "log" : "linear", (way) =>
        ctx.go({ log: way === "log" }),
      );
    renew(ways, [
      ...(scales.length ? [scale()] : []),
      choice("Across", places, across, (value) => ctx.go({ across: value, zoom: null })),
    ]);
  }

  function drawCharts() {
    const width = Math.min(el.clientWidth - 8, WIDEST);
    const beside = width >= BESIDE;
    ctx.beside = beside;
    picture.classList.toggle("llm-beside", beside);
    const large = beside ? Math.round(width * 0.66) - 16 : width;
    const each = beside ? width - large - 16 : width >= 560 ? (width - 24) / 3 : width;
    charts[0].draw(large, TALL);
    for (const chart of charts.slice(1)) chart.draw(Math.floor(each), beside ? 86 : 104);
    for (const panel of inside) panel.draw(width, beside);
  }

  /** Have screen readers say when a run's state changes; its numbers change too often to be read aloud. */
  function tell() {
    const now = ctx.runs.map(({ about }) => `${about.name} ${about.state}`);
    const news = said && now.filter((words) => !said.includes(words));
    if (news?.length) happened.textContent = news.join(", ");
    said = now;
  }

  function draw() {
    rows.draw();
    drawTools();
    for (const panel of below) panel.draw();
    drawCharts();
    tell();
    el.dataset.steps = ctx.runs.reduce((sum, { about }) => sum + about.step, 0);
  }

  function load() {
    const curves = unpackCurves(model.get("curves"));
    ctx.runs = model.get("runs").map((about, number) => {
      const more = own.runOf(about, number);
      return {
        number,
        about,
        curves: curves[number] ?? noCurves(own.metrics.length, more.dashed.length),
        colour: colours[number % COLOURS],
        hidden: state.hidden.includes(about.name),
        ...more,
      };
    });
  }

  const refresh = () => {
    load();
    if (drawn) draw();
    performance.mark(`llm-${own.name}-updated`);
  };
  const moved = () => {
    // this runs when the user has changed something in another view of the same widget
    const now = model.get("place");
    if (Object.entries(now).every(([name, value]) => JSON.stringify(state[name]) === JSON.stringify(value))) return;
    Object.assign(state, now);
    refresh();
  };
  hub.whenGone(() => {
    if (drawn) draw();
  });
  const stops = [follow(model, ["runs", "curves", ...own.traits], refresh), follow(model, ["place"], moved)];
  stops.push(
    followLooks(el, () => {
      const style = getComputedStyle(el);
      const named = (name) => style.getPropertyValue(name).trim();
      ctx.palette = { ...paletteOf(el), line: named("--llm-line") };
      ctx.shades = shades(ctx.palette.stops.false);
      colours = Array.from({ length: COLOURS }, (_, k) => named(`--llm-run-${k}`));
      load();
      draw();
      if (!drawn) performance.mark(`llm-${own.name}-drawn`);
      drawn = true;
    }),
  );
  return [...stops, () => cancelAnimationFrame(frame)];
}
