// Several settings that write after the same text, side by side.

import { element, inReadingOrder, percent, spokenToken } from "../shared/shared.mjs";
import { settingsInWords } from "../shared/settings.mjs";
import { surprising } from "../shared/surprise.mjs";
import { measures } from "./data.mjs";

const STOPPED = { "end token": "ended by the model", constraint: "a whole match" };

export function lanesPanel(ctx, hub) {
  const runner = ctx.runner("race", () => drawButtons());
  const button = (words, hint, act) => element("button", { type: "button", title: hint, "data-acts": true, onclick: act }, words);
  const run = button("Write with all", "One token after the other for each, until you pause", () => runner.toggle());
  const clear = button("Start over", "Empty all of them", () => ctx.act("clear")), add = button("+ Add the settings in use", "One more text, written with the settings on the right; all begin anew", () => ctx.act("add"));
  const note = element("p", { class: "llm-facts" }), grid = element("div", { class: "llm-lanes" });
  const node = element("div", { class: "llm-side-by-side", role: "group", "aria-label": "Side by side" }, note, element("div", { class: "llm-row" }, run, button("One token each", "One more token for each", () => ctx.act("race")), clear, add), grid);
  function drawButtons() {
    run.textContent = runner.running ? "❚❚ Pause all" : "Write with all";
  }
  function card(lane, k) {
    const words = settingsInWords(lane.settings, lane.banned, lane.pattern), tokens = lane.ids.map((id) => ctx.word(id));
    const text = element("div", { class: "llm-text", role: "group", tabindex: 0, "aria-label": `Written with ${words}` });
    inReadingOrder(text, tokens, tokens.map((token, n) => surprising(ctx.colour, token, lane.log_probs[n], { onclick: () => ctx.act("follow", { lane: k, length: n + 1 }) })), text.dir || "ltr");
    if (!tokens.length) text.append(element("span", { class: "llm-note" }, "…"));
    const { surprise, distinct } = measures(lane.ids, lane.log_probs);
    const facts = tokens.length ? [`${tokens.length} tokens`, `mean surprise ${surprise.toFixed(2)} nats`, ...(tokens.length > 2 ? [`${percent(distinct)} of its pairs new`] : []), ...(lane.ended ? [STOPPED[lane.ended] ?? lane.ended] : [])].join(" · ") : "nothing yet";
    const keep = button("Keep as a branch", "Make this text a branch, and go to its end", () => ctx.act("follow", { lane: k, length: tokens.length }));
    keep.disabled = !tokens.length;
    const one = element("article", { class: "llm-card", "aria-label": words }, element("div", { class: "llm-title llm-mono" }, words), text, element("p", { class: "llm-note" }, facts), element("div", { class: "llm-row" }, keep, button("Use", "Make these the settings in use", () => ctx.act("use", { lane: k })), button("Remove", "Remove this text", () => ctx.act("drop", { lane: k }))));
    one.querySelectorAll("button").forEach((part) => part.setAttribute("aria-label", `${part.textContent}: ${words}`));
    return [one, text];
  }
  function draw() {
    const lanes = ctx.lanes(), all = [...grid.querySelectorAll("button")], held = all.indexOf(document.activeElement), cards = lanes.map(card);
    note.textContent = "Each card continues the same text with its own settings, and with the same chance: what differs comes from the settings. Click a token to keep the text up to there as a branch.";
    grid.replaceChildren(...cards.map(([one]) => one));
    cards.forEach(([, text]) => { text.scrollTop = text.scrollHeight; });
    drawButtons();
    if (held >= 0) { const now = [...grid.querySelectorAll("button")]; (now[Math.min(held, now.length - 1)] ?? add).focus({ preventScroll: true }); }
  }
  return { node, draw, stop: () => runner.stop() };
}
