import { element, follow, followLooks, saveMenu } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";
import { choice, renew } from "../shared/controls.mjs";
import { paletteOf, pictureOf, svg } from "../shared/canvas.mjs";
import { bestFor, cheapest, lossOf, trainingFlops } from "./laws.mjs";
import { amount, nats, power } from "./words.mjs";
import { computeOf, planeOf } from "./scene.mjs";
import { drawScene } from "./chart.mjs";
import { SIZES_OF, billPanel, key, modelPanel, sources, usePanel } from "./panels.mjs";

const WIDEST = 944;
const BESIDE = 700; // pixels: in a view at least this wide, panels are side by side
const OTHER_TEXT =
  "Your own runs use a different text and tokenizer, so their losses cannot be compared with this law's.";

export default widget("llm-scaling", ({ model, hub, el }) => {
  const get = (name) => model.get(name);
  const place = () => get("place");
  const ctx = {
    get,
    place,
    go: (changes) => hub.look({ place: { ...place(), ...changes } }),
    takeCheapest() {
      const { cheap } = all();
      const three = (value) => Number(value.toPrecision(3));
      ctx.go({ parameters: three(cheap.n), tokens: three(cheap.d) });
    },
  };
  let palette = null;
  let scene = null;
  let level = "";

  const lead =
    "A scaling law predicts the loss of a model from its size and the number of tokens it is trained on. Move your " +
    "model to see its loss, what it costs to train, and which model with the same loss would be cheapest to train " +
    "and use.";
  const ways = element("div", { class: "llm-row llm-ways" });
  const note = element("p", { class: "llm-note llm-law" });
  const chart = svg("svg", { role: "img" });
  const legend = element("div", { class: "llm-legend" });
  const figure = element("figure", { class: "llm-main" }, chart, legend);
  const panels = { model: modelPanel(ctx), bill: billPanel(ctx), use: usePanel(ctx) };
  const table = sources(ctx);
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const scenery = element(
    "div",
    { class: "llm-scene" },
    element("div", { class: "llm-two" }, figure, panels.model.node),
    element("div", { class: "llm-two" }, panels.use.node, panels.bill.node),
  );
  const titles = () => ({ lines: said(all()).split(": "), ink: palette.ink }); // the law, and the user's model
  const menu = saveMenu(model, "scaling", () => pictureOf(figure, palette.paper, titles()));
  el.append(
    element("div", { class: "llm-row llm-top" }, element("p", { class: "llm-note llm-lead" }, lead), menu),
    ways,
    note,
    scenery,
    table.node,
    spoken,
  );

  /** Collect everything that the charts and panels show. */
  function all() {
    const { law: number, parameters, tokens, answers, answer_tokens, window } = place();
    const law = get("laws")[number] ?? get("laws")[0];
    const you = { n: parameters, d: tokens };
    const answered = answers * answer_tokens;
    return {
      law,
      you,
      answered,
      window: window === "runs" && !get("runs").length ? "all" : window,
      models: get("models"),
      runs: get("runs"),
      best: bestFor(law, trainingFlops(parameters, tokens)),
      cheap: law.one_pass ? cheapest(law, lossOf(law, parameters, tokens), answered) : null,
    };
  }

  /** Describe the user's model in one sentence. */
  function said({ law, you }) {
    const loss = nats(lossOf(law, you.n, you.d));
    const flops = power(trainingFlops(you.n, you.d));
    return `${law.name}: ${amount(you.n)} parameters, ${amount(you.d)} tokens, loss ${loss} nats, ${flops} FLOPs`;
  }

  function drawWays() {
    const { law, chart: kind, window } = place();
    const names = get("laws").map(({ name }) => name);
    const now = JSON.stringify([law, kind, window, names, get("runs").length]);
    if (level === now) return;
    level = now;
    const laws = names.map((name, k) => [String(k), name]);
    const charts = [
      ["plane", "parameters and tokens"],
      ["compute", "loss and compute"],
    ];
    const windows = [
      ["all", "all"],
      ["models", "large models"],
      ["runs", "your runs"],
    ];
    renew(ways, [
      choice("Law", laws, String(law), (value) => ctx.go({ law: Number(value) })),
      choice("Chart", charts, kind, (value) => ctx.go({ chart: value })),
      ...(get("runs").length ? [choice("Show", windows, window, (value) => ctx.go({ window: value }))] : []),
    ]);
  }

  function draw() {
    if (!palette) return;
    const shown = all();
    const width = Math.min(el.clientWidth - 8, WIDEST);
    const beside = width >= BESIDE;
    scenery.classList.toggle("llm-beside", beside);
    const wide = beside ? Math.round(0.6 * width) - 8 : width;
    const isPlane = place().chart !== "compute";
    drawWays();
    note.textContent = [shown.law.source, shown.law.note, shown.runs.length && !shown.law.own ? OTHER_TEXT : ""]
      .filter(Boolean)
      .map((one) => one.replace(/\.?$/, "."))
      .join(" ");
    const picture = isPlane ? planeOf(shown) : computeOf(shown);
    scene = drawScene(chart, picture, { width: wide, height: beside ? 430 : 380, palette });
    chart.classList.toggle("llm-plane", isPlane);
    const what = isPlane
      ? "Parameters on the horizontal axis, tokens on the vertical axis"
      : "Training FLOPs on the horizontal axis, loss on the vertical axis";
    chart.setAttribute("aria-label", `${what}, with other models. ${said(shown)}.`);
    legend.replaceChildren(
      ...key(palette, [
        ["you", picture.marks.some(({ kind }) => kind === "you") ? "your model" : "your model (not in this window)"],
        ["best", "best for this compute"],
        ...(shown.cheap ? [["cheap", "cheapest for this loss and usage"]] : []),
        ...(shown.models.length ? [["model", "other models"]] : []),
        ...shown.runs.map(({ name }, group) => ["run", `your runs: ${name}`, group]),
        ["frontier", "best for each budget"],
        ["level", isPlane ? "same loss" : "same size"],
        ...(isPlane ? [["compute", "same compute"]] : []),
        ...(isPlane && shown.law.parameters ? [["region", "fitted range"]] : []),
      ]),
    );
    const half = beside ? Math.round(0.6 * width) - 32 : width - 24;
    panels.model.draw(shown);
    panels.bill.draw(shown);
    panels.use.draw(shown, { width: half, palette });
    table.draw(shown);
    spoken.textContent = said(shown);
  }

  chart.addEventListener("click", (event) => {
    const { mark, x, y } = scene.at(event);
    const within = (name, value) => Math.max(SIZES_OF[name][0], Math.min(SIZES_OF[name][1], value));
    const round = (value) => Number(value.toPrecision(2));
    if (mark) ctx.go({ parameters: mark.n, tokens: mark.d });
    else if (x && place().chart !== "compute")
      ctx.go({ parameters: within("parameters", round(x)), tokens: within("tokens", round(y)) });
  });
  return [
    follow(model, ["laws", "models", "machines", "runs", "place"], draw),
    followLooks(el, () => {
      const style = getComputedStyle(el);
      palette = { ...paletteOf(el), line: style.getPropertyValue("--llm-line").trim() };
      palette.less = style.getPropertyValue("--llm-warm").trim();
      draw();
    }),
  ];
});
