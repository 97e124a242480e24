import { element, follow, followLooks, keepKeys, saveMenu, shorten, spokenToken, visibleToken } from "../shared/shared.mjs";
import { difference, earlierSame, headPattern, headScores, headSizes, inWords, NAN_CODE, unpack, weightAt, wholeView } from "./data.mjs";
import {
  detailPanel, gridPanel, headName, heatPanel, legendPanel, linesPanel, previewPanel, SCORES, stripPanel,
} from "./panels.mjs";
import { pictureOf } from "../shared/canvas.mjs";
import { patternPalette } from "./paint.mjs";
import { boardPanel, textPanel } from "./board.mjs";

/** A labelled row of radio buttons that look like one control. */
function choice(label, options, chosen, choose) {
  const name = `llm-${Math.random().toString(36).slice(2)}`;
  const inputs = options.map(([value, words]) => {
    const input = element("input", { type: "radio", name, value });
    input.checked = value === chosen;
    input.addEventListener("change", () => choose(value));
    return element("label", {}, input, element("span", {}, words));
  });
  return element("span", { class: "llm-choice", role: "radiogroup", "aria-label": label }, ...inputs);
}

function dropdown(label, options, chosen, choose) {
  const select = element("select", { "aria-label": label }, ...options.map(([value, words]) => element("option", { value }, words)));
  select.value = chosen;
  select.addEventListener("change", () => choose(select.value));
  return element("label", { class: "llm-dropdown" }, element("span", {}, label), select);
}

function render({ model, el }) {
  el.classList.add("llm", "llm-attention");
  keepKeys(el);
  const still = Boolean(model.get("_standalone")), place = model.get("place");
  const state = {
    layer: place.layer ?? null, head: place.head ?? null, token: place.token ?? null, way: place.way ?? "from", heads: place.heads ?? "each",
    sort: place.sort ?? "layer", show: place.show ?? "a", view: wholeView(1), cell: null, pointed: null, pointedWay: null, previewed: { layer: 0, head: 0 },
  };
  let texts = {}, cache = new Map(), shown = [], grids = [], level = "", frame = 0, asked = null, waiting = null;

  // What the panels may know and do.
  const ctx = {
    state, palette: null,
    text: (side) => texts[side],
    ablated: () => model.get("ablated"),
    sideShown: () => (state.show === "difference" ? "d" : state.show === "both" ? "a" : state.show),
    pattern(side, layer, head) {
      const key = `${side} ${layer} ${head}`;
      if (typeof head === "number" && side !== "d") return headPattern(texts[side], layer, head); // only a window on the bytes
      if (!cache.has(key)) cache.set(key, side === "d" ? difference(ctx.pattern("a", layer, head), ctx.pattern("b", layer, head)) : headPattern(texts[side], layer, head));
      return cache.get(key);
    },
    scoresOf(side, layer, head) {
      const key = `scores ${side} ${layer} ${head}`;
      if (!texts[side].same) texts[side].same = earlierSame(texts[side].tokens);
      if (!cache.has(key)) cache.set(key, headScores(ctx.pattern(side, layer, head), texts[side].same));
      return cache.get(key);
    },
    scores: (entries, key) => entries.map(({ layer, head }) => ctx.scoresOf(state.show === "b" ? "b" : "a", layer, head)[key]),
    comparable: () => comparable(),
    /** Room for labels left of and above a pattern, in pixels: as much as the longest needs. */
    labelRoom(compact) {
      const cap = compact ? 9 : 12, all = Object.values(texts), key = `room ${compact}`;
      if (!cache.has(key)) {
        const longest = Math.max(...all.map(({ tokens }) => tokens.reduce((most, token) => Math.max(most, Math.min(cap, Array.from(visibleToken(token)).length)), 1)));
        cache.set(key, { left: 10 + Math.ceil(longest * (compact ? 6.7 : 7.3)), top: Math.max(24, 14 + Math.ceil(longest * (compact ? 5.8 : 6.3))) });
      }
      return cache.get(key);
    },
    hasMissing: () => Object.values(texts).some((text) => (text.missing ??= text.codes.includes(NAN_CODE))),
    /** The token that is kept, or else the one pointed at. */
    focus: () => state.token ?? state.pointed,
    wayShown: () => (state.token === null ? state.pointedWay : null) ?? state.way,
    previewHead(head) { state.previewed = head; later(); },
    previewToken(token, way = null, aloud = false) {
      if (state.pointed === token && state.pointedWay === way && !state.cell) return;
      state.pointed = token; state.pointedWay = way; state.cell = null;
      if (aloud && token !== null) ctx.speak(spokenToken(texts[ctx.sideShown() === "d" ? "a" : ctx.sideShown()].tokens[token]));
      later();
    },
    previewCell(cell, aloud = false) {
      if (String(cell) === String(state.cell)) return;
      state.cell = cell; state.pointed = cell ? cell[state.way === "from" ? 0 : 1] : null; state.pointedWay = null;
      if (aloud) ctx.speak(readout(spokenToken));
      later();
    },
    lock(token, way = state.way) {
      const same = state.token === token && state.way === way;
      ctx.go({ token: same ? null : token, way });
      ctx.speak(same ? "No token kept" : `Kept ${spokenToken(texts[ctx.sideShown() === "d" ? "a" : ctx.sideShown()].tokens[token])}`);
    },
    redrawHeat() { for (const panel of shown) if (panel.canvas) panel.draw(); },
    go(changes) { Object.assign(state, changes); remember(); draw(); },
    speak(words) { spoken.textContent = words; },
    /** One question at a time: while Python thinks, only the latest further question of each kind waits. */
    ask(request) {
      if (asked !== null) { waiting = { ...waiting, [request.kind + (request.which ?? "")]: request }; return; }
      asked = (model.get("request")?.number ?? 0) + 1;
      model.set("request", { ...request, number: asked });
      model.save_changes();
    },
  };

  const crumbs = element("nav", { "aria-label": "Where you are", class: "llm-crumbs" }), tools = element("div", { class: "llm-row llm-tools" });
  const stage = element("div", { class: "llm-stage" }), reading = element("div", { class: "llm-reading", "aria-hidden": "true" });
  const notes = element("ul", { class: "llm-notes" }), spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const texting = !still && model.get("live") ? textPanel(ctx, model) : null;
  const board = (still ? model.get("predictions").length : model.get("live")) ? boardPanel(ctx, model) : null;
  const legend = legendPanel(ctx), picture = element("div", { class: "llm-picture" }, stage);
  const menu = saveMenu(model, "attention", () => pictureOf(picture, ctx.palette.paper));
  el.append(texting?.node ?? "", element("div", { class: "llm-row llm-head" }, crumbs, menu), notes, tools, picture, board?.node ?? "", spoken);

  picture.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || state.layer === null) return;
    if (state.token !== null) ctx.go({ token: null });
    else toGrid();
  });

  function toGrid() {
    const { layer, head } = state;
    ctx.go({ layer: null, head: null, token: null, cell: null, pointed: null, previewed: { layer, head } });
    grids[0]?.focusHead(layer, head);
  }

  function remember() {
    const { layer, head, token, way, heads, sort, show } = state;
    const kept = { way, heads, sort, show };
    if (layer !== null) Object.assign(kept, { layer, head });
    if (token !== null) kept.token = token;
    model.set("place", kept);
    model.save_changes();
  }

  /** "·sat (5) looks at ·cat (2): 43%", of the cell pointed at. */
  function readout(write = (token) => shorten(visibleToken(token), 24)) {
    if (!state.cell) return "";
    const [i, j] = state.cell, { layer, head } = state, of = (side) => ctx.pattern(side, layer, head);
    const one = ctx.sideShown(), tokens = texts[one === "d" ? "a" : one].tokens;
    if (i >= tokens.length || j >= tokens.length) return "";
    const value = (side) => (i < of(side).n && j < of(side).n ? inWords(weightAt(of(side), i, j), side === "d") : "–");
    const compared = state.show === "both" || state.show === "difference";
    const weights = compared ? `${texts.a.title} ${value("a")}, ${texts.b.title} ${value("b")}${comparable() ? ` (${value("d")})` : ""}` : value(one);
    return `${write(tokens[i])} (${i}) looks at ${write(tokens[j])} (${j}): ${weights}`;
  }

  const comparable = () => texts.b && texts.a.n === texts.b.n;

  function later() {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      if (state.layer === null) shown.find((panel) => panel.node.matches(".llm-preview"))?.draw();
      else { for (const panel of shown) panel.point(); reading.textContent = readout(); }
    });
  }

  function drawTools() {
    const go = (name) => (value) => ctx.go({ [name]: value });
    const parts = [];
    if (texts.b) {
      const options = [["a", texts.a.title], ["b", texts.b.title]];
      if (comparable()) options.push(["difference", `${texts.b.title} − ${texts.a.title}`]);
      options.push(["both", "side by side"]);
      parts.push(choice("Which run", options, state.show, go("show")));
    }
    if (state.layer === null) {
      parts.push(dropdown("Heads", [["each", "each on its own"], ["mean", "mean of each layer"], ["max", "maximum over each layer"]], state.heads, go("heads")));
      parts.push(dropdown("Order", [["layer", "by layer"], ...Object.entries(SCORES).map(([key, { name }]) => [key, `by ${name}`])], state.sort, go("sort")));
    } else {
      parts.push(choice("Way of reading", [["from", "where a token looks"], ["to", "who looks at it"]], state.way, go("way")));
      const zoomed = (factor) => () => { shown.find((panel) => panel.zoom)?.zoom(factor); };
      parts.push(element("span", { class: "llm-buttons" },
        element("button", { type: "button", "aria-label": "Zoom in", title: "Zoom in (+, or Ctrl and wheel)", onclick: zoomed(1.5) }, "+"),
        element("button", { type: "button", "aria-label": "Zoom out", title: "Zoom out (−)", onclick: zoomed(1 / 1.5) }, "−"),
        element("button", { type: "button", title: "Show the whole text (0)", onclick: () => { state.view = wholeView(ctx.pattern(ctx.sideShown(), state.layer, state.head).n); ctx.redrawHeat(); } }, "All")));
      if (board && !still && typeof state.head === "number") {
        const off = ctx.ablated().some(([l, h]) => l === state.layer && h === state.head);
        parts.push(element("button", { type: "button", "aria-pressed": String(off), onclick: () => board.toggle(state.layer, state.head) }, off ? "Switch this head on" : "Switch this head off"));
      }
    }
    const focused = [...tools.querySelectorAll("select, input, button")].indexOf(document.activeElement);
    tools.replaceChildren(...parts);
    if (focused >= 0) {
      const controls = [...tools.querySelectorAll("select, input, button")], at = controls[focused];
      (at?.type === "radio" ? controls.find((c) => c.name === at.name && c.checked) : at)?.focus();
    }
  }

  function drawCrumbs() {
    const parts = [], link = (words, action, current) => parts.push(current ? element("span", { "aria-current": "page", "data-text": true }, words) : element("button", { type: "button", onclick: action }, words));
    link("All heads", toGrid, state.layer === null);
    if (state.layer !== null) {
      const turn = (step) => () => {
        const { layers, heads } = texts.a, single = typeof state.head === "number", total = single ? layers * heads : layers;
        const k = ((single ? state.layer * heads + state.head : state.layer) + step + total) % total;
        ctx.go(single ? { layer: Math.floor(k / heads), head: k % heads } : { layer: k });
        crumbs.querySelector(step < 0 ? ".llm-back" : ".llm-forth")?.focus();
      };
      link(headName(state.layer, state.head), () => ctx.go({ token: null }), state.token === null);
      if (state.token !== null) link(shorten(visibleToken(texts[ctx.sideShown() === "d" ? "a" : ctx.sideShown()].tokens[state.token]), 16), null, true);
      parts.push(element("span", { class: "llm-turns" },
        element("button", { type: "button", class: "llm-back", "aria-label": "Previous head", onclick: turn(-1) }, "‹"),
        element("button", { type: "button", class: "llm-forth", "aria-label": "Next head", onclick: turn(1) }, "›")));
    }
    crumbs.replaceChildren(...parts);
  }

  /** Panels are made anew only when the reader goes to another level, so that focus stays where it is. */
  function build(width) {
    const sides = state.show === "both" ? (comparable() ? ["a", "b", "d"] : ["a", "b"]) : [ctx.sideShown()];
    const size = headSizes(width, sides.length), wanted = `${state.layer === null ? "grid" : `head ${size.heat} ${size.lines}`} ${sides} ${state.show}`;
    if (wanted === level) return sides;
    level = wanted;
    const titled = (side, panel) => (sides.length === 1 ? panel.node : element("figure", {}, element("figcaption", { "data-text": true }, side === "d" ? `${texts.b.title} − ${texts.a.title}` : texts[side].title), panel.node));
    grids = [];
    if (state.layer === null) {
      grids = sides.map((side) => gridPanel(ctx, side));
      shown = sides.length === 1 ? [...grids, previewPanel(ctx)] : grids;
      stage.replaceChildren(element("div", { class: "llm-scroll" }, ...grids.map((panel, k) => titled(sides[k], panel))), element("div", { class: sides.length === 1 ? "llm-aside" : "" }, ...shown.slice(grids.length).map((panel) => panel.node), legend.node));
    } else {
      const several = sides.length > 1;
      const heats = sides.map((side) => heatPanel(ctx, side, size.heat, several)), strip = stripPanel(ctx), detail = detailPanel(ctx);
      const lines = several ? [] : [linesPanel(ctx, size.lines, size.heat)];
      shown = [...heats, ...lines, strip, detail];
      stage.replaceChildren(element("div", { class: "llm-pair" }, ...heats.map((panel, k) => titled(sides[k], panel)), ...lines.map((panel) => panel.node)), element("div", { class: "llm-under" }, reading, legend.node), strip.node, detail.node);
    }
    stage.className = `llm-stage ${state.layer === null ? "llm-at-grid" : "llm-at-head"}`;
    return sides;
  }

  function draw() {
    settle();
    el.dataset.tokens = texts.a.n;
    const width = Math.min((el.clientWidth || 938) - 8, 930), sides = build(width);
    drawCrumbs();
    drawTools();
    const room = state.layer !== null ? 0 : sides.length > 1 ? Math.floor((width - 12 * sides.length) / sides.length) : Math.max(240, width - 286);
    for (const panel of shown) panel.draw(room);
    legend.draw();
    reading.textContent = readout();
    texting?.draw();
    board?.draw();
    notes.replaceChildren(...model.get("notes").map((note) => element("li", {}, note)));
    notes.hidden = model.get("notes").length === 0;
  }

  /** Choices that the present data no longer allow fall back to ones that they do. */
  function settle() {
    if (!texts.b || (state.show === "difference" && !comparable())) state.show = "a";
    const { layers, heads } = texts.a, { n } = texts[ctx.sideShown() === "d" ? "a" : ctx.sideShown()];
    if (state.layer !== null && (state.layer >= layers || (typeof state.head === "number" && state.head >= heads))) Object.assign(state, { layer: null, head: null });
    const last = state.previewed;
    if (last.layer >= layers || (typeof last.head === "number") !== (state.heads === "each") || last.head >= heads) state.previewed = { layer: Math.min(last.layer, layers - 1), head: state.heads === "each" ? 0 : state.heads };
    if (state.token >= n) state.token = null;
    if (state.cell && Math.max(...state.cell) >= n) state.cell = null;
    if (state.pointed >= n) state.pointed = null;
  }

  function load() {
    const before = texts.a?.n;
    texts = { a: unpack(model.get("a"), model.get("a_codes")) };
    if (model.get("b").tokens) texts.b = unpack(model.get("b"), model.get("b_codes"));
    cache = new Map();
    if (texts.a.n !== before) state.view = wholeView(texts.a.n);
  }

  let queued = false, loaded = false;
  const refresh = () => { // several traits change in one message: draw once
    if (queued) return;
    queued = true;
    queueMicrotask(() => { queued = false; load(); if (loaded) draw(); performance.mark("llm-attention-updated"); });
  };
  const restyle = () => {
    if (!el.isConnected) return; // no size and no theme yet; the observer below calls again
    ctx.palette = patternPalette(el);
    draw();
    if (!loaded) performance.mark("llm-attention-drawn");
    loaded = true;
  };
  load();
  restyle();

  const moved = () => { // Python, or another view of the same widget, has gone somewhere
    const now = model.get("place");
    const target = { layer: now.layer ?? null, head: now.head ?? null, token: now.token ?? null, way: now.way ?? state.way, heads: now.heads ?? state.heads, sort: now.sort ?? state.sort, show: now.show ?? state.show };
    if (Object.entries(target).some(([name, value]) => state[name] !== value)) { Object.assign(state, target); if (loaded) draw(); }
  };
  const answered = () => {
    if (model.get("answered") < asked) return;
    asked = null;
    const [[key, next] = []] = Object.entries(waiting ?? {});
    if (next) { delete waiting[key]; ctx.ask(next); }
  };
  const names = ["a", "a_codes", "b", "b_codes", "notes", "notice", "text", "text_b", "ablated", "how", "predictions", "continuation", "logprobs"];
  for (const name of names) model.on(`change:${name}`, refresh);
  const stops = [() => names.forEach((name) => model.off(`change:${name}`, refresh)), follow(model, ["place"], moved), follow(model, ["answered"], answered)];
  stops.push(followLooks(el, restyle, loaded ? el.clientWidth : 0));
  return () => {
    stops.forEach((stop) => stop());
    cancelAnimationFrame(frame);
  };
}

export default { render };
