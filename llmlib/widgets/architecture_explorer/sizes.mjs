// The sizes of the model to change, and what it costs then.

import { element } from "../shared/shared.mjs";
import { choice } from "../shared/controls.mjs";
import { following } from "../shared/view.mjs";
import { counted, fromSlider, inShort, ratio, SIZE_WORDS, toSlider } from "./data.mjs";

export function sizesPanel(ctx, hub, model) {
  const models = element("div", { class: "llm-row llm-models" }), problem = element("p", { class: "llm-problem", role: "status" });
  const totals = element("dl", { class: "llm-totals" });
  const fields = Object.entries(SIZE_WORDS).map(([name, words]) => {
    const number = element("input", { type: "number", min: 1, step: 1, "aria-label": `${words}, exactly`, "data-acts": true });
    const slider = element("input", { type: "range", min: 0, max: 1000, step: 1, "aria-label": words, "data-acts": true });
    const act = (value) => hub.act("size", { name, value }, { latest: `size ${name}` });
    number.addEventListener("input", () => { if (number.value !== "" && Number.isFinite(number.valueAsNumber)) act(Math.round(number.valueAsNumber)); });
    slider.addEventListener("input", () => { const value = fromSlider(name, Number(slider.value), model.get("sizes")); number.value = value; slider.setAttribute("aria-valuetext", String(value)); act(value); });
    const typed = following(number, () => String(model.get("sizes")[name]));
    return { name, number, slider, typed, node: element("div", { class: "llm-size" }, element("span", { "aria-hidden": "true" }, words), number, slider) };
  });
  const grid = element("div", { class: "llm-sizes", role: "group", "aria-label": "Sizes of the model" }, ...fields.map(({ node }) => node));
  const node = element("div", { class: "llm-costs", role: "group", "aria-label": "Sizes and costs" }, models, grid, problem, totals);
  let first = null, named = "";

  function draw(width) {
    grid.classList.toggle("llm-wide", width >= 880);
    const sizes = model.get("sizes"), chosen = model.get("chosen"), names = model.get("models"), now = ctx.model().totals, changed = ctx.model().title !== chosen;
    if (named !== JSON.stringify([names, chosen])) {
      named = JSON.stringify([names, chosen]);
      const held = models.contains(document.activeElement);
      models.replaceChildren(choice("Model", names.map((name) => [name, name]), chosen, (name) => hub.act("model", { name })));
      for (const input of models.querySelectorAll("input")) input.dataset.acts = "";
      if (held) models.querySelector("input:checked")?.focus();
    }
    if (!changed) first = { chosen, totals: now };
    for (const { name, number, slider, typed } of fields) {
      typed.follow();
      if (document.activeElement !== slider) slider.value = toSlider(name, sizes[name]);
      slider.setAttribute("aria-valuetext", String(sizes[name]));
    }
    problem.replaceChildren(...(model.get("problem") ? [element("strong", {}, "No such model. "), model.get("problem"), " Shown is the last one that there was."] : []));
    totals.classList.toggle("llm-stale", Boolean(model.get("problem")));
    const base = first?.chosen === chosen ? first.totals : null;
    const figure = (words, name, unit, note) => element("div", {}, element("dt", {}, words), element("dd", {}, element("strong", { "data-text": true }, unit ? inShort(now[name], unit) : counted(now[name])), element("span", { class: "llm-ratio" }, base ? ratio(now[name], base[name]) : ""), element("span", { class: "llm-note" }, note)));
    totals.replaceChildren(
      figure("Parameters", "parameters", "", now.parameters.toLocaleString("en")),
      figure("Weights", "weight_bytes", "B", `in ${ctx.model().dtype}`),
      figure("KV cache", "cache_bytes", "B", `of ${ctx.contextShown().toLocaleString("en")} tokens`),
      figure("Forward", "forward_flops", "FLOPs", "a token, full context"),
      figure("Training", "training_flops", "FLOPs", "a token: three times"));
  }
  return { node, draw };
}
