// Shows what the model writes, with a slider that goes back to earlier steps.

import { element } from "../shared/shared.mjs";
import { sampleAt, stepsOfSamples } from "./data.mjs";

export function samplePanel(ctx) {
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Training step to show" });
  const when = element("span", { class: "llm-note" });
  const newest = element("button", { type: "button", onclick: () => ctx.go({ sample: null }) }, "Newest");
  const texts = element("div", { class: "llm-written" });
  const boxes = [];
  const title = element("span", { class: "llm-title" }, "What the model writes");
  const node = element(
    "div",
    { class: "llm-samples", role: "group", "aria-label": "What the model writes" },
    element("div", { class: "llm-row" }, title, slider, when, newest),
    texts,
  );
  slider.addEventListener("input", () => {
    const steps = known();
    const at = Number(slider.value);
    ctx.go({ sample: at === steps.length - 1 ? null : steps[at] });
  });
  const known = () =>
    stepsOfSamples(
      ctx.samples(),
      ctx.shownRuns().map(({ number }) => number),
    );

  function box() {
    const head = element("div", { class: "llm-note", dir: "auto" });
    const text = element("div", { class: "llm-text", tabindex: 0, role: "group", dir: "auto" });
    return { node: element("div", {}, head, text), head, text };
  }

  function draw() {
    const steps = known();
    const step = ctx.sampleStep();
    node.hidden = !steps.length;
    if (node.hidden) return;
    const at = steps.indexOf(step);
    const several = ctx.runs.length > 1;
    const words = `after step ${step.toLocaleString("en")}`;
    slider.max = steps.length - 1;
    slider.value = at;
    slider.setAttribute("aria-valuetext", words);
    slider.disabled = steps.length < 2;
    when.textContent =
      ctx.state.sample === null
        ? `${words}, the newest of ${steps.length} saved steps`
        : `${words}, number ${at + 1} of ${steps.length} saved steps`;
    newest.setAttribute("aria-pressed", String(ctx.state.sample === null));
    const found = ctx
      .shownRuns()
      .map((run) => ({ run, sample: sampleAt(ctx.samples(), run.number, step) }))
      .filter(({ sample }) => sample);
    while (boxes.length < found.length) boxes.push(box());
    if (texts.children.length !== found.length)
      texts.replaceChildren(...boxes.slice(0, found.length).map((one) => one.node));
    found.forEach(({ run, sample }, k) => {
      const { head, text } = boxes[k];
      head.hidden = !several;
      head.textContent = `${run.about.name}, after step ${sample[1].toLocaleString("en")}`;
      if (text.textContent !== sample[2]) text.textContent = sample[2];
      text.setAttribute("aria-label", `${several ? `${run.about.name}, ` : ""}${words}`);
    });
  }
  return { node, draw };
}
