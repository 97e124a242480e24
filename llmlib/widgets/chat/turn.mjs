// One turn of the conversation: the question, which the user can change, and its answers side by side.

import { element, howMany, percent, spokenToken, wellFormed } from "../shared/shared.mjs";
import { likeliest, likeliestSpoken, walk } from "../shared/walk.mjs";
import { surpriseLegend, surprising } from "../shared/surprise.mjs";
import { choicesOf, hidden, nameOf, voteInWords } from "./data.mjs";

const button = (words, act, attributes = {}) =>
  element("button", { type: "button", onclick: act, ...attributes }, words);

/** Build a turn. The numbers of its messages never change; `draw()` updates their contents. */
export function turnPart(ctx, { question, answers }) {
  const asked = question === null ? null : questionPart(ctx, question);
  const parts = answers.map((number) => answerPart(ctx, number, question));
  const votes = votePart(ctx, question);
  const columns = element(
    "div",
    { class: `llm-answers${answers.length > 1 ? " llm-several" : ""}`, style: `--llm-columns: ${answers.length}` },
    ...parts.map((part) => part.node),
  );
  const node = element("div", { class: "llm-turn" }, asked?.node ?? "", columns, votes.node);
  const draw = () => {
    asked?.draw();
    for (const part of parts) part.draw();
    votes.draw();
  };
  return { node, parts, draw, unsent: () => asked?.unsent() ?? "" };
}

function questionPart(ctx, number) {
  const said = element("div", { class: "llm-said", dir: "auto" });
  const change = button("Edit", () => open(true), {
    class: "llm-quiet",
    "aria-label": "Edit this message",
    "data-acts": true,
  });
  const box = element("textarea", { rows: 3, dir: "auto", "aria-label": "Changed message", "data-acts": true });
  const send = button("Send again", () => submit(), { "data-acts": true });
  const cancel = button("Cancel", () => open(false));
  const editor = element(
    "div",
    { class: "llm-editor", hidden: true },
    box,
    element(
      "div",
      { class: "llm-row" },
      send,
      cancel,
      element("span", { class: "llm-note" }, "Everything after this message will be removed."),
    ),
  );
  const shown = element("div", { class: "llm-bubble" }, said);
  const node = element(
    "div",
    { class: "llm-message llm-user" },
    element("div", { class: "llm-head" }, element("span", { class: "llm-who" }, "You"), change),
    shown,
    editor,
  );
  function open(yes) {
    editor.hidden = !yes;
    shown.hidden = change.hidden = yes;
    if (yes) {
      box.value = ctx.messages()[number].content;
      box.focus();
    } else change.focus();
  }
  async function submit() {
    const text = wellFormed(box.value.trim());
    if (!text || ctx.answering() || box.readOnly) return;
    if (await ctx.act("edit", { message: number, text })) {
      open(false);
      ctx.input.focus();
    }
  }
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      open(false);
    }
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  return {
    node,
    /** Return the message that the user has changed but not sent, or "". */
    unsent: () => (editor.hidden || box.value === ctx.messages()[number].content ? "" : box.value),
    draw() {
      const { content } = ctx.messages()[number];
      if (said.textContent !== content) said.textContent = content;
      send.disabled = change.disabled = ctx.answering();
      change.hidden = !ctx.live || !editor.hidden;
    },
  };
}

function answerPart(ctx, number, question) {
  const who = element("span", { class: "llm-who" });
  const said = element("div", { class: "llm-said", dir: "auto" });
  const end = element("p", { class: "llm-note llm-end" });
  const look = button(
    "Tokens",
    () => {
      opened = !opened;
      draw();
    },
    { class: "llm-quiet" },
  );
  const panel = element("div", { class: "llm-token-list" });
  const node = element(
    "div",
    { class: "llm-message llm-model" },
    element("div", { class: "llm-head" }, who, look),
    said,
    end,
    panel,
  );
  let opened = false;
  let drawn = null;
  function draw() {
    const message = ctx.messages()[number];
    const note = ctx.note(number);
    const name = nameOf(message.speaker, ctx.names(), ctx.note(question));
    const tokens = ctx.tokens(number);
    who.textContent =
      name + (message.speaker !== undefined && ctx.note(question).vote === message.speaker ? " · your choice" : "");
    const words = message.content || note.problem || "…";
    if (said.textContent !== words) said.textContent = words;
    said.classList.toggle("llm-problem", !message.content && Boolean(note.problem));
    end.textContent = note.ended ?? "";
    look.hidden = !tokens;
    if (!tokens) opened = false;
    look.setAttribute("aria-expanded", String(opened));
    look.setAttribute("aria-label", `Tokens in ${name}’s answer, and how likely each token was`);
    panel.hidden = !opened;
    if (opened && drawn !== tokens) drawTokens(tokens, name);
    drawn = opened ? tokens : null;
  }
  function drawTokens(tokens, name) {
    const texts = tokens.map(({ word }) => ctx.word(word));
    const detail = element("div", { class: "llm-detail" });
    const entries = (token) =>
      token.likeliest.map(({ word, logProb }) => ({
        text: ctx.word(word),
        p: Math.exp(logProb),
        chosen: word === token.word,
      }));
    const tell = (k) => {
      if (k === null) {
        detail.replaceChildren(
          element("p", { class: "llm-note" }, "Point at a token, or step through the tokens with the arrow keys."),
        );
        return;
      }
      const token = tokens[k];
      const known = entries(token);
      const drawnToo = known.some(({ chosen }) => chosen)
        ? []
        : [{ text: texts[k], p: Math.exp(token.logProb), chosen: true }];
      const all = [...known, ...drawnToo];
      detail.replaceChildren(
        likeliest(
          `Token ${k + 1} of ${tokens.length}, and the model’s likeliest tokens here`,
          all,
          Math.max(0, 1 - all.reduce((sum, { p }) => sum + p, 0)),
        ),
      );
    };
    const boxes = tokens.map((token, k) =>
      surprising(ctx.colour, texts[k], token.logProb, {
        title: null,
        "aria-label": [
          `${spokenToken(texts[k])}, ${percent(Math.exp(token.logProb))}.`,
          `Likeliest: ${likeliestSpoken(entries(token))}`,
        ].join(" "),
      }),
    );
    const nats = -tokens.reduce((sum, { logProb }) => sum + logProb, 0) / tokens.length;
    tell(null);
    panel.replaceChildren(
      walk(texts, boxes, { label: `Tokens in ${name}’s answer`, tell }),
      detail,
      element(
        "p",
        { class: "llm-note" },
        `${howMany(tokens.length, "token")}, mean surprise ${nats.toFixed(2)} nats. `,
        "All probabilities are the model’s own, before temperature and other settings. ",
        surpriseLegend(ctx.colour),
      ),
    );
  }
  return {
    node,
    draw,
    recolour() {
      drawn = null;
      draw();
    },
  };
}

function votePart(ctx, question) {
  let voting = false; // a vote is on its way to Python; a second click would vote on a question that is already decided
  const result = element("p", { class: "llm-note llm-result" });
  const row = element("div", { class: "llm-row llm-vote", role: "group", "aria-label": "Which answer is better?" });
  const node = element("div", {}, row, result);
  async function vote(choice) {
    if (voting) return;
    voting = true;
    if (await ctx.act("vote", { message: question, choice })) ctx.input.focus();
    voting = false;
  }
  return {
    node,
    draw() {
      const note = ctx.note(question);
      const waits = hidden(note);
      const busy = waits && ctx.writing(question);
      node.hidden = !note.order;
      row.hidden = !waits;
      if (waits && !row.children.length) {
        const choices = choicesOf(note.order);
        row.append(...choices.map(([choice, words]) => button(words, () => vote(choice), { "data-acts": true })));
      }
      for (const one of row.children) one.disabled = busy;
      result.textContent = note.order && !waits ? voteInWords(note, ctx.names()) : "";
    },
  };
}
