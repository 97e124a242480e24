import { element, follow, followLooks, saveMenu } from "../shared/shared.mjs";
import { textBox, widget } from "../shared/view.mjs";
import { choice } from "../shared/controls.mjs";
import { parseColour, paletteOf, pictureOf } from "../shared/canvas.mjs";
import { BARS, index } from "./data.mjs";
import { detailPanel, signedColours } from "./detail.mjs";
import { followPanel } from "./follow.mjs";
import { mapPanel } from "./map.mjs";
import { sizesPanel } from "./sizes.mjs";

const NARROWEST = 760, ASIDE = 350; // pixels: below this width the open box stands under the map

export default widget("llm-architecture", ({ model, hub, el }) => {
  const place = model.get("place");
  const state = {
    box: place.box ?? "model", layer: place.layer ?? 0, tensor: place.tensor ?? null, token: place.token ?? null,
    bars: place.bars ?? "parameters", tab: place.tab ?? "boxes", way: place.way ?? "norm",
  };
  let found = null, of = null, drawn = false, asked = {}, seen = [];

  // What the panels may know and do.
  const ctx = {
    state, palette: null, signed: [], shades: [],
    model: () => model.get("model"), tokens: () => model.get("tokens"),
    boxes() {
      const { tree } = ctx.model();
      if (of !== tree) [of, found] = [tree, index(tree)];
      return found;
    },
    inLayer: () => ctx.boxes().get(state.box).copies > 1 || ctx.boxes().get(state.box).around.some(({ id }) => id === "layer"),
    /** The tensor that is open: the one chosen, or the value where there is a live model, or the first. */
    tensor() {
      const { tensors } = ctx.boxes().get(state.box).box, named = (name) => tensors.find((one) => one.name === name);
      return named(state.tensor) ?? (ctx.tokens().length ? named("result") : undefined) ?? tensors[0] ?? null;
    },
    token: () => Math.min(state.token ?? Infinity, ctx.tokens().length - 1),
    alive: () => hub.live && !hub.gone && ctx.tokens().length > 0,
    opened: () => model.get("opened"), openedCodes: () => model.get("opened_codes"), openedTokens: () => model.get("opened_tokens"),
    openedKey: () => (seen[0] === model.get("opened_codes") ? seen[1] : (seen = [model.get("opened_codes"), Math.random()])[1]),
    followed: () => model.get("followed"), followedValues: () => model.get("followed_values"),
    contextShown: () => ctx.model().context,
    shade: (t) => ctx.shades[Math.max(0, Math.min(254, Math.round(254 * (t || 0))))],
    open: (box) => ctx.go({ box, tensor: null }),
    go(changes) { Object.assign(state, changes); remember(); draw(); },
    speak(words) { spoken.textContent = words; },
  };

  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const sizes = sizesPanel(ctx, hub, model), map = mapPanel(ctx), detail = detailPanel(ctx), way = followPanel(ctx);
  const texting = hub.live && model.get("text") ? textBox({ label: "Your text", button: "Read this text", use: (text) => hub.act("text", { text }), used: () => model.get("text") }) : null;
  const tabs = element("span", {}), bars = element("span", {}), title = element("h3", {});
  const lead = element("p", { class: "llm-note" }, `Every box is a part of the model. Open one to see what it does, what it costs, and the line of code behind it${hub.live ? "; move a size and watch the costs" : ""}.`);
  const aside = element("div", { class: "llm-aside" }), boxes = element("div", { class: "llm-at-boxes" }, map.node, aside);
  const picture = element("div", { class: "llm-scene" }, boxes, way.node);
  const menu = saveMenu(model, "architecture", () => pictureOf(picture, ctx.palette.paper));
  el.append(element("div", { class: "llm-row llm-head" }, title, menu), lead, sizes.node, texting?.node ?? "", hub.line,
    element("div", { class: "llm-row llm-tools" }, tabs, bars), picture, spoken);

  function remember() {
    hub.look({ place: Object.fromEntries(Object.entries(state).filter(([, value]) => value !== null)) });
  }

  /** Choices that the present model no longer allows fall back to ones that it does. */
  function settle() {
    if (!ctx.boxes().has(state.box)) Object.assign(state, { box: "model", tensor: null });
    const { repeat } = ctx.boxes().get("layer")?.box ?? { repeat: 1 };
    state.layer = Math.min(state.layer, repeat - 1);
  }

  function drawTools() {
    if (!tabs.children.length) tabs.append(choice("What to look at", [["boxes", "Boxes"], ["follow", "Follow one token"]], state.tab, (tab) => ctx.go({ tab })));
    if (!bars.children.length) bars.append("Bars: ", choice("What the bars in the boxes show", Object.entries(BARS).map(([name, { words }]) => [name, words]), state.bars, (name) => ctx.go({ bars: name })));
    for (const [box, chosen] of [[tabs, state.tab], [bars, state.bars]]) for (const input of box.querySelectorAll("input")) input.checked = input.value === chosen;
    bars.hidden = state.tab !== "boxes";
    tabs.hidden = !ctx.tokens().length && state.tab === "boxes";
  }

  function draw() {
    settle();
    const width = Math.min(el.clientWidth - 8, 944), beside = width >= NARROWEST, room = beside ? width - ASIDE - 20 : width;
    picture.classList.toggle("llm-beside", beside);
    title.textContent = ctx.model().title;
    sizes.draw(width);
    texting?.follow();
    if (texting) texting.node.hidden = !ctx.tokens().length;
    drawTools();
    boxes.hidden = state.tab !== "boxes";
    way.node.hidden = state.tab !== "follow";
    if (state.tab === "boxes") {
      map.draw();
      detail.draw();
      if (!beside) map.hold(detail.node);
      else if (!aside.contains(detail.node)) aside.append(detail.node);
    } else way.draw(room);
    ask();
  }

  /** Ask for the values of what is open, once. */
  function ask() {
    if (!ctx.alive()) return;
    const tensor = ctx.tensor(), opened = ctx.opened(), tokens = ctx.tokens(), layer = ctx.inLayer() ? state.layer : 0;
    if (asked.tokens !== tokens) asked = { tokens };
    if (state.tab === "follow") {
      if (!ctx.followed().seq && !asked.way) { asked.way = true; hub.act("follow"); }
      return;
    }
    if (!tensor || (opened.box === state.box && opened.tensor === tensor.name && opened.layer === layer)) return;
    const wanted = `${state.box} ${tensor.name} ${layer}`;
    if (asked.wanted === wanted) return;
    asked.wanted = wanted;
    hub.act("open", { box: state.box, tensor: tensor.name, layer }, { latest: "open" });
  }

  const refresh = () => { if (drawn) draw(); performance.mark("llm-architecture-updated"); };
  const moved = () => { // another view of the same widget has gone somewhere
    const now = model.get("place");
    if (!Object.entries(now).some(([name, value]) => state[name] !== value)) return;
    Object.assign(state, now);
    if (drawn) draw();
  };
  const names = ["model", "sizes", "problem", "models", "chosen", "text", "tokens", "opened", "opened_codes", "opened_tokens", "followed", "followed_values"];
  const stops = [follow(model, names, refresh), follow(model, ["place"], moved)];
  stops.push(followLooks(el, () => {
    const style = getComputedStyle(el), named = (name) => style.getPropertyValue(name).trim();
    ctx.palette = { ...paletteOf(el), warm: named("--llm-warm"), line: named("--llm-line") };
    ctx.palette.missingRgb = parseColour(ctx.palette.missing);
    ctx.signed = signedColours(ctx.palette.stops.true);
    ctx.shades = signedColours(ctx.palette.stops.false);
    draw();
    if (!drawn) performance.mark("llm-architecture-drawn");
    drawn = true;
  }));
  return stops;
});
