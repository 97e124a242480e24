// Draws to scale how a measure is divided among the parts of the model.

import { element } from "../shared/shared.mjs";
import { BARS, divided, share } from "./data.mjs";

const NAMES = { embedding: "tables", attention: "attention", mlp: "MLPs", norm: "norms", output: "output table" };

/** Make a strip with a part for each kind of box, in the order in which the model computes them. */
export function scalePanel(ctx) {
  const total = element("span", { class: "llm-note", "data-text": true });
  const strip = element("div", { class: "llm-strip", role: "img" });
  const node = element("div", { class: "llm-to-scale" }, strip);

  function draw(width) {
    const { tree, context, dtype } = ctx.model();
    const { of, write, words } = BARS[ctx.state.bars];
    const whole = of(tree);
    const parts = divided(tree, of).filter(([, value]) => value);
    const shares = parts.map(([kind, value]) => `${NAMES[kind]} ${share(value, whole)}`);
    const measured = {
      parameters: words,
      flops: `${words} at ${context.toLocaleString("en")} tokens`,
      read: `of ${words} in ${dtype}`,
    };
    total.textContent = `To scale: ${write(whole)} ${measured[ctx.state.bars]}. The boxes are not to scale.`;
    strip.setAttribute("aria-label", `How the total is divided, to scale: ${shares.join(", ")}`);
    strip.replaceChildren(
      ...parts.map(([kind, value], k) => {
        const room = (value / whole) * width;
        const text = room > 7 * shares[k].length ? shares[k] : "";
        const part = element("span", {
          class: `llm-box llm-kind-${kind}`,
          title: shares[k],
          "data-text": Boolean(text),
        });
        part.textContent = text;
        part.style.flexGrow = value / whole;
        return part;
      }),
    );
  }
  return { node, total, draw };
}
