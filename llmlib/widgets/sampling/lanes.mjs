// Continues the same text with several settings, side by side.

import { howMany, element, percent } from "../shared/shared.mjs";
import { settingsInWords } from "../shared/settings.mjs";
import { measures } from "./data.mjs";
import { tokenBox } from "./tokens.mjs";

const STOPPED = { "end token": "ended by the model", constraint: "matches the whole pattern" };

function factsOf({ ids, log_probs: logProbs, ended }) {
  if (!ids.length) return "nothing yet";
  const { surprise, distinct } = measures(ids, logProbs);
  return [
    howMany(ids.length, "token"),
    `mean surprise ${surprise.toFixed(2)} nats`,
    ...(ids.length > 2 ? [`${percent(distinct)} of token pairs distinct`] : []),
    ...(ended ? [STOPPED[ended] ?? ended] : []),
  ].join(" · ");
}

export function lanesPanel(ctx) {
  const button = (words, hint, act) =>
    element("button", { type: "button", title: hint, "data-acts": true, onclick: act }, words);
  const run = button("Write all", "Keep adding a token to each text until you pause", () => ctx.toggle("race"));
  const clear = button("Start over", "Clear all texts", () => ctx.act("clear"));
  const add = button(
    "+ Add the current settings",
    "Add a text that uses the settings on the right; it will catch up with the other texts",
    () => ctx.act("add"),
  );
  const note = element("p", { class: "llm-facts" });
  const grid = element("div", { class: "llm-lanes" });
  const cards = [];
  const node = element(
    "div",
    { class: "llm-side-by-side", role: "group", "aria-label": "Side by side" },
    note,
    element(
      "div",
      { class: "llm-row" },
      run,
      button("One token each", "Add one token to each text", () => ctx.act("race")),
      clear,
      add,
    ),
    grid,
  );

  function card(k) {
    const title = element("div", { class: "llm-title llm-mono" });
    const text = tokenBox(ctx, "", (n) => ctx.act("follow", { lane: k, length: n + 1 }));
    const facts = element("p", { class: "llm-note" });
    const keep = button("Keep as a branch", "Turn this text into a branch, and go to its end", () =>
      ctx.act("follow", { lane: k, length: ctx.lanes()[k].ids.length }),
    );
    const buttons = [
      keep,
      button("Use", "Switch to this text’s settings", () => ctx.act("use", { lane: k })),
      button("Remove", "Remove this text", () => ctx.act("drop", { lane: k })),
    ];
    // The buttons are above the text. Below it, they would move away from the mouse pointer as the text grows.
    const box = element(
      "article",
      { class: "llm-card" },
      title,
      element("div", { class: "llm-row" }, ...buttons),
      text.node,
      facts,
    );
    return { title, text, facts, keep, buttons, box };
  }
  function drawCard({ title, text, facts, keep, buttons, box }, lane) {
    const words = settingsInWords(lane.settings, lane.banned, lane.pattern);
    title.textContent = words;
    box.setAttribute("aria-label", words);
    text.node.setAttribute("aria-label", `Written with ${words}`);
    text.show(
      lane.ids.map((id, n) => ({ text: ctx.word(id), logProb: lane.log_probs[n] })),
      lane.ids.length ? [] : [["…", element("span", { class: "llm-note" }, "…")]],
    );
    facts.textContent = factsOf(lane);
    keep.disabled = !lane.ids.length;
    for (const part of buttons) part.setAttribute("aria-label", `${part.textContent}: ${words}`);
  }
  function draw() {
    const lanes = ctx.lanes();
    const held = grid.contains(document.activeElement);
    note.textContent = [
      "Each card continues the same text with its own settings, but with the same random numbers:",
      "any difference comes from the settings.",
      ...(ctx.live ? ["Click a token to keep the text up to that token as a branch."] : []),
    ].join(" ");
    while (cards.length < lanes.length) grid.append(cards[cards.push(card(cards.length)) - 1].box);
    while (cards.length > lanes.length) cards.pop().box.remove();
    lanes.forEach((lane, k) => drawCard(cards[k], lane));
    run.textContent = ctx.writing() === "race" ? "❚❚ Pause all" : "Write all";
    if (held && !grid.contains(document.activeElement))
      (cards.at(-1)?.buttons.at(-1) ?? add).focus({ preventScroll: true });
  }
  return { node, draw };
}
