// Shows all heads at once, and one head enlarged.

import { bounded, roving, tabTo } from "../shared/keys.mjs";
import { element } from "../shared/shared.mjs";
import { inWords, orderHeads } from "./data.mjs";
import { lookSize, rankLayout, stepInGrid, tableLayout } from "./layout.mjs";
import { sized } from "../shared/canvas.mjs";
import { paint } from "./paint.mjs";
import { CHANGE, countInWords, headName, isFew, scoreInWords, SCORES } from "./words.mjs";

const nameOf = ({ layer, head }) => `${layer},${head}`;

/** Show all heads as thumbnails on one canvas, with a button over each thumbnail. */
export function gridPanel(ctx, side, alone) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const marks = element("div", { "aria-hidden": "true" });
  const numbers = element("div", { class: "llm-numbers", "aria-hidden": "true" });
  const cells = element("div", { role: "group" });
  const node = element("div", { class: "llm-grid" }, canvas, marks, cells, numbers);
  let made = "";
  let layout = null;
  let entries = [];
  let buttons = [];
  const at = (event) => buttons.indexOf(event.target.closest("button"));
  const over = (event) => {
    const k = at(event);
    if (k >= 0) ctx.previewHead(entries[k]);
  };
  const open = ({ layer, head }) => ctx.go({ layer, head, token: null });
  cells.addEventListener("pointerover", over);
  cells.addEventListener("focusin", over);
  cells.addEventListener("click", (event) => {
    const k = at(event);
    if (k < 0) return;
    if (ctx.state.press === "switch" && ctx.canSwitch()) ctx.toggle(entries[k]);
    else open(entries[k]);
  });
  roving(
    cells,
    () => buttons,
    (key, here) => stepInGrid(layout, here, key),
  );
  cells.addEventListener("keydown", (event) => {
    const k = at(event);
    if (k < 0 || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    if (event.key === " " && ctx.canSwitch()) ctx.toggle(entries[k]);
    else open(entries[k]);
  });
  cells.addEventListener("keyup", (event) => {
    if (event.key === " ") event.preventDefault();
  }); // otherwise Firefox would also click the button

  /** The grid's width, including the word after the heads' numbers. */
  const width = () => layout.width + (alone && !layout.large ? 32 : 0);

  function draw(room, height) {
    const { state } = ctx;
    const text = ctx.text(side === "d" ? "a" : side);
    const together = state.heads !== "each";
    const ranked = state.sort !== "layer";
    const all = Array.from({ length: text.layers * (together ? 1 : text.heads) }, (_, k) =>
      together ? { layer: k, head: state.heads } : { layer: Math.floor(k / text.heads), head: k % text.heads },
    );
    const scores = ranked ? ctx.scores(all, state.sort) : null;
    const order = ranked ? orderHeads(scores) : null;
    entries = order?.map((k) => all[k]) ?? all;
    layout = ranked
      ? rankLayout(all.length, room, height)
      : tableLayout(text.layers, together ? 1 : text.heads, room - (alone ? 32 : 0), height);
    paintAll();
    const captions = entries.map(({ layer, head }, k) => {
      if (!ranked) return { said: "" };
      const score = ctx.score(state.sort);
      const value = scores[order[k]];
      const name = typeof head === "number" ? `L${layer} H${head}` : `Layer ${layer}`;
      return {
        seen: `${name} · ${score.share ? inWords(value) : value.toFixed(1)}`,
        said: `, ${score.name} ${scoreInWords(score, value)}`,
      };
    });
    const wanted = JSON.stringify([layout.width, layout.height, entries, captions, ctx.count(state.sort)]);
    if (wanted !== made) {
      made = wanted;
      build(captions);
    }
    turn(captions);
  }

  function paintAll() {
    const ratio = sized(canvas, layout.width, layout.height);
    const context = canvas.getContext("2d");
    entries.forEach(({ layer, head }, k) => {
      const { x, y, thumb } = layout.place(k);
      const pattern = ctx.pattern(side, layer, head);
      paint(
        context,
        pattern,
        { x: 0, y: 0, w: pattern.n, h: pattern.n },
        Math.round(x * ratio),
        Math.round(y * ratio),
        Math.round(thumb * ratio),
        ctx.palette,
      );
    });
  }

  /** Build the buttons and labels; rebuild them only if they move or change, so that the keyboard focus is not lost. */
  function build(captions) {
    const held = cells.contains(document.activeElement) ? buttons.indexOf(document.activeElement) : -1;
    const few = isFew(ctx.count(ctx.state.sort));
    const label = (words, x, y, w, kind) => {
      const span = element("span", { class: `llm-mark ${kind}`, "data-text": true }, words);
      span.style.cssText = `left:${x}px;top:${y}px;width:${w}px`;
      return span;
    };
    buttons = entries.map(({ layer, head }, k) => {
      const { x, y, thumb } = layout.place(k);
      const button = element("button", { type: "button", class: "llm-thumb", "data-layer": layer, "data-head": head });
      button.style.cssText = `left:${x}px;top:${y}px;width:${thumb}px;height:${thumb}px`;
      return button;
    });
    cells.replaceChildren(...buttons);
    tabTo(buttons, buttons[bounded(held, buttons.length)]);
    if (layout.large) {
      const words = entries.slice(0, layout.large).map((_, k) => {
        const { x, y, thumb } = layout.place(k);
        return label(captions[k].seen, x, y + thumb + 1, thumb + 6, few ? "llm-caption llm-few" : "llm-caption");
      });
      marks.replaceChildren(
        ...words,
        ...(layout.others === null
          ? []
          : [
              label(
                `The other ${entries.length - layout.large} heads, in the same order:`,
                0,
                layout.others,
                layout.width,
                "llm-caption",
              ),
            ]),
      );
      numbers.replaceChildren();
    } else {
      marks.replaceChildren(
        ...layout.rows.map(({ y, thumb }, l) => label(l, 0, y + thumb / 2 - 9, layout.left - 6, "llm-beside")),
      );
      const {
        rows: [{ from, to, thumb }],
      } = layout;
      const heads =
        ctx.state.heads === "each"
          ? Array.from({ length: to - from }, (_, h) => label(h, layout.place(h).x, 0, thumb, "llm-above"))
          : [];
      numbers.replaceChildren(
        label("layer", 0, 0, layout.left, ""),
        ...heads,
        ...(alone && heads.length ? [label("head", layout.width + 4, 0, 30, "")] : []),
      );
    }
    numbers.hidden = layout.large > 0;
    numbers.style.width = `${layout.width}px`;
    Object.assign(node.style, { width: `${width()}px`, height: `${layout.height}px` });
    if (held >= 0) buttons[Math.min(held, buttons.length - 1)]?.focus();
  }

  /** Show which heads are off, and which head is enlarged. */
  function turn(captions) {
    const off = ctx.off();
    const count = ctx.count(ctx.state.sort);
    const words = isFew(count) ? `, on ${countInWords(count)} queries` : "";
    cells.setAttribute(
      "aria-label",
      `Heads. Arrow keys move between heads, Enter opens one${ctx.canSwitch() ? ", Space switches it on or off" : ""}.`,
    );
    buttons.forEach((button, k) => {
      const { layer, head } = entries[k];
      const isOff = off.has(nameOf(entries[k]));
      button.classList.toggle("llm-off", isOff);
      button.setAttribute(
        "aria-label",
        `${headName(layer, head)}${captions[k].said}${words}${isOff ? ", switched off" : ""}`,
      );
    });
    point();
  }

  function point() {
    const shown = nameOf(ctx.state.previewed);
    buttons.forEach((button, k) => button.classList.toggle("llm-shown", nameOf(entries[k]) === shown));
  }

  /** Keep the numbers of the heads visible, `edge` pixels below the top of the screen, while the page scrolls past the
   * grid. */
  function stick(edge) {
    const most = (layout?.height ?? 0) - 40;
    const down = Math.max(0, Math.min(most, Math.round(edge - node.getBoundingClientRect().top)));
    numbers.style.transform = down ? `translateY(${down}px)` : "";
  }
  const focusHead = (layer, head) => {
    const k = entries.findIndex((entry) => entry.layer === layer && entry.head === head);
    if (k >= 0) {
      tabTo(buttons, buttons[k]);
      buttons[k].focus({ preventScroll: true });
    }
  };
  return {
    node,
    draw,
    point,
    stick,
    focusHead,
    get width() {
      return width();
    },
    get height() {
      return layout.height;
    },
  };
}

/** Show one head enlarged, with its scores, beside the grid. */
export function previewPanel(ctx) {
  const canvas = element("canvas", { "aria-hidden": "true" });
  const title = element("strong", { "data-text": true });
  const off = element("span", { class: "llm-isoff", "data-text": true });
  const list = element("table", { class: "llm-scores" });
  const node = element(
    "div",
    { class: "llm-preview", role: "group", "aria-label": "The head under the pointer" },
    element("div", {}, title, " ", off),
    element("div", { class: "llm-look" }, canvas, list),
  );
  let size = 220;
  function draw(panel) {
    if (panel) size = lookSize(panel);
    const { layer, head } = ctx.state.previewed;
    const ratio = sized(canvas, size, size);
    const side = ctx.sideShown();
    const pattern = ctx.pattern(side, layer, head);
    title.textContent = headName(layer, head);
    off.textContent = ctx.off().has(`${layer},${head}`) ? "switched off" : "";
    paint(
      canvas.getContext("2d"),
      pattern,
      { x: 0, y: 0, w: pattern.n, h: pattern.n },
      0,
      0,
      Math.round(size * ratio),
      ctx.palette,
    );
    const of = (one) => ctx.scoresOf(one, layer, head);
    const sides = side === "d" ? ["a", "b"] : [side];
    const values = sides.map(of);
    const cell = (words, few = false) => element("td", { "data-text": true, class: few ? "llm-few" : false }, words);
    const row = (name, text, words, count) =>
      element(
        "tr",
        {},
        element("th", { scope: "row", title: text, "data-text": true }, name),
        cell(words),
        cell(countInWords(count), isFew(count)),
      );
    const rows = Object.entries(SCORES).map(([key, score]) => {
      const count = Math.min(...sides.map((one) => ctx.counts(one)[key]));
      const written = values
        .map((scores) => (score.share ? inWords(scores[key]) : scores[key].toFixed(scores[key] < 9.95 ? 2 : 1)))
        .join(" → ");
      return row(
        score.unit ? `${score.name} (${score.unit})` : score.name,
        score.text,
        count === 0 ? "–" : written,
        count,
      );
    });
    if (side === "d")
      rows.unshift(
        row(
          ctx.change().name,
          ctx.change().text,
          scoreInWords(CHANGE, ctx.moved(layer, head)),
          ctx.counts("a").entropy,
        ),
      );
    const headings = ["head score", "", "queries"].map((words) =>
      words ? element("th", { scope: "col", "data-text": true }, words) : element("td", {}),
    );
    list.replaceChildren(element("thead", {}, element("tr", {}, ...headings)), element("tbody", {}, ...rows));
  }
  return { node, draw, point: () => draw() };
}
