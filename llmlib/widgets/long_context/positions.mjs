// The loss of each arm by position, with a slider for reading off losses, and a table of means.

import { element, shorten } from "../shared/shared.mjs";
import { svg } from "../shared/canvas.mjs";
import { choice, renew } from "../shared/controls.mjs";
import { domainOf, shortly, ticksBetween } from "../shared/runs/curves.mjs";
import { lossesInWords, lossText, pointAt, positionsInWords } from "./data.mjs";

const LEFT = 46;
const RIGHT = 10;
const TOP = 22;
const TALL = 230;
const BOTTOM = 38; // pixels: the space around the plot, and the plot's height
const THUMB = 8; // pixels: half the width of a slider's thumb

/** Make the panel that shows the losses; `ctx` holds the losses and where the user is looking (see view.mjs). */
export function positionsPanel(ctx) {
  const picture = svg("svg", { role: "img" });
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Position to read" });
  const body = element("tbody", {});
  const head = element("thead", {});
  const table = element("table", { class: "llm-means" }, head, body);
  const ways = element("span", { class: "llm-row llm-ways" });
  const node = element(
    "div",
    { class: "llm-positions", role: "group", "aria-label": "Loss by position" },
    element(
      "div",
      { class: "llm-row" },
      element("span", { class: "llm-title", "data-text": true }, "Loss by position (nats per token)"),
      ways,
    ),
    picture,
    slider,
    table,
  );
  let frame = null;

  const level = () => ctx.level();
  const point = () => pointAt(level(), ctx.state.position);
  const shown = () => ctx.arms.filter(({ name }) => !ctx.state.hidden.includes(name));
  const read = (at) => ctx.go({ position: level().last[Math.max(0, Math.min(level().last.length - 1, at))] });
  slider.addEventListener("input", () => read(Number(slider.value)));
  const pointed = (event) => {
    const box = picture.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    read(pointAt(level(), share * frame.end));
  };
  picture.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    picture.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true });
    pointed(event);
  });
  picture.addEventListener("pointermove", (event) => {
    if (event.buttons & 1 && picture.hasPointerCapture(event.pointerId)) pointed(event);
  });

  const word = (words, x, y, attributes = {}) =>
    svg("text", { x, y, "font-size": 11, fill: ctx.palette.faint, ...attributes }, words);
  const toX = (position) => LEFT + (frame.width * position) / frame.end;
  const toY = (loss) => TOP + (TALL * (frame.high - loss)) / (frame.high - frame.low);
  const middleOf = (k) => toX((level().first[k] + level().last[k]) / 2);

  /** Shade the background beyond the trained length. */
  function beyond() {
    const { trained } = ctx.about;
    if (!trained || trained >= frame.end) return [];
    const x = toX(trained);
    const end = x > LEFT + frame.width - 150;
    const words = `trained up to ${trained.toLocaleString("en")}`;
    return [
      svg("rect", { x, y: TOP, width: LEFT + frame.width - x, height: TALL, fill: ctx.palette.outside }),
      svg("line", { x1: x, x2: x, y1: TOP - 6, y2: TOP + TALL, stroke: ctx.palette.ink, "stroke-dasharray": "4 3" }),
      word(words, x + (end ? -4 : 4), TOP - 8, { fill: ctx.palette.ink, "text-anchor": end ? "end" : "start" }),
    ];
  }

  function axes() {
    const thin = { stroke: ctx.palette.line, "stroke-width": 0.6 };
    const parts = [];
    for (const loss of ticksBetween(frame.low, frame.high, 5))
      parts.push(
        svg("line", { x1: LEFT, x2: LEFT + frame.width, y1: toY(loss), y2: toY(loss), ...thin }),
        word(shortly(loss), LEFT - 6, toY(loss) + 4, { "text-anchor": "end" }),
      );
    const bottom = TOP + TALL;
    for (const position of ticksBetween(0, frame.end, Math.max(2, Math.min(8, frame.width / 90))))
      parts.push(
        svg("line", { x1: toX(position), x2: toX(position), y1: bottom, y2: bottom + 4, ...thin }),
        word(shortly(position), toX(position), bottom + 16, {
          "text-anchor": toX(position) > LEFT + frame.width - 14 ? "end" : "middle",
        }),
      );
    parts.push(word("position (tokens)", LEFT + frame.width / 2, bottom + 32, { "text-anchor": "middle" }));
    return parts;
  }

  /** Draw the line of an arm, and its band if the arm has several rows. */
  function line({ row, colour }) {
    const { mean, low, high } = level().arms[row];
    const known = Array.from(mean.keys()).filter((k) => Number.isFinite(mean[k]));
    const path = (values, points) =>
      points.map((k) => `${middleOf(k).toFixed(1)} ${toY(values[k]).toFixed(1)}`).join("L");
    const parts = [];
    if (ctx.about.rows > 1)
      parts.push(
        svg("path", {
          d: `M${path(high, known)}L${path(low, known.toReversed())}Z`,
          fill: colour,
          "fill-opacity": 0.2,
        }),
      );
    parts.push(
      svg("path", {
        d: `M${path(mean, known)}`,
        fill: "none",
        stroke: colour,
        "stroke-width": 2,
        "stroke-linejoin": "round",
      }),
    );
    if (known.length === 1)
      parts.push(svg("circle", { cx: middleOf(known[0]), cy: toY(mean[known[0]]), r: 3, fill: colour }));
    return parts;
  }

  function cursor() {
    const at = point();
    const x = middleOf(at);
    const parts = [svg("line", { x1: x, x2: x, y1: TOP, y2: TOP + TALL, stroke: ctx.palette.ink })];
    for (const { row, colour } of shown()) {
      const loss = level().arms[row].mean[at];
      if (Number.isFinite(loss)) parts.push(svg("circle", { cx: x, cy: toY(loss), r: 4.5, fill: colour }));
    }
    return parts;
  }

  function drawWays() {
    const widths = ctx.levels.map(({ width }) => [width, String(width)]);
    ways.hidden = widths.length < 2;
    renew(ways, [
      element("span", { class: "llm-note", "aria-hidden": "true" }, "averaged over"),
      choice("How many positions to average over", widths, ctx.state.width, (width) => ctx.go({ width })),
      element("span", { class: "llm-note", "aria-hidden": "true" }, "positions"),
    ]);
  }

  /** Build a row for each arm: whether it is drawn, its mean losses, and its loss at the cursor. */
  function build() {
    const { trained, sides } = ctx.about;
    const limit = trained?.toLocaleString("en");
    const names = trained ? [`up to ${limit}`, `beyond ${limit}`, "here"] : ["mean", "here"];
    const cell = (tag, words, attributes = {}) => element(tag, { "data-text": true, ...attributes }, words);
    head.replaceChildren(
      element(
        "tr",
        {},
        cell("th", "mean loss", { scope: "col" }),
        ...names.map((words) => cell("th", words, { scope: "col" })),
      ),
    );
    body.replaceChildren(
      ...ctx.arms.map(({ name, row, colour }) => {
        const tick = element("input", { type: "checkbox", "aria-label": `Show ${name}` });
        tick.checked = !ctx.state.hidden.includes(name);
        tick.addEventListener("change", () => {
          const hidden = ctx.state.hidden.filter((one) => one !== name);
          ctx.go({ hidden: tick.checked ? hidden : [...hidden, name] });
        });
        const swatch = element("span", {
          class: "llm-box llm-swatch",
          style: `background: ${colour}`,
          "aria-hidden": "true",
        });
        const label = element("label", {}, tick, swatch, element("bdi", { "data-text": true }, name));
        const [inside, beyond_] = sides[row];
        const means = trained ? [inside, beyond_] : [inside];
        return element(
          "tr",
          {},
          element("th", { scope: "row" }, label),
          ...means.map((mean) => cell("td", lossText(mean ?? NaN))),
          cell("td", "", { class: "llm-here" }),
        );
      }),
    );
    drawWays();
  }

  function draw(width) {
    const { last, arms } = level();
    const rows = shown().flatMap(({ row }) => [arms[row].low, arms[row].high]);
    const [low, high] = domainOf(rows, { fromZero: true });
    frame = { width: width - LEFT - RIGHT, end: Math.max(1, last.at(-1)), low, high };
    const at = point();
    const said = lossesInWords(level(), at, shown(), ctx.about.trained);
    const tall = TOP + TALL + BOTTOM;
    for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${tall}`, width, height: tall }))
      picture.setAttribute(name, value);
    picture.setAttribute("aria-label", `Loss by position. ${said}`);
    picture.replaceChildren(...beyond(), ...axes(), ...shown().flatMap(line), ...cursor());
    slider.max = last.length - 1;
    slider.value = at;
    slider.setAttribute("aria-valuetext", said);
    slider.style.marginLeft = `${LEFT - THUMB}px`;
    slider.style.width = `${frame.width + 2 * THUMB}px`;
    head.querySelector("th:last-child").textContent = shorten(positionsInWords(level(), at), 40);
    [...body.children].forEach((one, k) => {
      one.querySelector(".llm-here").textContent = lossText(arms[ctx.arms[k].row].mean[at]);
      one.querySelector("input").checked = !ctx.state.hidden.includes(ctx.arms[k].name);
    });
  }
  return { node, build, draw };
}
