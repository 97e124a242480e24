// The text so far, each token coloured by how much it surprised the model, and buttons to continue or go back.

import { element, visibleToken } from "../shared/shared.mjs";
import { surpriseLegend } from "../shared/surprise.mjs";
import { pathTo } from "./data.mjs";
import { tokenBox } from "./tokens.mjs";

const SHOWN = 240; // how many characters of a long prompt are shown
const AT_THE_END = {
  "end token": "The model has ended its text here. ",
  constraint: "The text matches the whole pattern: only the end token may follow. ",
};
const NO_TEXT = { constraint: "The pattern allows no text at all: only the end token may follow." };

export function textPart(ctx) {
  let path = [];
  const text = tokenBox(
    ctx,
    "The text so far, token by token. Arrow keys move between tokens" +
      (ctx.live ? "; Enter goes back to the selected one" : ""),
    (k) => ctx.act("go", { node: path[k] }),
  );
  const legend = element("div", { class: "llm-note" });
  const shown = element("bdi", { class: "llm-prompt" });
  const count = element("span", { class: "llm-note llm-count" });
  const button = (words, hint, act) =>
    element("button", { type: "button", title: hint, "data-acts": true, onclick: act }, words);
  const run = button("Keep writing", "Let chance pick one token after another, until you pause", () =>
    ctx.toggle("step"),
  );
  const back = button("◀ Back", "Remove the last token; its branch is kept", () => ctx.act("back"));
  const home = button("Go to prompt", "Go back to the prompt; all branches are kept", () => ctx.act("go", { node: 0 }));
  const tools = element(
    "div",
    { class: "llm-row llm-tools" },
    button("Let chance pick", "Draw the next token from these probabilities", () => ctx.act("step")),
    run,
    back,
    home,
    count,
  );
  const node = element("div", { role: "group", "aria-label": "Your text" }, text.node, legend, tools);
  /** If something has been written or is being written, enable the buttons that go back. */
  function drawButtons() {
    run.textContent = ctx.writing() === "step" ? "❚❚ Pause" : "Keep writing";
    back.disabled = home.disabled = !path.length && !ctx.waiting();
  }
  function draw() {
    const tree = ctx.tree();
    const prompt = ctx.prompt();
    const short = prompt.length > SHOWN ? `…${Array.from(prompt).slice(-SHOWN).join("")}` : prompt;
    path = pathTo(tree, ctx.at());
    shown.textContent = short.trim() ? short : visibleToken(short); // a prompt of only spaces would look empty
    text.show(
      path.map((one) => ({ text: ctx.word(tree.ids[one]), logProb: tree.logProbs[one] })),
      [[short, shown]],
    );
    const whole = ctx.promptTokens() + path.length;
    const [used, room] = [whole, ctx.context()].map((n) => n.toLocaleString("en"));
    count.textContent = `${path.length} written, ${used} of ${room} tokens in the context`;
    const invitation = ctx.live
      ? "Nothing has been written yet: let chance pick a token, or click one below."
      : "Nothing has been written yet.";
    legend.replaceChildren(
      ...(path.length
        ? [element("strong", {}, AT_THE_END[ctx.ended()] ?? ""), surpriseLegend(ctx.colour)]
        : [NO_TEXT[ctx.ended()] ?? invitation]),
    );
    drawButtons();
  }
  return { node, draw, drawButtons };
}
