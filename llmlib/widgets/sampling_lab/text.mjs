// The text so far, each token coloured by how much it surprised the model, and what writes it on or takes it back.

import { element, inReadingOrder } from "../shared/shared.mjs";
import { surpriseLegend, surprising } from "../shared/surprise.mjs";
import { pathTo } from "./data.mjs";

const SHOWN = 240; // characters of a long prompt

export function textPart(ctx, hub) {
  const text = element("div", { class: "llm-text", role: "group", tabindex: 0, "aria-label": "The text so far, token by token" }), legend = element("div", { class: "llm-note" });
  const count = element("span", { class: "llm-note llm-count" }), runner = ctx.runner("step", () => drawButtons());
  const button = (words, hint, act) => element("button", { type: "button", title: hint, "data-acts": true, onclick: act }, words);
  const run = button("Keep writing", "Let chance pick one token after the other, until you pause", () => runner.toggle());
  const back = button("◀ Back", "Take the last token back; its branch is kept", () => ctx.act("back")), home = button("To the prompt", "Go back to the prompt; all branches are kept", () => ctx.act("go", { node: 0 }));
  const tools = element("div", { class: "llm-row llm-tools" }, button("Let chance pick", "Draw the next token from these probabilities", () => ctx.act("step")), run, back, home, count);
  const node = element("div", { role: "group", "aria-label": "Your text" }, text, legend, tools);
  function drawButtons() {
    run.textContent = runner.running ? "❚❚ Pause" : "Keep writing";
  }
  function draw() {
    const tree = ctx.tree(), path = pathTo(tree, ctx.at()), prompt = ctx.prompt(), short = prompt.length > SHOWN ? `…${Array.from(prompt).slice(-SHOWN).join("")}` : prompt;
    const tokens = path.map((one) => ctx.word(tree.ids[one]));
    text.replaceChildren();
    const nodes = path.map((one, k) => surprising(ctx.colour, tokens[k], tree.logProbs[one], { onclick: () => ctx.act("go", { node: one }) }));
    inReadingOrder(text, [short, ...tokens], [element("bdi", { class: "llm-prompt" }, short), ...nodes]);
    text.scrollTop = text.scrollHeight; // it grows at its end
    const whole = ctx.promptTokens() + path.length;
    count.textContent = `${path.length} written, ${whole.toLocaleString("en")} of ${ctx.context().toLocaleString("en")} tokens in the context`;
    legend.replaceChildren(...(path.length ? [element("strong", {}, { "end token": "The model has ended its text here. ", constraint: "This is a whole match of the pattern. " }[ctx.ended()] ?? ""), surpriseLegend(ctx.colour)] : ["Nothing is written yet: let chance pick a token, or click one below."]));
    drawButtons();
  }
  return { node, draw, stop: () => runner.stop() };
}
