// Shows each model's answer to the same prompt, side by side.

import { element } from "../shared/shared.mjs";
import { brief, gist } from "./data.mjs";

/** Make the panel that compares models. `compared()` returns the prompts, the models, and their answers and rewards. */
export function comparedPanel(ctx, compared) {
  const list = element("select", { "aria-label": "Compare answers to this prompt" });
  const prompt = element("div", {
    class: "llm-prompt",
    tabindex: 0,
    role: "group",
    "aria-label": "Prompt",
    dir: "auto",
  });
  const columns = element("div", { class: "llm-columns" });
  const title = element("span", { class: "llm-title" }, "Side by side");
  const note = element("span", { class: "llm-note" }, "how each model answers the same prompt");
  const node = element(
    "div",
    { class: "llm-compared", role: "group", "aria-label": "Models side by side" },
    element("div", { class: "llm-row" }, title, note),
    element("div", { class: "llm-row" }, list),
    prompt,
    columns,
  );
  let listed = null;
  let shown = null;
  list.addEventListener("change", () => ctx.go({ question: list.selectedIndex }));

  function column(name, answer, reward) {
    const head = element("div", {}, element("strong", { dir: "auto" }, name));
    if (reward !== undefined) head.append(element("span", { class: "llm-note" }, ` reward ${brief(reward)}`));
    const text = answer === "" ? element("em", {}, "(empty)") : answer;
    const label = `Answer from ${name}`;
    const box = element(
      "div",
      { class: "llm-text", tabindex: 0, role: "group", "aria-label": label, dir: "auto" },
      text,
    );
    return element("div", { class: "llm-column" }, head, box);
  }

  function draw() {
    const now = compared();
    node.hidden = !now.prompts?.length;
    if (node.hidden) return;
    const which = Math.min(ctx.state.question, now.prompts.length - 1);
    if (listed !== now) {
      const options = now.prompts.map((words, k) => element("option", {}, `${k + 1}. ${gist(words)}`));
      list.replaceChildren(...options);
    }
    if (listed === now && shown === which) return;
    [listed, shown] = [now, which];
    list.selectedIndex = which;
    prompt.textContent = now.prompts[which];
    prompt.scrollTop = prompt.scrollHeight; // show the end, where the question is
    columns.replaceChildren(...now.models.map((name, k) => column(name, now.answers[k][which], now.rewards[k][which])));
  }
  return { node, draw };
}
