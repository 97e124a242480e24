// Controls around the patterns: where the user is, which run is shown, and how it is shown.

import { element, shorten, visibleToken } from "../shared/shared.mjs";
import { choice, renew } from "../shared/controls.mjs";
import { seenTokens, wholeView } from "./layout.mjs";
import { placeName, SCORES } from "./words.mjs";

function dropdown(label, options, chosen, choose) {
  const select = element("select", { "aria-label": label });
  select.append(...options.map(([value, words]) => element("option", { value }, words)));
  select.value = chosen;
  select.addEventListener("change", () => choose(select.value));
  return element("label", { class: "llm-dropdown" }, element("span", {}, label), select);
}

/** Show the path "All heads › Layer 3, head 2 › ·sat", with buttons for the previous and next head or layer. */
export function crumbsPanel(ctx, toGrid) {
  const node = element("div", { class: "llm-crumbs", role: "group", "aria-label": "Where you are" });
  const link = (words, action, current) =>
    current
      ? element("span", { "aria-current": "page", "data-text": true }, words)
      : element("button", { type: "button", onclick: action }, words);

  const turn = (step) => () => {
    const { state } = ctx;
    const { layers, heads } = ctx.text("a");
    const byHead = typeof state.head === "number" && state.drawn === "head";
    const total = byHead ? layers * heads : layers;
    const from = byHead ? state.layer * heads + state.head : state.layer;
    const to = (from + step + total) % total;
    ctx.go(byHead ? { layer: Math.floor(to / heads), head: to % heads } : { layer: to });
    node.querySelector(step < 0 ? ".llm-back" : ".llm-forth")?.focus();
  };

  function draw() {
    const { state } = ctx;
    const parts = [link("All heads", toGrid, state.layer === null)];
    if (state.layer !== null) {
      const what = state.drawn === "head" ? "head" : "layer";
      parts.push(link(placeName(state), () => ctx.go({ token: null }), state.token === null));
      const token = ctx.shownText().tokens[state.token];
      if (state.token !== null) parts.push(link(shorten(visibleToken(token), 16), null, true));
      const button = (name, label, step, sign) =>
        element("button", { type: "button", class: name, "aria-label": label, onclick: turn(step) }, sign);
      parts.push(
        element(
          "span",
          { class: "llm-turns" },
          button("llm-back", `Previous ${what}`, -1, "‹"),
          button("llm-forth", `Next ${what}`, 1, "›"),
        ),
      );
    }
    renew(node, parts);
  }
  return { node, draw };
}

/** Let the user choose between two runs. If the second may come later, its space is reserved, so that nothing moves. */
export function runsPanel(ctx, mayCome) {
  const node = element("div", { class: mayCome ? "llm-runs llm-kept" : "llm-runs" });
  function draw() {
    const b = ctx.text("b");
    const a = ctx.text("a");
    const options = [["a", a.title]];
    if (b) options.push(["b", b.title]);
    if (ctx.comparable()) options.push(["difference", `${b.title} − ${a.title}`]);
    options.push(["both", "side by side"]);
    renew(node, b ? [choice("Which run", options, ctx.state.show, (show) => ctx.go({ show }))] : []);
  }
  return { node, draw };
}

/** Let the user choose how a run is shown: the order of the grid, or a head's reading direction and zoom. */
export function toolsPanel(ctx) {
  const node = element("div", { class: "llm-row llm-tools" });
  const zoomed = element("span", { class: "llm-zoomed", role: "status" });
  const go = (name) => (value) => ctx.go({ [name]: value });

  function ofGrid() {
    const { state } = ctx;
    const orders = Object.entries(SCORES).map(([key, { name }]) => [key, `by ${name}`]);
    const together = [
      ["each", "one by one"],
      ["mean", "layer mean"],
      ["max", "layer maximum"],
    ];
    const difference = ctx.comparable() ? [["difference", "by difference"]] : [];
    return [
      dropdown("Heads", together, state.heads, go("heads")),
      dropdown("Order", [["layer", "by layer"], ...difference, ...orders], state.sort, go("sort")),
    ];
  }

  function ofHead() {
    const { state } = ctx;
    const parts = [];
    if (!ctx.isLong())
      parts.push(
        choice(
          "What is drawn",
          [
            ["head", "one head"],
            ["layer", "all heads in the layer"],
          ],
          state.drawn,
          go("drawn"),
        ),
      );
    const ways = [
      ["from", "where a token looks"],
      ["to", "what looks at it"],
    ];
    parts.push(choice("Reading direction", ways, state.way, go("way")));
    if (state.drawn === "layer") return parts;
    const zoom = (factor) => () => ctx.zoom(factor);
    const all = () => {
      state.view = wholeView(ctx.pattern(ctx.sideShown(), state.layer, state.head).n);
      ctx.redrawHeat();
    };
    const button = (words, title, onclick, more = {}) =>
      element("button", { type: "button", title, onclick, ...more }, words);
    return [
      ...parts,
      element(
        "span",
        { class: "llm-buttons" },
        button("+", "Zoom in (+, or Ctrl and mouse wheel)", zoom(1.5), { "aria-label": "Zoom in" }),
        button("−", "Zoom out (−)", zoom(1 / 1.5), { "aria-label": "Zoom out" }),
        button("All", "Show the whole text (0)", all, { class: "llm-whole" }),
      ),
      zoomed,
    ];
  }

  /** Say which part of the text is visible, if only a part is. */
  function drawZoom() {
    const {
      view: { x, y, span },
      layer,
      drawn,
    } = ctx.state;
    const range = (from) => seenTokens(from, span).join("–");
    const part = layer !== null && drawn === "head" && ctx.whole() && span < ctx.shownText().n;
    const words = part ? `Zoomed in: queries ${range(y)}, keys ${range(x)} (press 0 to show all)` : "";
    if (zoomed.textContent !== words) zoomed.textContent = words;
    node.querySelector(".llm-whole")?.classList.toggle("llm-back-out", part);
  }

  function draw() {
    renew(node, ctx.state.layer === null ? ofGrid() : ofHead());
    drawZoom();
  }
  return { node, draw, drawZoom };
}

/** Draw a control on the board: the choice of what a click does to a head or, for an open head, its switch. */
export function drawSwitch(box, ctx, toggle) {
  const { state } = ctx;
  const parts = [];
  if (state.layer === null && state.heads === "each") {
    const press = choice(
      "What a click does",
      [
        ["open", "opens a head"],
        ["switch", "switches it off"],
      ],
      state.press,
      (value) => ctx.go({ press: value }),
    );
    for (const input of press.querySelectorAll("input")) input.dataset.acts = "";
    parts.push(element("span", { class: "llm-dropdown" }, element("span", {}, "A click"), press));
  } else if (state.layer !== null && typeof state.head === "number") {
    const off = ctx.off().has(`${state.layer},${state.head}`);
    const words = `Switch this head ${off ? "on" : "off"}`;
    const button = element("button", { type: "button", "aria-pressed": String(off), "data-acts": true }, words);
    button.addEventListener("click", () => toggle(state.layer, state.head));
    parts.push(button);
  }
  renew(box, parts);
}
