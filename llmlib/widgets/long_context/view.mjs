import { element, follow, followLooks, oncePerFrame, saveMenu } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";
import { paletteOf, pictureOf, shades } from "../shared/canvas.mjs";
import { unpackGrids, unpackLosses } from "./data.mjs";
import { needlesPanel } from "./needles.mjs";
import { positionsPanel } from "./positions.mjs";

const WIDEST = 944; // pixels
const COLOURS = 6; // how many arms have distinct colours

export default widget("llm-long-context", ({ model, hub, el }) => {
  el.classList.add("llm-run-board"); // this class sets the colours of the arms
  const state = { position: 0, width: 1, cell: null, hidden: [], ...model.get("place") };
  let drawn = false;
  let colours = [];
  let scale = [];

  // The values and functions that panels can use.
  const ctx = {
    state,
    about: model.get("about"),
    levels: [],
    arms: [],
    grids: [],
    palette: null,
    level: () => ctx.levels.find(({ width }) => width === state.width) ?? ctx.levels[0],
    /** Return the fill and the ink for a share; for NaN, return no fill and the page's faint ink. */
    shade: (share) =>
      Number.isNaN(share) ? { fill: "transparent", ink: ctx.palette.faint } : scale[Math.round(255 * share)],
    go(changes) {
      Object.assign(state, changes);
      hub.look({ place: { ...state } });
      later();
    },
  };
  const later = oncePerFrame(() => drawn && draw());

  const positions = positionsPanel(ctx);
  const needles = needlesPanel(ctx, hub);
  const scene = element("div", { class: "llm-scene" }, positions.node, needles.node);
  const menu = saveMenu(model, "long_context", () => pictureOf(scene, ctx.palette.paper));
  const lead = element("p", { class: "llm-note llm-lead" });
  el.append(element("div", { class: "llm-row llm-head" }, lead, menu), hub.line, scene);

  const leadOf = ({ arms, trained, grid_arms: gridArms }) =>
    [
      arms.length && "The loss shows how surprising the next token is, position by position.",
      arms.length && trained && "Past the trained length (grey), does the loss stay low?",
      gridArms.length && "A needle is one sentence hidden in a long text: does the model still find it?",
    ]
      .filter(Boolean)
      .join(" ");

  function load() {
    const { about } = ctx;
    const named = (number) => ({ name: about.names[number], colour: colours[number % COLOURS] });
    ctx.levels = unpackLosses(about, model.get("losses"));
    ctx.arms = about.arms.map((number, row) => ({ ...named(number), row }));
    readGrids();
    lead.textContent = leadOf(about);
    positions.node.hidden = !ctx.arms.length;
    needles.node.hidden = !ctx.grids.length;
    if (ctx.arms.length) positions.build();
    if (ctx.grids.length) needles.build();
  }
  function readGrids() {
    const shares = unpackGrids(ctx.about, model.get("grids"));
    ctx.grids = ctx.about.grid_arms.map((number, k) => ({ name: ctx.about.names[number], shares: shares[k] }));
  }

  function draw() {
    if (ctx.arms.length) positions.draw(Math.min(el.clientWidth - 8, WIDEST));
    if (ctx.grids.length) needles.draw();
  }

  const grown = () => {
    if (!drawn) return;
    readGrids();
    draw();
  };
  const moved = () => {
    // `place` has changed in another view of the same widget
    const now = model.get("place");
    if (Object.entries(now).every(([name, value]) => JSON.stringify(state[name]) === JSON.stringify(value))) return;
    Object.assign(state, now);
    later();
  };
  return [
    follow(model, ["grids"], grown),
    follow(model, ["place"], moved),
    followLooks(el, () => {
      const style = getComputedStyle(el);
      const named = (name) => style.getPropertyValue(name).trim();
      const before = colours.join();
      ctx.palette = { ...paletteOf(el), line: named("--llm-line") };
      scale = shades(ctx.palette.stops.false);
      colours = Array.from({ length: COLOURS }, (_, k) => named(`--llm-run-${k}`));
      if (!drawn || before !== colours.join()) load();
      drawn = true;
      draw();
    }),
    later.stop,
  ];
});
