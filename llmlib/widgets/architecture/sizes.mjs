// Shows the model's sizes, which the user can change, and the resulting costs.

import { element } from "../shared/shared.mjs";
import { choice } from "../shared/controls.mjs";
import { following } from "../shared/view.mjs";
import { counted, fromSlider, inShort, ratio, SIZE_WORDS, toSlider } from "./data.mjs";

export function sizesPanel(ctx, hub, model) {
  const models = element("div", { class: "llm-models" });
  const problem = element("p", { class: "llm-problem", role: "status" });
  const totals = element("dl", { class: "llm-totals" });
  const fields = Object.entries(SIZE_WORDS).map(([name, words]) => {
    const acts = { step: 1, "data-acts": true };
    const number = element("input", { type: "number", min: 1, "aria-label": `${words}, as a number`, ...acts });
    const slider = element("input", { type: "range", min: 0, max: 1000, "aria-label": words, ...acts });
    const act = (value) => hub.act("size", { name, value }, { latest: `size ${name}` });
    number.addEventListener("input", () => {
      if (number.value !== "" && Number.isFinite(number.valueAsNumber)) act(Math.round(number.valueAsNumber));
    });
    slider.addEventListener("input", () => {
      const value = fromSlider(name, Number(slider.value), model.get("sizes"));
      number.value = value;
      slider.setAttribute("aria-valuetext", String(value));
      act(value);
    });
    const typed = following(number, () => String(model.get("sizes")[name]));
    const title = element("span", { "aria-hidden": "true" }, words);
    return { name, number, slider, typed, node: element("div", { class: "llm-size" }, title, number, slider) };
  });
  const group = (name, words, ...parts) =>
    element("div", { class: name, role: "group", "aria-label": words }, ...parts);
  const grid = group("llm-sizes", "Sizes of the model", ...fields.map((field) => field.node));
  const node = group("llm-costs", "Sizes and costs", totals, grid, problem);
  let first = null;
  let named = "";
  // the model that the user chose last, until Python answers; answers to earlier choices are ignored
  let wanted = null;

  async function want(name) {
    wanted = name;
    await hub.act("model", { name }, { latest: "model" });
    if (wanted !== name) return;
    wanted = null;
    ctx.redraw();
  }

  /** Draw this panel in its own column beside the map, or below the map and as wide as the view. */
  function draw(width, ownColumn) {
    grid.classList.toggle("llm-wide", width >= 880 && !ownColumn);
    const sizes = model.get("sizes");
    const chosen = model.get("chosen");
    const names = model.get("models");
    const now = ctx.model().totals;
    const changed = ctx.model().title !== chosen;
    if (wanted === null && named !== JSON.stringify([names, chosen])) {
      named = JSON.stringify([names, chosen]);
      const held = models.contains(document.activeElement);
      const options = names.map((name) => [name, name]);
      models.replaceChildren(choice("Model", options, chosen, want));
      for (const input of models.querySelectorAll("input")) input.dataset.acts = "";
      if (held) models.querySelector("input:checked")?.focus();
    }
    if (!changed) first = { chosen, totals: now };
    for (const { name, slider, typed } of fields) {
      typed.follow();
      if (document.activeElement !== slider) slider.value = toSlider(name, sizes[name]);
      slider.setAttribute("aria-valuetext", String(sizes[name]));
    }
    const explanation = [model.get("problem"), " The view still shows the last valid model."];
    problem.replaceChildren(
      ...(explanation[0] ? [element("strong", {}, "These sizes do not fit together. "), ...explanation] : []),
    );
    totals.classList.toggle("llm-stale", Boolean(model.get("problem")));
    const base = first?.chosen === chosen ? first.totals : null;
    const { context, dtype } = ctx.model();
    const tokens = `${context.toLocaleString("en")} tokens`;
    const figure = (words, name, unit, note) =>
      element(
        "div",
        {},
        element("dt", {}, words),
        element(
          "dd",
          {},
          element("strong", { "data-text": true }, unit ? inShort(now[name], unit) : counted(now[name])),
          element("span", { class: "llm-ratio" }, base ? ratio(now[name], base[name]) : ""),
          element("span", { class: "llm-note" }, note),
        ),
      );
    totals.replaceChildren(
      figure("Parameters", "parameters", "", now.parameters.toLocaleString("en")),
      figure("Weights", "weight_bytes", "B", `in ${dtype}`),
      figure("KV cache", "cache_bytes", "B", `at ${tokens} in ${dtype}`),
      figure("Forward", "forward_flops", "FLOPs", `per token that attends to ${tokens}`),
      figure("Training", "training_flops", "FLOPs", `per token that attends to ${tokens}`),
    );
  }
  return { node, models, draw };
}
