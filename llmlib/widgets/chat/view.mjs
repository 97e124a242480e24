import { ownText } from "../shared/drafts.mjs";
import { download, element, follow, followLooks, howMany, saveMenu, wellFormed } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";
import { surpriseColours } from "../shared/surprise.mjs";
import { asJsonLines, turnsOf, unpackReadings, withReturned } from "./data.mjs";
import { comparisonPart, setupPart } from "./setup.mjs";
import { turnPart } from "./turn.mjs";

const NEAR = 40; // a log scrolled to within this many pixels of its end keeps showing the newest messages

export default widget("llm-chat", ({ model, hub, el }) => {
  const log = element("div", {
    class: "llm-log",
    role: "log",
    "aria-live": "polite",
    "aria-label": "Conversation",
    tabindex: 0,
  });
  const input = element("textarea", {
    rows: 2,
    "aria-label": "Your message",
    placeholder: "Ask something",
    dir: "auto",
    "data-acts": true,
  });
  ownText(input);
  const send = element("button", { type: "button", "data-acts": true }, "Send");
  const stopButton = element("button", { type: "button", "data-acts": true, onclick: () => hub.act("stop") }, "Stop");
  const clear = element("button", { type: "button", "data-acts": true, onclick: () => hub.act("clear") }, "Start over");
  const restore = element(
    "button",
    { type: "button", "data-acts": true, onclick: () => bringBack() },
    "Restore the conversation",
  );
  let turns = [];
  let colour = null;
  let readings = [];
  let unpacked = null;
  let shown = false;

  // The values and functions that the parts can use.
  const ctx = {
    input,
    live: hub.live,
    act: hub.act,
    messages: () => model.get("messages"),
    names: () => model.get("names"),
    answering: () => model.get("answering"),
    note: (number) => model.get("notes")[number] ?? {},
    tokens: (number) => readings[number] ?? null,
    word: (number) => model.get("words")[number] ?? "",
    writing: (question) => {
      for (let k = question + 1; k < ctx.messages().length && ctx.messages()[k].role !== "user"; k++)
        if (ctx.note(k).writing) return true;
      return false;
    },
    colour: (logProb) => colour(logProb),
  };
  const setup = setupPart(hub, model);
  const comparison = comparisonPart(hub, model);

  /**
   * Return the number of the last question if it has no answer and none is being written, or else null. A view may
   * begin with an unanswered question.
   */
  const waiting = () => {
    const { question, answers } = turnsOf(ctx.messages(), model.get("notes")).at(-1) ?? {};
    return question == null || model.get("answering") || answers.some((k) => ctx.messages()[k].content)
      ? null
      : question;
  };
  const submit = async () => {
    const text = wellFormed(input.value.trim());
    const question = waiting();
    if (model.get("answering") || input.readOnly || (!text && question == null)) return;
    if (!text) return hub.act("edit", { message: question, text: ctx.messages()[question].content });
    input.value = "";
    if (!(await hub.act("message", { text }))) input.value = withReturned(text, input.value);
  };
  /** Undo "Start over". The button disappears, so the keyboard focus moves to the box for the next message. */
  const bringBack = async () => {
    if (await hub.act("restore")) input.focus();
  };
  send.addEventListener("click", submit);
  // After a restart of the kernel, the message that the user was editing no longer exists, so the edited text moves to
  // the box for the next message.
  hub.whenGone(() => {
    for (const { unsent } of turns) input.value = withReturned(input.value, unsent());
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  const menu = saveMenu(model, "conversation");
  menu.append(
    element(
      "button",
      {
        type: "button",
        onclick: () =>
          download(
            "conversation.jsonl",
            asJsonLines(ctx.messages(), ctx.names(), model.get("system")),
            "application/jsonl",
          ),
      },
      "Messages (JSON lines)",
    ),
  );
  const box = element("div", { class: "llm-row" }, input, send, stopButton, clear, restore, menu);
  el.append(comparison.node, log, hub.line, box, setup.node);

  function unpack() {
    const packed = model.get("readings");
    const notes = model.get("notes");
    const key = JSON.stringify(notes.map(({ tokens }) => tokens ?? 0));
    if (unpacked?.packed === packed && unpacked.key === key) return; // keep an opened list of tokens as it is
    unpacked = { packed, key };
    readings = packed ? unpackReadings(packed, notes) : [];
  }
  const updateLog = () => {
    const now = turnsOf(model.get("messages"), model.get("notes"));
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - NEAR;
    const keys = now.map((turn) => JSON.stringify(turn));
    const same = keys.findIndex((key, k) => turns[k]?.key !== key);
    const kept = same < 0 ? keys.length : same;
    const grown = keys.length > kept;
    unpack();
    for (const { node } of turns.splice(kept)) node.remove();
    for (let k = kept; k < now.length; k++) {
      turns.push({ key: keys[k], ...turnPart(ctx, now[k]) });
      log.append(turns[k].node);
    }
    if (colour) for (const turn of turns) turn.draw();
    log.classList.toggle("llm-empty", !now.length);
    const several = ctx.names().length > 1;
    log.dataset.empty = several ? "No messages yet. Every model will receive what you write." : "No messages yet.";
    if (atEnd || grown) log.scrollTop = log.scrollHeight;
    const answering = model.get("answering");
    log.setAttribute("aria-busy", String(answering));
    stopButton.disabled = !answering;
    send.disabled = answering;
    const cleared = model.get("cleared") ?? 0; // a page without Python does not have this trait
    restore.hidden = !cleared || answering;
    restore.setAttribute("aria-label", `Restore the conversation: ${howMany(cleared, "message")}`);
    input.placeholder =
      hub.live && waiting() != null ? "Press Send to get an answer, or ask something else" : "Ask something";
  };
  hub.whenGone(() => {
    // the last question will no longer get an answer
    const { question, answers } = turnsOf(ctx.messages()).at(-1) ?? {};
    const said = (k) => ctx.messages()[k].content;
    if (model.get("answering") && question != null && !answers.some(said))
      input.value = withReturned(said(question), input.value);
    log.setAttribute("aria-busy", "false");
  });
  return [
    follow(model, ["messages", "notes", "answering", "names", "readings", "words", "cleared"], updateLog),
    follow(model, ["system", "system_problems", "settings", "limit", "seed", "names"], () => setup.draw()),
    follow(model, ["together", "blind", "tally", "names"], () => comparison.draw()),
    follow(model, ["returned"], () => {
      if (model.get("returned")) input.value = withReturned(model.get("returned"), input.value);
    }),
    followLooks(el, () => {
      colour = surpriseColours(el);
      for (const turn of turns) {
        turn.draw();
        for (const part of turn.parts) part.recolour();
      }
      if (!shown) log.scrollTop = log.scrollHeight;
      shown = true;
    }),
  ];
});
