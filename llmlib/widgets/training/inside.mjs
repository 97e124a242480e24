// Shows how large the updates, gradients and activations were in each part of a model at some steps.

import { arrowOf, bounded, stepTo } from "../shared/keys.mjs";
import { element } from "../shared/shared.mjs";
import { choice, renew } from "../shared/controls.mjs";
import { svg } from "../shared/canvas.mjs";
import { nearest } from "../shared/runs/curves.mjs";
import { KINDS, quantilesInWords, sizeInWords } from "./sizes.mjs";
import { drawFan, drawStrip, stripFrame, stripMarks } from "./strip.mjs";

const words = (text, attributes = {}) => element("span", { "data-text": true, ...attributes }, text);

/** Make the panel that shows sizes; `ctx` has the runs, their colours and the window of steps (see view.mjs). */
export function insidePanel(ctx) {
  const ways = element("span", { class: "llm-row llm-ways" });
  const says = element("p", { class: "llm-note llm-says" });
  const strip = svg("svg", { role: "img" });
  const fan = svg("svg", { role: "img" });
  const marks = svg("g", {});
  const reading = element("p", { class: "llm-reading" });
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const board = element(
    "div",
    {
      class: "llm-strip",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "grid of parts and steps",
      "aria-label":
        "Parts of the model across the steps. Up and Down choose a part; Left and Right step through its values; " +
        "Home and End move to the first and last steps.",
    },
    strip,
  );
  const legend = element("span", { class: "llm-key" });
  const about = element("figcaption", {});
  const first = element("figcaption", {}, words("median of each part", { class: "llm-note" }), legend);
  const node = element(
    "div",
    { class: "llm-inside", role: "group", "aria-label": "Inside the model" },
    element("div", { class: "llm-row" }, words("Inside the model", { class: "llm-title" }), ways),
    says,
    element("div", { class: "llm-figures" }, element("figure", {}, first, board), element("figure", {}, about, fan)),
    reading,
    spoken,
  );
  let frame = null;
  let level = "";
  let at = null; // the group and the record that the user points at

  const looked = () => ctx.shownRuns().filter(({ inside }) => inside?.n);
  const kind = () =>
    Math.max(
      0,
      KINDS.findIndex(({ name }) => name === ctx.state.kind),
    );
  const run = () => looked().find(({ number }) => number === ctx.state.of) ?? looked()[0];
  const xs = () => (ctx.state.across === "seconds" ? run().inside.seconds : run().inside.steps);
  /** Return the part shown in detail: a part in the middle of the model, until the user has chosen a part. */
  const group = () => Math.min(ctx.state.group ?? Math.floor(run().inside.groups / 2), run().inside.groups - 1);
  const inWords = ({ group: part, record }) =>
    quantilesInWords(run().about.groups[part], run().inside.steps[record], run().inside.at(kind(), record, part));

  function placeOfEvent(event) {
    const box = strip.getBoundingClientRect();
    const place = frame.at(event.clientX - box.left, event.clientY - box.top);
    return { ...place, record: nearest(xs(), place.x) };
  }
  strip.addEventListener("pointermove", (event) => {
    const place = placeOfEvent(event);
    at = place.group === null || place.record < 0 ? null : place;
    point();
  });
  strip.addEventListener("pointerleave", () => {
    at = null;
    point();
  });
  strip.addEventListener("click", (event) => {
    const place = placeOfEvent(event);
    if (place.group !== null) ctx.go({ group: place.group });
  });
  board.addEventListener("keydown", (event) => {
    const { n, groups } = run().inside;
    const last = at?.record ?? n - 1;
    const down = arrowOf(event.key)?.[0];
    const record = stepTo(event.key, last, n);
    if (!down && record === null) return;
    event.preventDefault();
    if (down) ctx.go({ group: bounded(group() - down, groups) });
    at = { group: group(), record: record ?? last };
    point();
    spoken.textContent = inWords(at);
  });
  board.addEventListener("blur", () => {
    at = null;
    point();
  });

  function drawWays() {
    const runs = looked();
    const mine = run().number;
    const now = JSON.stringify([runs.map((one) => one.about.name), mine, kind()]);
    if (now === level) return;
    level = now;
    const kinds = KINDS.map((one) => [one.name, one.words]);
    const names = runs.map((one) => [one.number, one.about.name]);
    renew(ways, [
      choice("Which sizes to show", kinds, KINDS[kind()].name, (name) => ctx.go({ kind: name })),
      ...(runs.length > 1 ? [choice("Which run", names, mine, (of) => ctx.go({ of }))] : []),
    ]);
  }

  function draw(width, beside) {
    node.hidden = !looked().length;
    if (node.hidden) {
      frame = null;
      return;
    }
    const {
      inside,
      about: { groups: names },
      colour,
    } = run();
    const which = kind();
    const chosen = group();
    const { palette, shades } = ctx;
    frame = stripFrame(inside.groups, ctx.window(), beside ? Math.floor((width - 16) / 2) : width);
    if (at && (at.record >= inside.n || at.group >= inside.groups)) at = null;
    drawWays();
    says.textContent = KINDS[which].says;
    const median = (record, part) => inside.at(which, record, part)[2];
    const powers = drawStrip(strip, frame, { xs: xs(), names, median }, { palette, shades, marks });
    const ends = powers.map((power) => sizeInWords(10 ** power));
    const colours = [0, 64, 128, 191, 255].map((k) => shades[k].fill).join(", ");
    const ramp = element("span", { class: "llm-ramp", style: `background: linear-gradient(to right, ${colours})` });
    legend.replaceChildren(words(ends[0]), ramp, words(ends[1]));
    const quantiles = (record) => inside.at(which, record, chosen);
    const last = { group: chosen, record: inside.n - 1 };
    drawFan(fan, frame, { xs: xs(), quantiles, rule: KINDS[which].rule }, { palette, colour });
    about.replaceChildren(
      words(names[chosen], { class: "llm-title" }),
      words("line: median; inner band: half of the values; outer band: nine in ten", { class: "llm-note" }),
    );
    const whole = `${KINDS[which].words}: ${names.length} parts at ${inside.n} steps.`;
    strip.setAttribute("aria-label", `${whole} ${inWords(last)}`);
    fan.setAttribute("aria-label", inWords(last));
    point();
  }

  /** Show the chosen part, and the part and step that the user points at; change nothing else. */
  function point() {
    if (!frame) return;
    marks.replaceChildren(...stripMarks(frame, xs(), group(), at, ctx.palette));
    reading.textContent = at ? inWords(at) : "Point at a part to read its values; click to choose it.";
  }
  return { node, draw, point };
}
