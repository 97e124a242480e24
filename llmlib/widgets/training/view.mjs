import { widget } from "../shared/view.mjs";
import { runBoard } from "../shared/runs/board.mjs";
import { METRICS, numbersOf, sampleAt, stepsOfSamples } from "./data.mjs";
import { insidePanel } from "./inside.mjs";
import { samplePanel } from "./samples.mjs";
import { unpackInside } from "./sizes.mjs";

export default widget("llm-training", ({ model, hub, el }) => {
  let packed = null;
  let looks = [];
  const insideOf = (number) => {
    if (packed !== model.get("inside")) looks = unpackInside((packed = model.get("inside")));
    return looks[number];
  };
  const numbersOfShown = (ctx) => ctx.shownRuns().map(({ number }) => number);

  return runBoard(
    { model, hub, el },
    {
      name: "training",
      lead:
        "Watch the loss fall: the lower it is, the better the model predicts the next token. " +
        "Point at a curve to read its values; drag across steps to zoom in.",
      metrics: METRICS,
      solid: "training",
      state: { sample: null, kind: "updates", of: null, group: null }, // the last three choose what insidePanel shows
      traits: ["inside", "samples"],
      numbersOf,
      runOf: (_, number) => ({ dashed: ["validation"], inside: insideOf(number) }),
      panels(ctx) {
        Object.assign(ctx, {
          samples: () => model.get("samples"),
          /** Return the step of the sample that is shown: the newest step, unless the user has gone back. */
          sampleStep() {
            const steps = stepsOfSamples(ctx.samples(), numbersOfShown(ctx));
            const { sample } = ctx.state;
            return sample === null ? steps.at(-1) : (steps.findLast((step) => step <= sample) ?? steps[0]);
          },
        });
        return { inside: [insidePanel(ctx)], below: [samplePanel(ctx)] };
      },
      /** Return the loss of a model for which all tokens are equally likely. */
      rule(shown) {
        const value = shown.find(({ about }) => about.guess)?.about.guess;
        return value ? { value, words: "all tokens equally likely" } : null;
      },
      mark(ctx) {
        if (ctx.state.sample === null) return null;
        const step = ctx.sampleStep();
        const run = ctx.shownRuns().find(({ number }) => sampleAt(ctx.samples(), number, step)?.[1] === step);
        return run ? { x: ctx.placeOf(run, step), words: "sample" } : null;
      },
    },
  );
});
