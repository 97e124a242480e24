import { element, follow, followLooks, saveMenu } from "../shared/shared.mjs";
import { arrowOf, bounded } from "../shared/keys.mjs";
import { widget } from "../shared/view.mjs";
import { choice, renew } from "../shared/controls.mjs";
import { paletteOf, pictureOf, shades } from "../shared/canvas.mjs";
import {
  moveInto,
  readingAt,
  readingInWords,
  sampleAt,
  shortly,
  stepsOfSamples,
  unpackCurves,
  windowBetween,
  xsOf,
} from "./data.mjs";
import { chartPanel } from "./chart.mjs";
import { insidePanel } from "./inside.mjs";
import { runRows } from "./rows.mjs";
import { samplePanel } from "./samples.mjs";
import { unpackInside } from "./sizes.mjs";

const WIDEST = 944;
const BESIDE = 700;
const TALL = 300; // pixels: below the second width small charts stand under the large one
const COLOURS = 6;
const FEWEST = 4; // runs that can be told apart; the fewest steps visible at once

export default widget("llm-training", ({ model, hub, el }) => {
  const state = {
    log: false,
    smooth: 0.6,
    across: "steps",
    zoom: null,
    hidden: [],
    sample: null,
    kind: "updates",
    of: null,
    group: null, // what of the inside
    ...model.get("place"),
  };
  let colours = [];
  let stressed = null;
  let cursor = null;
  let frame = 0;
  let drawn = false;
  let level = "";
  let said = null;

  // What the panels can see and call.
  const ctx = {
    state,
    runs: [],
    samples: [],
    palette: null,
    beside: false,
    shownRuns: () => ctx.runs.filter(({ hidden }) => !hidden),
    isPale: ({ number }) => stressed !== null && stressed !== number && ctx.runs.length > 1,
    /** Where the charts end: with the planned steps, or with the seconds that were. */
    furthest() {
      const shown = ctx.shownRuns();
      if (state.across === "seconds") return Math.max(1e-3, ...shown.map(({ about }) => about.seconds));
      return Math.max(1, ...shown.map(({ about }) => about.steps || about.step));
    },
    /** The range of the charts: everything, or what the reader has zoomed into. */
    window: () => state.zoom ?? [0, ctx.furthest()],
    /** Zoom to what is between two places, or to everything. */
    zoom(a, b) {
      const end = ctx.furthest();
      const least = state.across === "steps" ? Math.min(FEWEST, end) : end / 1000;
      const zoom = a === undefined ? null : windowBetween(a, b, end, least);
      ctx.go({ zoom });
      spoken.textContent = zoom ? `${zoomInWords()} are shown.` : "All is shown.";
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
        [...charts, inside].forEach((one) => one.point());
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
    /** The step after which the sample on show was written: the newest, if the reader has not gone back. */
    sampleStep() {
      const steps = stepsOfSamples(
        ctx.samples,
        ctx.shownRuns().map(({ number }) => number),
      );
      return state.sample === null ? steps.at(-1) : (steps.findLast((step) => step <= state.sample) ?? steps[0]);
    },
    sampleX() {
      const step = ctx.sampleStep();
      const run = ctx.shownRuns().find(({ number }) => sampleAt(ctx.samples, number, step)?.[1] === step);
      if (!run) return null;
      const { last, seconds, n } = run.curves.steps;
      if (state.across === "steps") return step;
      let at = 0;
      while (at < n - 1 && last[at] < step) at++;
      return seconds[at] ?? null;
    },
    go(changes) {
      Object.assign(state, changes);
      hub.look({ place: { ...state } });
      load();
      draw();
    },
  };

  const charts = [chartPanel(ctx, 0, true), ...[1, 2, 3].map((which) => chartPanel(ctx, which, false))];
  const small = element("div", { class: "llm-smalls" }, ...charts.slice(1).map(({ node }) => node));
  const board = element(
    "div",
    {
      class: "llm-charts",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "charts over time",
      "aria-label":
        "Curves. Left and Right read the values step by step, Page Up and Page Down faster, " +
        "Home and End the first and the last; Plus and Minus zoom in and out there, 0 shows all; Escape ends.",
    },
    charts[0].node,
    small,
  );
  const rows = runRows(ctx, hub);
  const samples = samplePanel(ctx);
  const inside = insidePanel(ctx);
  const ways = element("span", { class: "llm-row llm-ways" });
  const smoothing = element("input", { type: "range", min: 0, max: 0.99, step: 0.01, "aria-label": "Smoothing" });
  const smooth = element("output");
  smoothing.addEventListener("input", () => ctx.go({ smooth: Number(smoothing.value) }));
  const all = element(
    "button",
    {
      type: "button",
      onclick: () => {
        ctx.zoom();
        board.focus();
      },
    },
    "Show all",
  );
  const zoomed = element("span", { class: "llm-note" });
  const zooming = element("span", { class: "llm-row llm-zoomed" }, zoomed, all);
  const label = element("label", { class: "llm-smoothing" }, "smoothing ", smoothing, smooth);
  const tools = element("div", { class: "llm-row llm-tools" }, ways, label, zooming);
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const happened = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const picture = element("div", { class: "llm-scene" }, rows.node, board, inside.node);
  const menu = saveMenu(model, "training", () => pictureOf(picture, ctx.palette.paper));
  const lead = element(
    "p",
    { class: "llm-note llm-lead" },
    "Watch the loss fall: the lower it is, the better the model predicts the next token. " +
      "Point at a curve to read its values; drag across steps to zoom in.",
  );
  el.append(
    element("div", { class: "llm-row llm-head" }, lead, menu),
    hub.line,
    picture,
    tools,
    samples.node,
    spoken,
    happened,
  );
  picture.insertBefore(tools, board);

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
      spoken.textContent = ctx
        .readings()
        .map(({ run: { about }, reading }) => readingInWords(ctx.runs.length > 1 ? about.name : "", reading))
        .join(" ");
    } else if (["+", "=", "-"].includes(event.key)) {
      const [from, to] = ctx.window();
      const middle = cursor ?? (from + to) / 2;
      const half = (event.key === "-" ? 1 : 0.25) * (to - from);
      ctx.zoom(middle - half, middle + half);
    } else if (event.key === "0") ctx.zoom();
    else if (event.key === "Escape") ctx.point(null);
    else return;
    event.preventDefault();
  });
  board.addEventListener("blur", () => ctx.point(null));

  /** "Steps 200 to 400", "12 to 30 s". */
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
    renew(ways, [
      choice(
        "Scale of loss and gradient norm",
        [
          ["linear", "linear scale"],
          ["log", "log scale"],
        ],
        log ? "log" : "linear",
        (value) => ctx.go({ log: value === "log" }),
      ),
      choice(
        "Across",
        [
          ["steps", "by step"],
          ["seconds", "by time"],
        ],
        across,
        (value) => ctx.go({ across: value, zoom: null }),
      ),
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
    inside.draw(width, beside);
  }

  /** Read aloud what has happened to a run; its numbers change too often for that. */
  function tell() {
    const now = ctx.runs.map(({ about }) => `${about.name} ${about.state}`);
    const news = said && now.filter((words) => !said.includes(words));
    if (news?.length) happened.textContent = news.join(", ");
    said = now;
  }

  function draw() {
    rows.draw();
    drawTools();
    samples.draw();
    drawCharts();
    tell();
    el.dataset.steps = ctx.runs.reduce((sum, { about }) => sum + about.step, 0);
  }

  function load() {
    const curves = unpackCurves(model.get("curves"));
    const empty = unpackCurves(new DataView(new Uint32Array([0, 1, 4, 0, 1, 1]).buffer))[0];
    const looks = unpackInside(model.get("inside"));
    ctx.runs = model.get("runs").map((about, number) => ({
      number,
      about,
      inside: looks[number],
      curves: curves[number] ?? empty,
      colour: colours[number % COLOURS],
      hidden: state.hidden.includes(about.name),
    }));
    ctx.samples = model.get("samples");
  }

  const refresh = () => {
    load();
    if (drawn) draw();
    performance.mark("llm-training-updated");
  };
  const moved = () => {
    // another view of the same widget has moved
    const now = model.get("place");
    if (Object.entries(now).every(([name, value]) => JSON.stringify(state[name]) === JSON.stringify(value))) return;
    Object.assign(state, now);
    refresh();
  };
  hub.whenGone(() => {
    if (drawn) draw();
  });
  const stops = [follow(model, ["runs", "curves", "inside", "samples"], refresh), follow(model, ["place"], moved)];
  stops.push(
    followLooks(el, () => {
      const style = getComputedStyle(el);
      const named = (name) => style.getPropertyValue(name).trim();
      ctx.palette = { ...paletteOf(el), line: named("--llm-line") };
      ctx.shades = shades(ctx.palette.stops.false);
      colours = Array.from({ length: COLOURS }, (_, k) => named(`--llm-run-${k}`));
      load();
      draw();
      if (!drawn) performance.mark("llm-training-drawn");
      drawn = true;
    }),
  );
  return [...stops, () => cancelAnimationFrame(frame)];
});
