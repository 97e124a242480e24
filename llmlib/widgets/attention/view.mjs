import { element, follow, followLooks, oncePerFrame, saveMenu } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";
import { pictureOf } from "../shared/canvas.mjs";
import { textPanel } from "../shared/controls.mjs";
import { awayPanel } from "./away.mjs";
import { boardPanel } from "./board.mjs";
import { crumbsPanel, runsPanel, toolsPanel } from "./chrome.mjs";
import { previewPanel } from "./grid.mjs";
import { viewWidth, wholeView } from "./layout.mjs";
import { patternPalette } from "./paint.mjs";
import { movesOf, readout } from "./moves.mjs";
import { legendPanel } from "./panels.mjs";
import { patternsFrom } from "./patterns.mjs";
import { stagePanel } from "./stage.mjs";
import { goTo, settle, stateOf } from "./state.mjs";
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

/** Call `resized` when the window's height changes, and `scrolled` at most once per frame while the page scrolls. */
function followScreen({ resized, scrolled }) {
  let tall = window.innerHeight;
  const onResize = () => {
    if (window.innerHeight === tall) return;
    tall = window.innerHeight;
    resized();
  };
  const onScroll = oncePerFrame(scrolled);
  window.addEventListener("resize", onResize);
  document.addEventListener("scroll", onScroll, { capture: true, passive: true });
  return () => {
    onScroll.stop();
    document.removeEventListener("scroll", onScroll, { capture: true });
    window.removeEventListener("resize", onResize);
  };
}

export default widget("llm-attention", ({ model, hub, el, still }) => {
  const state = stateOf(model.get("place"));
  const patterns = patternsFrom(model, state, still);
  let width = 930;
  let drawn = false;
  const later = oncePerFrame(() => {
    stage.point();
    if (state.layer !== null) reading.textContent = readout(patterns, state);
  });

  // The values and functions that panels can use, including the patterns.
  const ctx = {
    ...patterns,
    ...movesOf(state, patterns, hub, { draw, point: later, speak: (words) => ctx.speak(words) }),
    state,
    palette: null,
    off: () => board?.off() ?? new Set(model.get("ablated").map(String)),
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
    speak(words) {
      spoken.textContent = words;
    },
  };

  const hasBoard = still ? model.get("predictions").length > 0 : hub.live;
  const board = hasBoard ? boardPanel(ctx, hub, model, () => draw()) : null;
  const texting = hub.live ? textPanel(hub, model) : null;
  const ordered = element("p", { class: "llm-order", role: "status" });
  const reading = element("div", { class: "llm-reading", "aria-hidden": "true" });
  const away = awayPanel(ctx, hub);
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const help = element("p", { class: "llm-guide" });
  const notes = element("ul", { class: "llm-notes" });
  const legend = legendPanel(ctx);
  const look = previewPanel(ctx);
  const crumbs = crumbsPanel(ctx, toGrid);
  const tools = toolsPanel(ctx);
  const runs = runsPanel(ctx, hub.live);
  const stage = stagePanel(ctx, { look, legend, board, ordered, reading, away: away.node });
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

  function draw() {
    settle(state, patterns.texts(), ctx.comparable());
    el.dataset.tokens = ctx.text("a").n;
    away.draw();
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
    reading.textContent = readout(patterns, state);
    notes.replaceChildren(...model.get("notes").map((note) => element("li", {}, note)));
    notes.hidden = model.get("notes").length === 0;
  }

  const refresh = () => {
    const { fresh, another } = patterns.load();
    if (another) state.view = wholeView(ctx.text("a").n);
    if (fresh) away.forget();
    if (drawn) draw();
    performance.mark("llm-attention-updated");
  };
  const moved = () => {
    if (goTo(state, model.get("place")) && drawn) draw();
  }; // Python or another view has changed `place`
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
  stops.push(
    followScreen({
      resized: () => drawn && draw(),
      scrolled: () => stage.stick(),
    }),
  );
  return [...stops, later.stop];
});
