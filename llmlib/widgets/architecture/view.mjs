import { element, follow, followLooks, saveMenu } from "../shared/shared.mjs";
import { textBox, widget } from "../shared/view.mjs";
import { choice } from "../shared/controls.mjs";
import { parseColour, paletteOf, pictureOf } from "../shared/canvas.mjs";
import { BARS, index } from "./data.mjs";
import { detailPanel, signedColours } from "./detail.mjs";
import { followPanel } from "./follow.mjs";
import { mapPanel } from "./map.mjs";
import { scalePanel } from "./scale.mjs";
import { sizesPanel } from "./sizes.mjs";
import { stations, strongestLayer } from "./stations.mjs";
import { tourPanel } from "./tour.mjs";

const NARROWEST = 760;
const ASIDE = 350; // pixels: the column with the open box or the tour, except in views narrower than NARROWEST
const WIDE = 1180;
const COSTS = 300; // pixels: the width of the column that shows sizes and costs, in views of at least WIDE pixels
const WIDEST = 1500;
const TRAITS = [
  "model",
  "sizes",
  "problem",
  "models",
  "chosen",
  "text",
  "tokens",
  "opened",
  "opened_codes",
  "opened_tokens",
  "followed",
  "followed_values",
  "tour",
];

export default widget("llm-architecture", ({ model, hub, el }) => {
  const place = model.get("place");
  const state = {
    box: place.box ?? "model",
    layer: place.layer ?? 0,
    tensor: place.tensor ?? null,
    token: place.token ?? null,
    bars: place.bars ?? "parameters",
    tab: place.tab ?? "boxes",
    way: place.way ?? "norm",
    station: place.station ?? null,
  };
  let found = null;
  let of = null;
  let drawn = false;
  let asked = {};
  let seen = [];

  // The values and functions that panels can use.
  const ctx = {
    state,
    palette: null,
    signed: [],
    shades: [],
    model: () => model.get("model"),
    tokens: () => model.get("tokens"),
    tour: () => model.get("tour"),
    boxes() {
      const { tree } = ctx.model();
      if (of !== tree) [of, found] = [tree, index(tree)];
      return found;
    },
    inLayer() {
      const { copies, around } = ctx.boxes().get(state.box);
      return copies > 1 || around.some(({ id }) => id === "layer");
    },
    /** The open tensor: the chosen one, otherwise (with a live model) the box's result, otherwise the first one. */
    tensor() {
      const { tensors } = ctx.boxes().get(state.box).box;
      const named = (name) => tensors.find((one) => one.name === name);
      return named(state.tensor) ?? (ctx.tokens().length ? named("result") : undefined) ?? tensors[0] ?? null;
    },
    token: () => Math.min(state.token ?? Infinity, ctx.tokens().length - 1),
    alive: () => hub.live && !hub.gone && ctx.tokens().length > 0,
    opened: () => model.get("opened"),
    openedCodes: () => model.get("opened_codes"),
    openedTokens: () => model.get("opened_tokens"),
    openedKey() {
      if (seen[0] !== ctx.openedCodes()) seen = [ctx.openedCodes(), Math.random()];
      return seen[1];
    },
    followed: () => model.get("followed"),
    followedValues: () => model.get("followed_values"),
    /** The stops of a tour through the chosen layer; an empty list if there are no numbers for a tour. */
    stations() {
      if (!ctx.tour().ids) return [];
      return stations(ctx.tour(), ctx.tokens(), state.layer, ctx.boxes().has("positions"));
    },
    stationNumber: () => Math.min(state.station ?? 0, Math.max(0, ctx.stations().length - 1)),
    station: () => (state.tab === "tour" ? ctx.stations()[ctx.stationNumber()] : undefined),
    shade: (t) => ctx.shades[Math.max(0, Math.min(254, Math.round(254 * (t || 0))))],
    open: (box) => ctx.go({ box, tensor: null, tab: "boxes" }),
    go(changes) {
      Object.assign(state, changes);
      settle();
      remember();
      draw();
    },
    redraw() {
      if (drawn) draw();
    },
    speak(words) {
      spoken.textContent = words;
    },
  };

  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const title = element("h3", {});
  const sizes = sizesPanel(ctx, hub, model);
  const map = mapPanel(ctx);
  const detail = detailPanel(ctx);
  const way = followPanel(ctx);
  const scale = scalePanel(ctx);
  const tour = tourPanel(ctx);
  const use = (text) => hub.act("text", { text });
  const texting =
    hub.live && model.get("text")
      ? textBox({ label: "Your text", button: "Read this text", rows: 1, use, used: () => model.get("text") })
      : null;
  const tabs = element("span", {});
  const bars = element("span", {});
  const aside = element("div", { class: "llm-aside" });
  const boxes = element("div", { class: "llm-at-boxes" }, map.node, aside);
  const measure = element("div", { class: "llm-row llm-measure" }, scale.total, bars);
  const picture = element("div", { class: "llm-scene" }, measure, scale.node, boxes, way.node);
  const body = element("div", { class: "llm-body-of-view" }, picture, sizes.node);
  const menu = saveMenu(model, "architecture", () => pictureOf(picture, ctx.palette.paper));
  el.append(
    element("div", { class: "llm-row llm-head" }, title, sizes.models, menu),
    element("div", { class: "llm-row llm-tools" }, tabs, texting?.node ?? ""),
    hub.line,
    body,
    spoken,
  );

  function remember() {
    hub.look({ place: Object.fromEntries(Object.entries(state).filter(([, value]) => value !== null)) });
  }

  /** Replace choices that the current model does not allow with choices that it allows. */
  function settle() {
    if (!ctx.boxes().has(state.box)) Object.assign(state, { box: "model", tensor: null });
    const { repeat } = ctx.boxes().get("layer")?.box ?? { repeat: 1 };
    state.layer = Math.min(state.layer, repeat - 1);
    if (state.tab === "tour" && state.station === null && ctx.tour().ids)
      // the tour begins where there is most to see
      Object.assign(state, { station: 0, layer: strongestLayer(ctx.tour()) });
  }

  function drawTools() {
    const looks = [
      ["boxes", "Boxes"],
      ["tour", "Guided tour"],
      ["follow", "Follow one token"],
    ];
    const measures = Object.entries(BARS).map(([name, { words }]) => [name, words]);
    if (!tabs.children.length) tabs.append(choice("What to look at", looks, state.tab, (tab) => ctx.go({ tab })));
    const shown = "What the strip and the numbers in the boxes show";
    if (!bars.children.length) bars.append(choice(shown, measures, state.bars, (name) => ctx.go({ bars: name })));
    for (const [box, chosen] of [
      [tabs, state.tab],
      [bars, state.bars],
    ])
      for (const input of box.querySelectorAll("input")) input.checked = input.value === chosen;
    measure.hidden = scale.node.hidden = state.tab === "follow";
    tabs.hidden = !ctx.tokens().length && state.tab === "boxes";
  }

  function draw() {
    settle();
    const width = Math.min(el.clientWidth - 8, WIDEST);
    const wide = width >= WIDE;
    const picked = wide ? width - COSTS - 24 : width;
    const beside = picked >= NARROWEST;
    const room = beside ? picked - ASIDE - 20 : picked;
    body.classList.toggle("llm-three", wide);
    picture.classList.toggle("llm-beside", beside);
    title.textContent = ctx.model().title;
    sizes.draw(width, wide);
    texting?.follow();
    if (texting) texting.node.hidden = !ctx.tokens().length;
    drawTools();
    boxes.hidden = state.tab === "follow";
    way.node.hidden = state.tab !== "follow";
    if (state.tab === "follow") way.draw(room);
    else {
      scale.draw(picked);
      map.draw();
      if (state.tab === "tour") showTour();
      else showBox(beside);
    }
    ask();
  }

  function showBox(beside) {
    detail.draw();
    tour.node.remove();
    if (!beside) map.hold(detail.node);
    else if (!aside.contains(detail.node)) aside.append(detail.node);
  }

  function showTour() {
    tour.draw();
    detail.node.remove();
    // if there is only one column, panels.css puts the tour above the map
    if (tour.node.parentNode !== aside) aside.append(tour.node);
  }

  /** Ask Python once for the values that the open tab needs. */
  function ask() {
    if (!ctx.alive()) return;
    const tensor = ctx.tensor();
    const opened = ctx.opened();
    const tokens = ctx.tokens();
    const layer = ctx.inLayer() ? state.layer : 0;
    if (asked.tokens !== tokens) asked = { tokens };
    if (state.tab !== "boxes") {
      const [kind, here] = state.tab === "tour" ? ["tour", ctx.tour().ids] : ["follow", ctx.followed().seq];
      if (!here && !asked[kind]) hub.act(kind);
      asked[kind] = true;
      return;
    }
    if (!tensor || (opened.box === state.box && opened.tensor === tensor.name && opened.layer === layer)) return;
    const wanted = `${state.box} ${tensor.name} ${layer}`;
    if (asked.wanted === wanted) return;
    asked.wanted = wanted;
    hub.act("open", { box: state.box, tensor: tensor.name, layer }, { latest: "open" });
  }

  const refresh = () => {
    if (drawn) draw();
    performance.mark("llm-architecture-updated");
  };
  const moved = () => {
    // the user has moved in another view of the same widget
    const now = model.get("place");
    if (!Object.entries(now).some(([name, value]) => state[name] !== value)) return;
    Object.assign(state, now);
    if (drawn) draw();
  };
  const stops = [follow(model, TRAITS, refresh), follow(model, ["place"], moved)];
  stops.push(
    followLooks(el, () => {
      const style = getComputedStyle(el);
      const named = (name) => style.getPropertyValue(name).trim();
      ctx.palette = { ...paletteOf(el), warm: named("--llm-warm"), line: named("--llm-line") };
      ctx.palette.missingRgb = parseColour(ctx.palette.missing);
      ctx.signed = signedColours(ctx.palette.stops.true);
      ctx.shades = signedColours(ctx.palette.stops.false);
      draw();
      if (!drawn) performance.mark("llm-architecture-drawn");
      drawn = true;
    }),
  );
  return stops;
});
