// Lets readers ask questions about the story, and shows the tuned model's answers.

import { element, follow } from "../../llmlib/widgets/shared/shared.mjs";
import { textBox, widget } from "../../llmlib/widgets/shared/view.mjs";

export const asker = widget("llm-asker", ({ model, hub, el }) => {
  const ask = (text) => hub.act("ask", { text });
  const question = textBox({
    label: "Your question",
    button: "Ask",
    rows: 1,
    use: ask,
    used: () => model.get("question"),
  });
  const some = model
    .get("examples")
    .map((words) => element("button", { type: "button", "data-acts": true, onclick: () => ask(words) }, words));
  const forget = element(
    "button",
    { type: "button", "data-acts": true, onclick: () => hub.act("forget") },
    "Forget all",
  );
  const turns = element("dl", { "aria-live": "polite" });
  el.append(
    question.node,
    element("div", { class: "llm-row" }, element("span", {}, "Or ask "), ...some),
    hub.line,
    turns,
    element("div", { class: "llm-row" }, forget),
  );
  return follow(model, ["turns", "question", "answering"], () => {
    question.follow();
    const said = model.get("turns");
    forget.hidden = !said.length;
    turns.hidden = !said.length;
    turns.setAttribute("aria-busy", String(model.get("answering")));
    turns.replaceChildren(
      ...said.flatMap((turn) => [
        element("dt", {}, element("bdi", {}, turn.question)),
        element("dd", {}, element("bdi", {}, turn.answer)),
        element(
          "dd",
          { class: "llm-note", hidden: !turn.untuned },
          "The model without tuning just continues the text: ",
          element("bdi", {}, `${turn.untuned} …`),
        ),
      ]),
    );
  });
});
