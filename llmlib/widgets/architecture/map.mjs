// Shows the model as nested boxes: one opened layer that stands for all layers, and the line of the residual stream.

import { element, howMany, isolated, percent, shorten, visibleToken } from "../shared/shared.mjs";
import { BARS, share } from "./data.mjs";

// Boxes that stand side by side; all other boxes get a row of their own.
const ROWS = {
  model: [["embed", "positions"], ["layer"], ["final_norm", "→", "unembed"]],
  attention: [
    ["attention_norm", "→", "query", "key", "value"],
    ["scores", "→", "pattern", "→", "mix", "→", "output"],
  ],
  mlp: [["mlp_norm", "→", "gate", "up", "→", "activation", "→", "down"]],
};

/** Arrange the boxes of a group in rows, as in `ROWS`: lists of boxes, with arrows between them. */
export function inRows(box) {
  const known = ROWS[box.id] ?? [];
  const inside = (id) => box.boxes.find((one) => one.id === id);
  const others = box.boxes.filter(({ id }) => !known.flat().includes(id)).map(({ id }) => [id]);
  const rows = [...known, ...others].map((ids) => ids.map((id) => (id === "→" ? id : inside(id))).filter(Boolean));
  const between = (one, k, row) => one !== "→" || (row[k - 1]?.id && row.slice(k + 1).some(({ id }) => id));
  return rows.map((row) => row.filter(between)).filter((row) => row.length);
}

export function mapPanel(ctx) {
  const name = "The model, from the first box to the last";
  const node = element("div", { class: "llm-model", role: "group", "aria-label": name });
  const buttons = new Map();
  const ends = { text: element("div", { class: "llm-end" }), next: element("div", { class: "llm-end" }) };
  const strip = element("div", { class: "llm-stack", "aria-hidden": "true" });
  const which = element("output", { class: "llm-which" });
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Layer" });
  let drawn = null;

  slider.addEventListener("input", () => ctx.go({ layer: Number(slider.value) }));
  strip.addEventListener("click", (event) => {
    const at = [...strip.children].indexOf(event.target);
    if (at >= 0) ctx.go({ layer: at });
  });

  function button(box, className = "llm-box") {
    const value = element("span", { class: "llm-cost", "data-text": true });
    const title = element("span", { class: "llm-title", "data-text": true }, box.title);
    const one = element("button", { type: "button", class: `${className} llm-kind-${box.kind}` }, title, value);
    one.addEventListener("click", () => ctx.open(box.id));
    buttons.set(box.id, { one, value, box });
    return one;
  }

  const row = (boxes) =>
    element(
      "div",
      { class: boxes.length > 1 ? "llm-boxes" : "llm-alone" },
      ...boxes.map((box) =>
        box === "→" ? element("span", { class: "llm-arrow", "aria-hidden": "true" }, "→") : button(box),
      ),
    );
  const group = (box) =>
    element(
      "div",
      { class: `llm-box llm-group llm-reads llm-kind-${box.kind}` },
      button(box, "llm-heading"),
      ...inRows(box).map(row),
    );

  function layer(box) {
    const inside = box.boxes.map((one) =>
      one.kind === "stream" ? element("div", { class: "llm-add" }, button(one, "llm-plus")) : group(one),
    );
    return element(
      "div",
      { class: "llm-box llm-group llm-layer" },
      button(box, "llm-heading"),
      element("div", { class: "llm-choose" }, strip, slider, which),
      ...inside,
    );
  }

  function build(tree) {
    buttons.clear();
    strip.replaceChildren();
    const inside = inRows(tree).map((boxes) => (boxes[0].boxes?.length ? layer(boxes[0]) : row(boxes)));
    const stream = element("div", { class: "llm-stream llm-bar", "aria-hidden": "true" });
    node.replaceChildren(stream, ends.text, ...inside, ends.next);
    const { repeat } = tree.boxes.find(({ id }) => id === "layer") ?? { repeat: 1 };
    slider.max = repeat - 1;
    strip.append(...Array.from({ length: Math.min(repeat, 160) }, () => element("span", {})));
  }

  /** Draw the user's text at the start of the model, and the likeliest next token at the end. */
  function drawEnds() {
    const tokens = ctx.tokens();
    const [likeliest] = ctx.tour().next ?? [];
    ends.text.hidden = !tokens.length;
    ends.next.hidden = !likeliest || likeliest.p === null;
    const shown = tokens.slice(-8).map((token) => element("code", {}, isolated(shorten(visibleToken(token), 10))));
    const words = `Your text, ${howMany(tokens.length, "token")}:`;
    const before = tokens.length > shown.length ? "…" : "";
    ends.text.replaceChildren(element("strong", { "data-text": true }, words), before, ...shown);
    if (!ends.next.hidden)
      ends.next.replaceChildren(
        element("strong", { "data-text": true }, "Next token:"),
        element("code", {}, isolated(shorten(visibleToken(likeliest.token), 14))),
        percent(likeliest.p),
      );
  }

  /** Mark the box that the tour is explaining. */
  function mark() {
    const at = ctx.station()?.box;
    const nodes = [...Object.entries(ends), ...[...buttons].map(([id, { one }]) => [id, one])];
    for (const [id, one] of nodes) {
      one.classList.toggle("llm-station", id === at);
      if (id === at) one.setAttribute("aria-current", "step");
      else one.removeAttribute("aria-current");
    }
  }

  function draw() {
    const { tree } = ctx.model();
    const { of, write } = BARS[ctx.state.bars];
    const whole = of(tree);
    const held = [...buttons].find(([, { one }]) => one === document.activeElement)?.[0];
    if (drawn !== tree) {
      drawn = tree;
      build(tree);
      if (held) (buttons.get(held) ?? [...buttons.values()][0]).one.focus({ preventScroll: true });
    }
    for (const [id, { one, value, box }] of buttons) {
      const all = of(box) * ctx.boxes().get(id).copies;
      const small = one.closest(".llm-group .llm-boxes");
      const part = share(all, whole);
      const shareText = small ? part : `${write(all)} · ${part}`;
      const costs = box.kind === "stream" || !all ? "" : shareText;
      one.querySelector(".llm-title").textContent = id === "layer" ? `${box.repeat} × layer` : box.title;
      value.textContent = costs;
      value.hidden = !costs;
      one.setAttribute("aria-pressed", String(ctx.state.tab !== "tour" && ctx.state.box === id));
    }
    const { layer: at } = ctx.state;
    const repeat = Number(slider.max) + 1;
    if (document.activeElement !== slider || Number(slider.value) !== at) slider.value = at;
    slider.setAttribute("aria-valuetext", `layer ${at} of ${repeat}`);
    which.textContent = `layer ${at} (0 to ${repeat - 1})`;
    [...strip.children].forEach((one, k) => one.classList.toggle("llm-here", k === at));
    drawEnds();
    mark();
  }

  /** Put the details of the open box right under this box, if there is no room beside the map. */
  function hold(panel) {
    const one = buttons.get(ctx.state.box)?.one;
    const place = one?.closest(".llm-boxes, .llm-alone, .llm-add") ?? one;
    if (place ? place.nextSibling === panel : node.firstChild === panel) return;
    if (place) place.after(panel);
    else node.prepend(panel);
  }
  return { node, draw, hold };
}
