import { element, follow, followLooks, saveMenu, shorten, spokenToken, visibleToken } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";
import {
  changeScale, compare, difference, earlierSame, givenScores, headPattern, headScores, inWords, NAN_CODE, queryCounts, unpack, unpackHead, weightAt,
} from "./data.mjs";
import { gridHeight, gridRoom, headSizes, seenTokens, wholeView } from "./layout.mjs";
import { coarsePanel, detailPanel, heatPanel, legendPanel, linesPanel, stripPanel } from "./panels.mjs";
import { gridPanel, previewPanel } from "./grid.mjs";
import { CHANGE, CHANGE_OF_THUMBNAILS, guide, headName, isFew, orderInWords, SCORES, titleLines } from "./words.mjs";
import { pictureOf } from "../shared/canvas.mjs";
import { patternPalette } from "./paint.mjs";
import { choice, renew, textPanel } from "../shared/controls.mjs";
import { boardPanel } from "./board.mjs";

function dropdown(label, options, chosen, choose) {
  const select = element("select", { "aria-label": label }, ...options.map(([value, words]) => element("option", { value }, words)));
  select.value = chosen;
  select.addEventListener("change", () => choose(select.value));
  return element("label", { class: "llm-dropdown" }, element("span", {}, label), select);
}

const MOST_HELD = 64e6; // bytes of whole heads of a long text in this page; the latest ones stay

export default widget("llm-attention", ({ model, hub, el, still }) => {
  const place = model.get("place");
  const state = {
    layer: place.layer ?? null, head: place.head ?? null, token: place.token ?? null, way: place.way ?? "from", heads: place.heads ?? "each",
    sort: place.sort ?? "layer", show: place.show ?? "a", press: "open", view: wholeView(1), cell: null, pointed: null, pointedWay: null, previewed: { layer: 0, head: 0 },
  };
  let texts = {}, cache = new Map(), shown = [], grids = [], level = "", frame = 0, width = 930, loaded = [];
  let held = new Map(), asked = ""; // whole heads of a long text, by "layer head"; the one that Python was asked for

  // What the panels may know and do.
  const ctx = {
    state, palette: null,
    text: (side) => texts[side],
    off: () => board?.off() ?? new Set(model.get("ablated").map(String)),
    sideShown: () => (state.show === "difference" ? "d" : state.show === "both" ? "a" : state.show),
    /** A whole head; of a long text, if it is not here, or in the grid, its thumbnail. */
    pattern(side, layer, head) {
      if (state.layer === null || (side === "d" && !whole())) return ctx.thumbnail(side, layer, head);
      if (side !== "d") return held.get(`${layer} ${head}`)?.[side] ?? ctx.thumbnail(side, layer, head);
      return kept(`d ${layer} ${head} whole`, () => { const [a, b] = bothOf(ctx.pattern, layer, head); return difference(a, b, changeScale(compare(a, b).largest)); });
    },
    thumbnail(side, layer, head) {
      if (side === "d") return kept(`d ${layer} ${head}`, () => difference(...bothOf(ctx.thumbnail, layer, head), commonScale()));
      if (typeof head === "number" || texts[side].long) return headPattern(texts[side], layer, head); // only a window on the bytes
      return kept(`${side} ${layer} ${head}`, () => headPattern(texts[side], layer, head));
    },
    scoresOf(side, layer, head) {
      if (texts[side].long) return givenScores(texts[side], layer, head);
      texts[side].same ??= earlierSame(texts[side].tokens);
      return kept(`scores ${side} ${layer} ${head}`, () => headScores(ctx.thumbnail(side, layer, head), texts[side].same));
    },
    score: (key) => SCORES[key] ?? ctx.change(),
    scores: (entries, key) => entries.map(({ layer, head }) => (key === "difference" ? ctx.moved(layer, head) : ctx.scoresOf(state.show === "b" ? "b" : "a", layer, head)[key])),
    /** On how many queries each score of a text rests. */
    counts: (side) => (texts[side].counts ??= queryCounts(texts[side].tokens)),
    count: (key) => (key === "layer" ? Infinity : key === "difference" ? texts.a.n : ctx.counts(state.show === "b" ? "b" : "a")[key]),
    change: () => (texts.a.long || texts.b.long ? CHANGE_OF_THUMBNAILS : CHANGE),
    moved: (layer, head) => compared(layer, head)[ctx.change() === CHANGE ? "moved" : "rows"],
    comparable: () => comparable(),
    /** Room for labels left of and above a pattern, in pixels: as much as the longest needs. */
    labelRoom(compact) {
      const cap = compact ? 9 : 12, all = Object.values(texts), key = `room ${compact}`;
      if (!cache.has(key)) {
        const longest = Math.max(...all.map(({ tokens }) => tokens.reduce((most, token) => Math.max(most, Math.min(cap, Array.from(visibleToken(token)).length)), 1)));
        cache.set(key, { left: Math.max(compact ? 52 : 56, 10 + Math.ceil(longest * (compact ? 6.7 : 7.3))), top: Math.max(40, 14 + Math.ceil(longest * (compact ? 5.8 : 6.3))) });
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
    redrawHeat() { for (const panel of shown) if (panel.canvas) panel.draw(); drawZoom(); },
    canSwitch: () => Boolean(board) && hub.live && !still && !hub.gone && state.heads === "each",
    toggle({ layer, head }) {
      board.toggle(layer, head);
      ctx.speak(`${headName(layer, head)}, switched ${ctx.off().has(`${layer},${head}`) ? "off" : "on"}`);
    },
    go(changes) { Object.assign(state, changes); remember(); draw(); },
    speak(words) { spoken.textContent = words; },
  };
  const bothOf = (pattern, layer, head) => ["a", "b"].map((side) => pattern(side, layer, head));
  const compared = (layer, head) => kept(`apart ${layer} ${head}`, () => compare(...bothOf(ctx.thumbnail, layer, head)));
  /** Up to where the colours of differences reach in the grid: the same for all heads, so that they can be compared. */
  const commonScale = () => kept(`scale ${state.heads}`, () => {
    const { layers, heads } = texts.a, all = state.heads === "each" ? Array.from({ length: heads }, (_, h) => h) : [state.heads];
    return changeScale(Math.max(...Array.from({ length: layers }, (_, l) => all.map((h) => compared(l, h).largest)).flat()));
  });
  const kept = (key, make) => { if (!cache.has(key)) cache.set(key, make()); return cache.get(key); };
  /** Whether the head that is looked at is here whole, on all sides that have to be shown. */
  const whole = () => ["a", "b"].every((side) => !texts[side]?.long || held.get(`${state.layer} ${state.head}`)?.[side]);

  const crumbs = element("div", { class: "llm-crumbs", role: "group", "aria-label": "Where you are" }), help = element("p", { class: "llm-guide" });
  const tools = element("div", { class: "llm-row llm-tools" }), choices = element("div", { class: "llm-row llm-tools" }), zoomed = element("span", { class: "llm-zoomed", role: "status" });
  const stage = element("div"), reading = element("div", { class: "llm-reading", "aria-hidden": "true" }), ordered = element("p", { class: "llm-order", role: "status" });
  const away = element("div", { class: "llm-away llm-note", role: "status" }), notes = element("ul", { class: "llm-notes" }), spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const texting = hub.live ? textPanel(hub, model) : null;
  const board = (still ? model.get("predictions").length : hub.live) ? boardPanel(ctx, hub, model, () => draw()) : null;
  const look = previewPanel(ctx), legend = legendPanel(ctx), beside = element("div", { class: "llm-beside-grid" }, look.node, board?.node ?? "");
  const aside = element("div", { class: "llm-aside" }, choices, ordered, beside), below = element("div");
  const picture = element("div", { class: "llm-scene" }, stage), titles = element("div", { class: "llm-titles" });
  const lines = () => titleLines(state, texts, model.get("source"));
  const menu = saveMenu(model, "attention", () => pictureOf(picture, ctx.palette.paper, { lines: lines(), ink: ctx.palette.ink }));
  el.append(still ? titles : "", texting?.node ?? "", hub.line, element("div", { class: "llm-row llm-head" }, crumbs, help, menu), notes, tools, picture, below, spoken);

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
    hub.look({ place: kept });
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
      for (const panel of shown) panel.point();
      if (state.layer !== null) reading.textContent = readout();
    });
  }

  function drawTools() {
    const go = (name) => (value) => ctx.go({ [name]: value });
    const parts = [], box = state.layer === null ? choices : tools;
    if (texts.b) {
      const options = [["a", texts.a.title], ["b", texts.b.title]];
      if (comparable()) options.push(["difference", `${texts.b.title} − ${texts.a.title}`]);
      options.push(["both", "side by side"]);
      parts.push(choice("Which run", options, state.show, go("show")));
    }
    if (state.layer === null) {
      const orders = Object.entries(SCORES).map(([key, { name }]) => [key, `by ${name}`]);
      parts.push(dropdown("Heads", [["each", "one by one"], ["mean", "mean of a layer"], ["max", "most of a layer"]], state.heads, go("heads")));
      parts.push(dropdown("Order", [["layer", "by layer"], ...(comparable() ? [["difference", "by difference"]] : []), ...orders], state.sort, go("sort")));
      if (board && hub.live && !still && state.heads === "each") {
        const press = choice("What a click does", [["open", "opens a head"], ["switch", "switches it off"]], state.press, go("press"));
        for (const input of press.querySelectorAll("input")) input.dataset.acts = "";
        parts.push(element("span", { class: "llm-dropdown" }, element("span", {}, "A click"), press));
      }
    } else {
      parts.push(choice("Way of reading", [["from", "where a token looks"], ["to", "who looks at it"]], state.way, go("way")));
      const zoom = (factor) => () => { shown.find((panel) => panel.zoom)?.zoom(factor); };
      parts.push(element("span", { class: "llm-buttons" },
        element("button", { type: "button", "aria-label": "Zoom in", title: "Zoom in (+, or Ctrl and wheel)", onclick: zoom(1.5) }, "+"),
        element("button", { type: "button", "aria-label": "Zoom out", title: "Zoom out (−)", onclick: zoom(1 / 1.5) }, "−"),
        element("button", { type: "button", class: "llm-whole", title: "Show the whole text (0)", onclick: () => { state.view = wholeView(ctx.pattern(ctx.sideShown(), state.layer, state.head).n); ctx.redrawHeat(); } }, "All")), zoomed);
      if (board && !still && typeof state.head === "number") {
        const off = ctx.off().has(`${state.layer},${state.head}`);
        parts.push(element("button", { type: "button", "aria-pressed": String(off), onclick: () => board.toggle(state.layer, state.head) }, off ? "Switch this head on" : "Switch this head off"));
      }
    }
    renew(box, parts);
    (box === tools ? choices : tools).replaceChildren();
    drawZoom();
  }

  /** Whether a part of the text is seen, and which. */
  function drawZoom() {
    const { x, y, span } = state.view, part = state.layer !== null && whole() && span < texts[ctx.sideShown() === "d" ? "a" : ctx.sideShown()].n;
    const range = (from) => seenTokens(from, span).join("–"), words = part ? `Zoomed in: queries ${range(y)}, keys ${range(x)} (0 shows all)` : "";
    if (zoomed.textContent !== words) zoomed.textContent = words;
    tools.querySelector(".llm-whole")?.classList.toggle("llm-back-out", part);
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
  function build() {
    const sides = state.show === "both" ? (comparable() ? ["a", "b", "d"] : ["a", "b"]) : [ctx.sideShown()], at = state.layer === null ? "grid" : whole() ? "head" : "coarse";
    const size = headSizes(width, sides.length), wanted = `${at} ${at === "grid" ? "" : `${size.heat} ${size.lines}`} ${sides} ${state.show}`;
    if (wanted === level) return sides;
    level = wanted;
    const held = stage.contains(document.activeElement);
    const titled = (side, panel) => (sides.length === 1 ? panel.node : element("figure", {}, element("figcaption", { "data-text": true }, side === "d" ? `${texts.b.title} − ${texts.a.title}` : texts[side].title), panel.node));
    grids = [];
    if (at === "grid") {
      grids = sides.map((side) => gridPanel(ctx, side, sides.length === 1));
      shown = sides.length === 1 ? [...grids, look] : grids;
      look.node.hidden = sides.length > 1;
      const box = element("div", { class: "llm-grids" }, ...grids.map((panel, k) => titled(sides[k], panel)));
      if (stage.contains(aside)) stage.firstChild.replaceWith(box); // the keyboard may be at a control beside the grid
      else stage.replaceChildren(box, aside);
    } else if (at === "coarse") {
      shown = sides.map((side) => coarsePanel(ctx, side, size.heat));
      const pair = element("div", { class: "llm-pair", tabindex: -1, role: "group", "aria-label": "Thumbnails" }, ...shown.map((panel, k) => titled(sides[k], panel)));
      stage.replaceChildren(pair, element("div", { class: "llm-under" }, away, legend.node));
      if (held) pair.focus({ preventScroll: true });
    } else {
      const several = sides.length > 1;
      const heats = sides.map((side) => heatPanel(ctx, side, size.heat, several)), strip = stripPanel(ctx), detail = detailPanel(ctx);
      const lines = several ? [] : [linesPanel(ctx, size.lines, size.heat)];
      shown = [...heats, ...lines, strip, detail];
      stage.replaceChildren(element("div", { class: "llm-pair" }, ...heats.map((panel, k) => titled(sides[k], panel)), ...lines.map((panel) => panel.node)), element("div", { class: "llm-under" }, reading, legend.node), strip.node, detail.node);
      if (held) heats[0].canvas.focus({ preventScroll: true }); // it was on a control that is no more
    }
    stage.className = `llm-stage ${at === "grid" ? "llm-at-grid" : "llm-at-head"}`;
    if (at === "grid" && sides.length > 1) ordered.after(legend.node); else if (at === "grid") look.node.append(legend.node);
    moveTo(at === "grid" ? beside : below, board?.node);
    return sides;
  }

  /** Put a panel elsewhere; the keyboard goes with it. */
  function moveTo(box, node) {
    if (!node || node.parentNode === box) return;
    const focused = node.contains(document.activeElement) ? document.activeElement : null;
    box.append(node);
    focused?.focus({ preventScroll: true });
  }

  /** A head of a long text that is not here whole: ask for it, or say which ones are. */
  function fetchHead() {
    const wanted = `${state.layer} ${state.head}`;
    if (hub.live && !hub.gone) {
      away.replaceChildren("Fetching this head …");
      if (asked !== wanted) hub.act("open", { layer: state.layer, head: state.head }, { latest: "open" });
      asked = wanted;
      return;
    }
    const here = [...held.keys()].map((key) => key.split(" ")).map(([layer, head]) => [Number(layer), Number.isNaN(Number(head)) ? head : Number(head)]);
    away.replaceChildren(`Only a thumbnail of this head is here: the text is long, and whole heads come from Python. ${here.length ? "Whole are here: " : "None is here whole."}`,
      ...here.map(([layer, head]) => element("button", { type: "button", onclick: () => ctx.go({ layer, head, token: null }) }, headName(layer, head))));
  }

  function draw() {
    settle();
    el.dataset.tokens = texts.a.n;
    const sides = build();
    if (state.layer !== null && !whole()) fetchHead();
    drawCrumbs();
    drawTools();
    help.textContent = guide(state, ctx.canSwitch());
    titles.replaceChildren(...lines().map((line, k) => element(k ? "div" : "strong", {}, line)));
    const room = gridRoom(width, sides.length, state.sort !== "layer");
    for (const grid of grids) grid.draw(room, gridHeight(window.innerHeight));
    const used = grids.reduce((sum, grid) => sum + grid.width + 24, 0);
    for (const panel of shown) if (!grids.includes(panel)) panel.draw(width - used >= 300 ? width - used : width);
    const count = ctx.count(state.sort);
    ordered.textContent = state.layer === null && state.sort !== "layer" ? orderInWords(ctx.score(state.sort), count) : "";
    ordered.classList.toggle("llm-few", isFew(count));
    stick();
    legend.draw();
    reading.textContent = readout();
    texting?.draw();
    board?.draw();
    notes.replaceChildren(...model.get("notes").map((note) => element("li", {}, note)));
    notes.hidden = model.get("notes").length === 0;
  }

  /** The numbers above the grid stay in sight. (`position: sticky` does nothing inside of JupyterLab's outputs.) */
  function stick() {
    if (!grids.length) return;
    let edge = 0;
    for (let box = el.parentElement; box; box = box.parentElement) if (box.scrollHeight > box.clientHeight + 1 && getComputedStyle(box).overflowY !== "visible") edge = Math.max(edge, box.getBoundingClientRect().top);
    for (const grid of grids) grid.stick(edge);
  }

  /** Choices that the present data no longer allow fall back to ones that they do. */
  function settle() {
    if (!texts.b || (state.show === "difference" && !comparable())) state.show = "a";
    if (state.sort === "difference" && !comparable()) state.sort = "layer";
    const { layers, heads } = texts.a, { n } = texts[ctx.sideShown() === "d" ? "a" : ctx.sideShown()];
    if (state.layer !== null && (state.layer >= layers || (typeof state.head === "number" && state.head >= heads))) Object.assign(state, { layer: null, head: null });
    const last = state.previewed;
    if (last.layer >= layers || (typeof last.head === "number") !== (state.heads === "each") || last.head >= heads) state.previewed = { layer: Math.min(last.layer, layers - 1), head: state.heads === "each" ? 0 : state.heads };
    if (state.token >= n) state.token = null;
    if (state.cell && Math.max(...state.cell) >= n) state.cell = null;
    if (state.pointed >= n) state.pointed = null;
  }

  function load() {
    const sources = ["a", "a_codes", "a_scores", "b", "b_codes", "b_scores"].map((name) => model.get(name)), before = texts.a?.n;
    if (sources.some((source, k) => source !== loaded[k])) {
      loaded = sources;
      const [a, aCodes, aScores, b, bCodes, bScores] = sources;
      texts = { a: unpack(a, aCodes, aScores) };
      if (b.tokens) texts.b = unpack(b, bCodes, bScores);
      [cache, held, asked] = [new Map(), new Map(), ""];
      if (texts.a.n !== before) state.view = wholeView(texts.a.n);
      if (still) holdAll(model.get("kept"), model.get("kept_codes"));
    }
    const opened = model.get("opened");
    if (!still && opened.sides && opened !== loaded.opened) hold(opened, model.get("opened_codes"));
    loaded.opened = opened;
  }

  function hold(opened, codes) {
    const key = `${opened.layer} ${opened.head}`, bytes = (sides) => Object.values(sides).reduce((sum, { codes: own }) => sum + own.length, 0);
    held.delete(key);
    held.set(key, unpackHead(opened, codes, { a: texts.a.n, b: texts.b?.n }));
    let total = [...held.values()].reduce((sum, sides) => sum + bytes(sides), 0);
    for (const [oldest, sides] of held) if (total > MOST_HELD && oldest !== key) { held.delete(oldest); total -= bytes(sides); }
    for (const made of cache.keys()) if (made.endsWith(" whole")) cache.delete(made); // differences of whole heads
    asked = "";
  }

  function holdAll(list, codes) {
    let at = codes.byteOffset;
    for (const opened of list) {
      const size = Object.values(opened.sides).reduce((sum, side) => sum + side.size, 0);
      hold(opened, new DataView(codes.buffer, at, size));
      at += size;
    }
  }

  let drawn = false;
  const refresh = () => {
    load();
    if (drawn) draw();
    performance.mark("llm-attention-updated");
  };
  const moved = () => { // Python, or another view of the same widget, has gone somewhere
    const now = model.get("place");
    const target = { layer: now.layer ?? null, head: now.head ?? null, token: now.token ?? null, way: now.way ?? state.way, heads: now.heads ?? state.heads, sort: now.sort ?? state.sort, show: now.show ?? state.show };
    if (Object.entries(target).some(([name, value]) => state[name] !== value)) { Object.assign(state, target); if (drawn) draw(); }
  };
  const names = [
    "a", "a_codes", "a_scores", "b", "b_codes", "b_scores", "opened", "opened_codes", "notes", "text", "text_b", "ablated", "how", "predictions",
    "continuation", "logprobs", "source",
  ];
  const stops = [follow(model, names, refresh), follow(model, ["place"], moved)];
  stops.push(followLooks(el, (clientWidth) => {
    width = Math.min(clientWidth - 8, 930);
    ctx.palette = patternPalette(el);
    draw();
    if (!drawn) performance.mark("llm-attention-drawn");
    drawn = true;
  }));
  let sticking = 0, tall = gridHeight(window.innerHeight);
  const resized = () => { if (gridHeight(window.innerHeight) !== tall && drawn) { tall = gridHeight(window.innerHeight); draw(); } };
  window.addEventListener("resize", resized);
  const scrolled = () => { sticking ||= requestAnimationFrame(() => { sticking = 0; stick(); }); };
  document.addEventListener("scroll", scrolled, { capture: true, passive: true });
  return [...stops, () => { cancelAnimationFrame(frame); document.removeEventListener("scroll", scrolled, { capture: true }); window.removeEventListener("resize", resized); }];
});
