import { element, follow, followLooks, oncePerFrame, saveMenu } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";
import { choice, renew } from "../shared/controls.mjs";
import { paletteOf, pictureOf } from "../shared/canvas.mjs";
import {
  countsAt,
  GROUPS,
  groupWords,
  nearestOf,
  scoreText,
  thresholdAt,
  tickFor,
  tradeInWords,
  unpackScores,
} from "./data.mjs";
import { histogram } from "./histogram.mjs";
import { tradePanels } from "./trade.mjs";

const WIDEST = 944;
const GAP = 20; // in pixels: the maximum width of the view, and the gap between small charts
const CHART = 250; // the minimum width of a small chart, in pixels
const LISTED = 20; // at most this many texts near the threshold are listed

export default widget("llm-threshold", ({ model, hub, el }) => {
  const state = { score: 0, threshold: 0, group: "kept_wrong", ...model.get("place") };
  let drawn = false;
  let listed = "";

  // The values and functions that panels can use.
  const ctx = {
    state,
    scores: [],
    names: [],
    palette: null,
    score: () => ctx.scores[state.score],
    go(changes) {
      Object.assign(state, changes);
      hub.look({ place: { ...state } });
      later();
    },
  };
  const later = oncePerFrame(() => drawn && redraw());

  const ways = element("span", { class: "llm-row llm-ways" });
  const headline = element("div", { class: "llm-headline" });
  const answers = histogram(ctx);
  const tiles = element("div", { class: "llm-tiles" });
  const trade = tradePanels(ctx);
  const scene = element("div", { class: "llm-scene" }, answers.node, tiles, trade.node);
  const title = element("span", { class: "llm-title" });
  const list = element("ol", {});
  const listing = element(
    "div",
    { class: "llm-listing", tabindex: 0, role: "group", "aria-label": "Answers near the threshold" },
    list,
  );
  const texts = element("div", { class: "llm-texts-near", role: "group", "aria-label": "Texts" }, title, listing);
  const menu = saveMenu(model, "threshold", () =>
    pictureOf(scene, ctx.palette.paper, { lines: linesOf(), ink: ctx.palette.ink }),
  );
  const lead = element(
    "p",
    { class: "llm-note llm-lead" },
    "Drag the line. Answers whose score reaches the line are let through, and all other answers are withheld. " +
      "A higher threshold lets fewer mistakes through, but it also loses more good answers.",
  );
  el.append(element("div", { class: "llm-row llm-head" }, lead, menu), hub.line, ways, headline, scene, texts);

  const counts = () => countsAt(ctx.score(), state.threshold);
  const linesOf = () => [tradeInWords(ctx.score(), state.threshold, counts(), ctx.names)];

  function load() {
    const about = model.get("about");
    ctx.names = about.names;
    ctx.scores = unpackScores(about, model.get("data"));
    const names = ctx.scores.map(({ name }, k) => [k, name]);
    ways.hidden = names.length < 2;
    const other = (to) => {
      // let through as many answers as before, so that users can compare two scores
      const { kept } = counts();
      state.score = to;
      ctx.go({ threshold: thresholdAt(ctx.score(), tickFor(ctx.score(), kept)) });
    };
    renew(ways, [
      element("span", { class: "llm-note", "aria-hidden": "true" }, "score"),
      choice("Which score", names, state.score, other),
    ]);
    const hasTexts = model.get("texts").length > 0;
    texts.hidden = !hasTexts;
    tiles.replaceChildren(...GROUPS.map((group) => tile(group, hasTexts)));
    if (hasTexts) {
      tiles.setAttribute("role", "radiogroup");
      tiles.setAttribute("aria-label", "Which answers to list");
    }
  }

  const radios = `llm-${Math.random().toString(36).slice(2)}`;
  /** Make the tile of one group; if there are texts, users can click on the tile to list the texts of this group. */
  function tile(group, chooses) {
    const kind = group.endsWith("right") ? "llm-yes" : "llm-no";
    const look = `llm-tile ${kind} ${group.startsWith("kept") ? "llm-kept" : "llm-lost"}`;
    const face = element(
      "span",
      { class: "llm-face llm-box" },
      ...["llm-count", "llm-words", "llm-of"].map((part) => element("span", { class: part, "data-text": true })),
    );
    if (!chooses) return element("div", { class: look, "data-group": group }, face);
    const input = element("input", { type: "radio", name: radios, value: group });
    input.checked = group === state.group;
    input.addEventListener("change", () => ctx.go({ group }));
    return element("label", { class: look, "data-group": group }, input, face);
  }

  function drawTiles(now) {
    for (const node of tiles.children) {
      const { count, words, of } = groupWords(node.dataset.group, now, ctx.names);
      const face = node.lastChild;
      [count, words, of].forEach((text, k) => {
        if (face.children[k].textContent !== text) face.children[k].textContent = text;
      });
      const input = node.querySelector("input");
      if (input) input.checked = node.dataset.group === state.group;
    }
  }

  function drawTexts(now) {
    if (texts.hidden) return;
    const score = ctx.score();
    const found = nearestOf(score, now.kept, state.group, LISTED);
    const { count, words } = groupWords(state.group, now, ctx.names);
    const fewer = now[state.group] > found.length ? `; below are the ${found.length} nearest to the threshold` : "";
    title.textContent = `${words}: ${count}${fewer}`;
    const key = `${state.score} ${found.join()}`;
    if (key === listed) return; // keep the user's selection and scrolling
    listed = key;
    const all = model.get("texts");
    list.replaceChildren(
      ...found.map((answer) => {
        const text = all[answer];
        return element(
          "li",
          {},
          element("span", { class: "llm-value" }, scoreText(Number(score.values[answer].toPrecision(3)))),
          text === "" ? element("em", { class: "llm-note" }, "(empty)") : element("bdi", {}, text),
        );
      }),
    );
    if (!found.length) list.replaceChildren(element("li", {}, element("em", { class: "llm-note" }, "(none)")));
    listing.scrollTop = 0;
  }

  function draw() {
    const now = counts();
    headline.textContent = tradeInWords(ctx.score(), state.threshold, now, ctx.names);
    answers.draw();
    drawTiles(now);
    trade.draw(each());
    drawTexts(now);
    const chosen = ways.querySelector(`input[value="${state.score}"]`);
    if (chosen) chosen.checked = true;
  }
  const widthNow = () => Math.min(el.clientWidth - 8, WIDEST);
  const each = () => {
    const across = Math.max(1, Math.min(3, Math.floor((widthNow() + GAP) / (CHART + GAP))));
    return Math.floor((widthNow() - (across - 1) * GAP) / across);
  };
  let laid = "";
  function redraw() {
    const key = `${state.score} ${widthNow()}`;
    if (key !== laid) answers.lay(widthNow());
    laid = key;
    draw();
  }

  const refresh = () => {
    load();
    laid = "";
    if (drawn) redraw();
  };
  const moved = () => {
    // this runs when the user has changed something in another view of the same widget
    const now = model.get("place");
    if (Object.entries(now).every(([name, value]) => state[name] === value)) return;
    Object.assign(state, now);
    later();
  };
  return [
    follow(model, ["about", "data", "texts"], refresh),
    follow(model, ["place"], moved),
    followLooks(el, () => {
      const named = (name) => getComputedStyle(el).getPropertyValue(name).trim();
      ctx.palette = { ...paletteOf(el), line: named("--llm-line"), warm: named("--llm-warm") };
      drawn = true;
      laid = "";
      redraw();
    }),
    later.stop,
  ];
});
