import { element, follow, saveMenu, wellFormed } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";

/** What the box holds once a message has come back to it: the message, then what was typed meanwhile. */
export function withReturned(returned, typed) {
  return [returned, typed].filter(Boolean).join("\n");
}

export default widget("llm-chat", ({ model, hub, el, still }) => {
  const log = element("div", { class: "llm-log", role: "log", "aria-live": "polite", "aria-label": "Conversation" });
  const input = element("textarea", { rows: 2, "aria-label": "Your message", placeholder: "Ask something", dir: "auto", "data-acts": true });
  const send = element("button", { type: "button", "data-acts": true }, "Send");
  const stopButton = element("button", { type: "button", "data-acts": true, onclick: () => hub.act("stop") }, "Stop");
  const clear = element("button", { type: "button", "data-acts": true, onclick: () => hub.act("clear") }, "Start over");

  const submit = async () => {
    const text = wellFormed(input.value.trim());
    if (!text || model.get("answering") || input.readOnly) return;
    input.value = "";
    if (!(await hub.act("message", { text }))) input.value = withReturned(text, input.value);
  };
  send.addEventListener("click", submit);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
  });
  el.append(log, hub.line, element("div", { class: "llm-row" }, input, send, stopButton, clear, still ? "" : saveMenu(model, "conversation")));

  const updateLog = () => {
    log.replaceChildren(...model.get("messages").map(({ role, content }) =>
      element("div", { class: `llm-message llm-${role === "user" ? "user" : "model"}` },
        element("span", { class: "llm-who" }, role === "user" ? "You" : model.get("name")),
        element("div", { class: "llm-said", dir: "auto" }, content || "…"))));
    log.scrollTop = log.scrollHeight;
    const answering = model.get("answering");
    log.setAttribute("aria-busy", String(answering));
    stopButton.disabled = !answering;
    send.disabled = answering;
  };
  hub.whenGone(() => { // nobody will answer the last question any more
    const last = model.get("messages").at(-1);
    if (model.get("answering") && last?.role === "user") input.value = withReturned(last.content, input.value);
    log.setAttribute("aria-busy", "false");
  });
  return [
    follow(model, ["messages", "answering", "name"], updateLog),
    follow(model, ["returned"], () => { if (model.get("returned")) input.value = withReturned(model.get("returned"), input.value); }),
  ];
});
