import { element, follow, keepKeys, saveMenu } from "../shared/shared.mjs";

/** What the box holds once a message has come back to it: the message, then what was typed meanwhile. */
export function withReturned(returned, typed) {
  return [returned, typed].filter(Boolean).join("\n");
}

function render({ model, el }) {
  const still = Boolean(model.get("_standalone"));
  const log = element("div", { class: "llm-log", role: "log", "aria-live": "polite", "aria-label": "Conversation" });
  const notice = element("div", { class: "llm-notice", role: "status" });
  const input = element("textarea", { rows: 2, "aria-label": "Your message", placeholder: "Ask something", disabled: still });
  const send = element("button", { type: "button", disabled: still }, "Send");
  const stopButton = element("button", { type: "button" }, "Stop");
  const clear = element("button", { type: "button", disabled: still, onclick: () => ask({ kind: "clear" }) }, "Start over");

  const ask = (request) => {
    model.set("request", { ...request, number: (model.get("request")?.number ?? 0) + 1 });
    model.save_changes();
  };
  const submit = () => {
    const text = input.value.trim();
    if (!text || model.get("answering")) return;
    ask({ kind: "message", text });
    input.value = "";
  };
  send.addEventListener("click", submit);
  stopButton.addEventListener("click", () => ask({ kind: "stop" }));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); submit(); }
  });

  el.classList.add("llm", "llm-chat");
  keepKeys(el);
  el.append(log, notice, element("div", { class: "llm-row" }, input, send, stopButton, clear, still ? "" : saveMenu(model, "conversation")));

  const updateLog = () => {
    log.replaceChildren(...model.get("messages").map(({ role, content }) =>
      element("div", { class: `llm-message llm-${role === "user" ? "user" : "model"}` },
        element("span", { class: "llm-who" }, role === "user" ? "You" : model.get("name")),
        element("div", { class: "llm-said" }, content || "…"))));
    log.scrollTop = log.scrollHeight;
    log.setAttribute("aria-busy", String(model.get("answering")));
    stopButton.disabled = !model.get("answering");
    send.disabled = still || model.get("answering");
  };
  const stops = [
    follow(model, ["messages", "answering"], updateLog),
    follow(model, ["notice"], () => { notice.textContent = model.get("notice") ?? ""; }),
    follow(model, ["returned"], () => { if (model.get("returned")) input.value = withReturned(model.get("returned"), input.value); }),
  ];
  return () => stops.forEach((stop) => stop());
}

export default { render };
