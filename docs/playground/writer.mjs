// The controls for a growing text: buttons to continue, stop or begin with an example, and a field for top-p.

import { element, follow } from "../../llmlib/widgets/shared/shared.mjs";
import { SETTINGS, settingField } from "../../llmlib/widgets/shared/settings.mjs";
import { widget } from "../../llmlib/widgets/shared/view.mjs";

const TOP_P = SETTINGS.find(({ name }) => name === "top_p");

export const writer = widget("llm-writer", ({ model, hub, el }) => {
  const button = (label, kind, details) =>
    element("button", { type: "button", "data-acts": true, onclick: () => hub.act(kind, details) }, label);
  const write = button("Continue", "write");
  const stop = button("Stop", "stop");
  const said = element("span", { class: "llm-note", role: "status" });
  const topP = settingField(TOP_P, hub, model);
  const examples = model.get("examples").map(({ name, text }) => button(name, "begin", { text }));
  el.append(
    element("div", { class: "llm-row" }, element("strong", {}, "Let the model write"), write, stop, said),
    element("div", { class: "llm-row" }, element("span", {}, "Begin with "), ...examples),
    topP.node,
    hub.line,
  );
  return follow(model, ["writing", "said", "settings"], () => {
    const writing = model.get("writing");
    write.disabled = writing;
    stop.disabled = !writing;
    said.textContent = model.get("said");
    topP.draw(model.get("settings"));
  });
});
