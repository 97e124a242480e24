// The model as boxes within boxes: one layer opened for all, beside the line of the residual stream.

import { element } from "../shared/shared.mjs";
import { BARS, share } from "./data.mjs";

// Which boxes stand beside each other; others follow one by one.
const ROWS = {
  attention: [["attention_norm"], ["query", "key", "value"], ["scores", "→", "pattern", "→", "mix"], ["output"]],
  mlp: [["mlp_norm"], ["gate", "up", "→", "activation", "→", "down"]],
};

export function mapPanel(ctx) {
  const node = element("div", { class: "llm-model", role: "group", "aria-label": "The model, from the first box to the last" });
  const buttons = new Map();
  const strip = element("div", { class: "llm-stack", "aria-hidden": "true" }), slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Which layer" });
  const which = element("output", { class: "llm-which" });
  let drawn = null;

  slider.addEventListener("input", () => ctx.go({ layer: Number(slider.value) }));
  strip.addEventListener("click", (event) => { const at = [...strip.children].indexOf(event.target); if (at >= 0) ctx.go({ layer: at }); });

  function button(box, className = "llm-box") {
    const value = element("span", { class: "llm-cost", "data-text": true }), bar = element("span", { class: "llm-bar" });
    const one = element("button", { type: "button", class: `${className} llm-kind-${box.kind}`, onclick: () => ctx.open(box.id) },
      element("span", { class: "llm-title", "data-text": true }, box.title), value, element("span", { class: "llm-share", "aria-hidden": "true" }, bar));
    buttons.set(box.id, { one, value, bar, box });
    return one;
  }

  function group(box) {
    const known = ROWS[box.id] ?? [], others = box.boxes.filter(({ id }) => !known.flat().includes(id)).map(({ id }) => [id]);
    const inside = (id) => box.boxes.find((one) => one.id === id), arrow = () => element("span", { class: "llm-arrow", "aria-hidden": "true" }, "→");
    const rows = [...known, ...others].map((ids) => ids.filter((id) => id === "→" || inside(id))).filter((ids) => ids.length);
    return element("div", { class: `llm-box llm-group llm-reads llm-kind-${box.kind}` }, button(box, "llm-heading"),
      ...rows.map((ids) => element("div", { class: ids.length > 1 ? "llm-boxes" : "llm-alone" }, ...ids.map((id) => (id === "→" ? arrow() : button(inside(id)))))));
  }

  function layer(box) {
    const inside = box.boxes.map((one) => (one.kind === "stream" ? element("div", { class: "llm-add" }, button(one, "llm-plus")) : group(one)));
    return element("div", { class: "llm-box llm-group llm-layer" }, button(box, "llm-heading"),
      element("div", { class: "llm-choose" }, strip, element("div", { class: "llm-row" }, slider, which)), ...inside);
  }

  function build(tree) {
    buttons.clear();
    strip.replaceChildren();
    node.replaceChildren(element("div", { class: "llm-stream llm-bar", "aria-hidden": "true" }), ...tree.boxes.map((box) => (box.boxes.length ? layer(box) : button(box))));
    const { repeat } = tree.boxes.find(({ id }) => id === "layer") ?? { repeat: 1 };
    slider.max = repeat - 1;
    strip.append(...Array.from({ length: Math.min(repeat, 160) }, () => element("span", {})));
  }

  function draw() {
    const { tree } = ctx.model(), { of, write } = BARS[ctx.state.bars], whole = of(tree), held = [...buttons].find(([, { one }]) => one === document.activeElement)?.[0];
    if (drawn !== tree) {
      drawn = tree;
      build(tree);
      if (held) (buttons.get(held) ?? [...buttons.values()][0]).one.focus({ preventScroll: true });
    }
    for (const [id, { one, value, bar, box }] of buttons) {
      const all = of(box) * ctx.boxes().get(id).copies, costs = box.kind === "stream" ? "" : all ? `${write(all)} · ${share(all, whole)}` : "";
      const title = id === "layer" ? `${box.repeat} × layer` : box.title;
      one.querySelector(".llm-title").textContent = title;
      value.textContent = costs;
      value.hidden = !costs;
      bar.style.width = `${whole ? Math.max(all ? 0.6 : 0, (100 * all) / whole) : 0}%`;
      one.setAttribute("aria-pressed", String(ctx.state.box === id));
    }
    const { layer } = ctx.state, repeat = Number(slider.max) + 1;
    if (document.activeElement !== slider || Number(slider.value) !== layer) slider.value = layer;
    slider.setAttribute("aria-valuetext", `layer ${layer} of ${repeat}`);
    which.textContent = `Opened: layer ${layer} (0 to ${repeat - 1})`;
    [...strip.children].forEach((one, k) => one.classList.toggle("llm-here", k === layer));
  }
  /** Put what tells of the open box right under it: where there is no room beside the map. */
  function hold(panel) {
    const one = buttons.get(ctx.state.box)?.one, row = one?.closest(".llm-boxes, .llm-alone, .llm-add") ?? one;
    if (row ? row.nextSibling === panel : node.firstChild === panel) return;
    if (row) row.after(panel); else node.prepend(panel);
  }
  return { node, draw, hold, focus: (id) => buttons.get(id)?.one.focus() };
}
