import { element, follow, followLooks, saveMenu, shorten, spokenToken, visibleToken } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";
import { pictureOf } from "../shared/canvas.mjs";
import { textPanel } from "../shared/controls.mjs";
import { boardPanel } from "./board.mjs";
import { crumbsPanel, runsPanel, toolsPanel } from "./chrome.mjs";
import { inWords, weightAt } from "./data.mjs";
import { previewPanel } from "./grid.mjs";
import { viewWidth, wholeView } from "./layout.mjs";
import { patternPalette } from "./paint.mjs";
import { legendPanel } from "./panels.mjs";
import { patternsFrom } from "./patterns.mjs";
import { stagePanel } from "./stage.mjs";
import { goTo, placeOf, settle, stateOf } from "./state.mjs";
import { guide, headName, isFew, orderInWords, titleLines } from "./words.mjs";

const TRAITS = [
  "a",
  "a_codes",
  "a_scores",
  "b",
  "b_codes",
  "b_scores",
  "opened",
  "opened_codes",
  "notes",
  "text",
  "text_b",
  "ablated",
  "how",
  "predictions",
  "continuation",
  "logprobs",
  "source",
];

export default widget("llm-attention", ({ model, hub, el, still }) => {
  const state = stateOf(model.get("place"));
  const patterns = patternsFrom(model, state, still);
  let frame = 0;
  let width = 930;
  let drawn = false;
  let asked = "";

  // What the panels may know and do, besides the patterns.
  const ctx = {
    ...patterns,
    state,
    palette: null,
    off: () => board?.off() ?? new Set(model.get("ablated").map(String)),
    /** The token that is kept, or else the one pointed at. */
    focus: () => state.token ?? state.pointed,
    wayShown: () => (state.token === null ? state.pointedWay : null) ?? state.way,
    previewHead(head) {
      state.previewed = head;
      later();
    },
    previewToken(token, way = null, aloud = false) {
      if (state.pointed === token && state.pointedWay === way && !state.cell) return;
      Object.assign(state, { pointed: token, pointedWay: way, cell: null });
      if (aloud && token !== null) ctx.speak(spokenToken(ctx.shownText().tokens[token]));
      later();
    },
    previewCell(cell, aloud = false) {
      if (String(cell) === String(state.cell)) return;
      Object.assign(state, { cell, pointed: cell ? cell[state.way === "from" ? 0 : 1] : null, pointedWay: null });
      if (aloud) ctx.speak(readout(spokenToken));
      later();
    },
    lock(token, way = state.way) {
      const same = state.token === token && state.way === way;
      ctx.go({ token: same ? null : token, way });
      ctx.speak(same ? "No token kept" : `Kept ${spokenToken(ctx.shownText().tokens[token])}`);
    },
    redrawHeat() {
      stage.redrawHeat();
      tools.drawZoom();
    },
    zoom: (factor) => stage.zoom(factor),
    canSwitch: () => Boolean(board) && hub.live && !still && !hub.gone && state.heads === "each",
    toggle({ layer, head }) {
      board.toggle(layer, head);
      ctx.speak(`${headName(layer, head)}, switched ${ctx.off().has(`${layer},${head}`) ? "off" : "on"}`);
    },
    go(changes) {
      Object.assign(state, changes);
      hub.look({ place: placeOf(state) });
      draw();
    },
    speak(words) {
      spoken.textContent = words;
    },
  };

  const hasBoard = still ? model.get("predictions").length > 0 : hub.live;
  const board = hasBoard ? boardPanel(ctx, hub, model, () => draw()) : null;
  const texting = hub.live ? textPanel(hub, model) : null;
  const ordered = element("p", { class: "llm-order", role: "status" });
  const reading = element("div", { class: "llm-reading", "aria-hidden": "true" });
  const away = element("div", { class: "llm-away llm-note", role: "status" });
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const help = element("p", { class: "llm-guide" });
  const notes = element("ul", { class: "llm-notes" });
  const legend = legendPanel(ctx);
  const look = previewPanel(ctx);
  const crumbs = crumbsPanel(ctx, toGrid);
  const tools = toolsPanel(ctx);
  const runs = runsPanel(ctx, hub.live);
  const stage = stagePanel(ctx, { look, legend, board, ordered, reading, away });
  const picture = element("div", { class: "llm-scene" }, stage.node);
  const titles = element("div", { class: "llm-titles" });
  const lines = () => titleLines(state, patterns.texts(), model.get("source"));
  const menu = saveMenu(model, "attention", () =>
    pictureOf(picture, ctx.palette.paper, { lines: lines(), ink: ctx.palette.ink }),
  );
  const heading = element("div", { class: "llm-row llm-head" }, crumbs.node, runs.node, menu);
  el.append(still ? titles : "", texting?.node ?? "", hub.line, heading, help, notes, tools.node, picture, spoken);

  picture.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || state.layer === null) return;
    if (state.token !== null) ctx.go({ token: null });
    else toGrid();
  });

  function toGrid() {
    const { layer, head } = state;
    ctx.go({ layer: null, head: null, token: null, cell: null, pointed: null, previewed: { layer, head } });
    stage.focusHead(layer, head);
  }

  /** "·sat (5) looks at ·cat (2): 43%", of the cell pointed at. */
  function readout(write = (token) => shorten(visibleToken(token), 24)) {
    if (!state.cell) return "";
    const [i, j] = state.cell;
    const of = (side) => ctx.pattern(side, state.layer, state.head);
    const { a, b } = patterns.texts();
    const { tokens } = ctx.shownText();
    const two = state.show === "both" || state.show === "difference";
    if (i >= tokens.length || j >= tokens.length) return "";
    const value = (side) => (i < of(side).n && j < of(side).n ? inWords(weightAt(of(side), i, j), side === "d") : "–");
    const change = () => (ctx.comparable() ? ` (${value("d")})` : "");
    const weights = two ? `${a.title} ${value("a")}, ${b.title} ${value("b")}${change()}` : value(ctx.sideShown());
    return `${write(tokens[i])} (${i}) looks at ${write(tokens[j])} (${j}): ${weights}`;
  }

  function later() {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      stage.point();
      if (state.layer !== null) reading.textContent = readout();
    });
  }

  /** A head of a long text that is not here whole: ask for it, or say which ones are. */
  function fetchHead() {
    const { layer, head } = state;
    const wanted = `${layer} ${head}`;
    if (hub.live && !hub.gone) {
      away.replaceChildren("Fetching this head …");
      if (asked !== wanted) hub.act("open", { layer, head }, { latest: "open" });
      asked = wanted;
      return;
    }
    const here = patterns.wholeOnes();
    const go = (one) => () => ctx.go({ ...one, token: null });
    const words = here.length ? "Whole are here: " : "None is here whole.";
    away.replaceChildren(
      `Only a thumbnail of this head is here: the text is long, and whole heads come from Python. ${words}`,
      ...here.map((one) => element("button", { type: "button", onclick: go(one) }, headName(one.layer, one.head))),
    );
  }

  function draw() {
    settle(state, patterns.texts(), ctx.comparable());
    el.dataset.tokens = ctx.text("a").n;
    if (state.layer === null || patterns.whole()) asked = "";
    else fetchHead();
    crumbs.draw();
    runs.draw();
    tools.draw();
    help.textContent = guide(state, ctx.canSwitch());
    titles.replaceChildren(...lines().map((line, k) => element(k ? "div" : "strong", {}, line)));
    texting?.draw();
    board?.draw();
    const count = ctx.count(state.sort);
    const ranked = state.layer === null && state.sort !== "layer";
    ordered.textContent = ranked ? orderInWords(ctx.score(state.sort), count) : "";
    ordered.classList.toggle("llm-few", isFew(count));
    stage.draw(width);
    legend.draw();
    reading.textContent = readout();
    notes.replaceChildren(...model.get("notes").map((note) => element("li", {}, note)));
    notes.hidden = model.get("notes").length === 0;
  }

  const refresh = () => {
    const { fresh, another } = patterns.load();
    if (another) state.view = wholeView(ctx.text("a").n);
    if (fresh) asked = "";
    if (drawn) draw();
    performance.mark("llm-attention-updated");
  };
  const moved = () => {
    if (goTo(state, model.get("place")) && drawn) draw();
  }; // Python has, or another view
  const stops = [follow(model, TRAITS, refresh), follow(model, ["place"], moved)];
  stops.push(
    followLooks(el, (cell) => {
      width = viewWidth(cell);
      ctx.palette = patternPalette(el);
      draw();
      if (!drawn) performance.mark("llm-attention-drawn");
      drawn = true;
    }),
  );
  let sticking = 0;
  let tall = window.innerHeight;
  const resized = () => {
    if (window.innerHeight === tall || !drawn) return;
    tall = window.innerHeight;
    draw();
  };
  const scrolled = () => {
    sticking ||= requestAnimationFrame(() => {
      sticking = 0;
      stage.stick();
    });
  };
  window.addEventListener("resize", resized);
  document.addEventListener("scroll", scrolled, { capture: true, passive: true });
  return [
    ...stops,
    () => {
      cancelAnimationFrame(frame);
      document.removeEventListener("scroll", scrolled, { capture: true });
      window.removeEventListener("resize", resized);
    },
  ];
});
