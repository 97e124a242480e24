import { widget } from "../shared/view.mjs";
import { runBoard } from "../shared/runs/board.mjs";
import { comparedPanel } from "./compared.mjs";
import { METRICS, nearestStep, numbersOf } from "./data.mjs";
import { groupPanel } from "./group.mjs";

export default widget("llm-alignment", ({ model, hub, el }) => {
  let group = null;
  return runBoard(
    { model, hub, el },
    {
      name: "alignment",
      lead:
        "Watch the reward rise, and see how the model changes. KL measures how far the model has moved from the " +
        "reference; entropy measures how uncertain the model still is. Click a step to read the answers at that step.",
      metrics: METRICS,
      solid: "training reward",
      state: { at: null, of: null, prompt: null, question: 0 },
      traits: ["groups", "compared"],
      numbersOf,
      runOf: (about) => ({ dashed: about.measures }),
      panels(ctx) {
        group = groupPanel(ctx, () => model.get("groups"));
        return { inside: [], below: [group, comparedPanel(ctx, () => model.get("compared"))] };
      },
      mark(ctx) {
        const run = group.run();
        return run && ctx.state.at !== null ? { x: ctx.placeOf(run, group.step()), words: "answers" } : null;
      },
      pick(ctx, x) {
        const run = group.run();
        if (!run) return;
        const steps = group.steps();
        const at = nearestStep(steps, ctx.stepAt(run, x));
        ctx.go({ at: at === steps.at(-1) ? null : at });
      },
    },
  );
});
