// The live part of the attention view: the model's next-token predictions when heads are switched off.

import { element, percent, visibleToken, wellFormed } from "../shared/shared.mjs";
import { following } from "../shared/view.mjs";
import { drawSwitch } from "./chrome.mjs";

/** Write a change of probability as text: "▲ +12 points". */
export function changeInWords(before, after) {
  const points = 100 * (after - before);
  if (Math.abs(points) < 0.05) return "no change";
  return `${points > 0 ? "▲ +" : "▼ −"}${Math.abs(points).toFixed(Math.abs(points) < 9.95 ? 1 : 0)} points`;
}

/** Return the heads that are off ("layer,head"): those that Python has switched off, updated with the user's latest
 * clicks. */
export function switched(ablated, turned) {
  const off = new Set(ablated.map(String));
  for (const [head, isOff] of turned)
    if (isOff) off.add(head);
    else off.delete(head);
  return off;
}

/** Write log-probabilities as text: "log-probability −2.31 → −4.05 (−1.74)". */
export function logprobInWords([first, then], changed) {
  if (first === undefined) return "";
  const signed = (value) => value.toFixed(2).replace("-", "−");
  const gain = then - first || 0;
  const change = changed ? ` → ${signed(then)} (${gain < 0 ? "" : "+"}${signed(gain)})` : "";
  return `log-probability ${signed(first)}${change}`;
}

/**
 * Show the model's next-token predictions with all heads, and without the heads that are off. `redraw` shows which
 * heads are off.
 */
export function boardPanel(ctx, hub, model, redraw) {
  const how = element(
    "select",
    { "aria-label": "What a switched-off head outputs", "data-acts": true },
    element("option", { value: "zero" }, "nothing (zero)"),
    element("option", { value: "mean" }, "its mean over the text"),
  );
  const allOn = () => hub.act("all on");
  const restore = element("button", { type: "button", "data-acts": true, onclick: allOn }, "Switch all on");
  const continuation = element("input", {
    type: "text",
    "aria-label": "Continuation to score",
    placeholder: "a continuation to score",
    dir: "auto",
    "data-acts": true,
  });
  const score = element("span", { class: "llm-logprob", "aria-live": "polite" }); // takes up a line even when empty
  const table = element("table", { class: "llm-predictions" });
  const count = element("span", { class: "llm-note" });
  const presses = element("span", { class: "llm-switch" });
  const node = element(
    "div",
    { class: "llm-board", role: "group", "aria-label": "Ablation board" },
    element("div", { class: "llm-row" }, element("strong", { "data-text": true }, "Ablation board"), count),
    element("div", { class: "llm-row", hidden: !hub.live }, presses, restore),
    table,
    element("div", { class: "llm-row" }, element("label", {}, "Continuation ", continuation), score),
    element("div", { class: "llm-row" }, element("label", {}, "A switched-off head outputs ", how)),
  );
  const turned = new Map(); // the user's settings for heads that Python has not switched yet
  const last = new Map();
  let turns = 0;
  const off = () => switched(model.get("ablated"), turned);
  const toggle = async (layer, head) => {
    const one = `${layer},${head}`;
    const isOff = !off().has(one);
    const mine = (turns += 1);
    turned.set(one, isOff);
    last.set(one, mine);
    redraw();
    await hub.act("switch", { layer, head, off: isOff });
    if (last.get(one) !== mine) return; // the user has switched this head again in the meantime
    turned.delete(one);
    redraw();
  };
  const typed = following(continuation, () => model.get("continuation"));
  how.addEventListener("change", () => hub.act("how", { how: how.value }));
  continuation.addEventListener("input", () =>
    hub.act("continuation", { text: wellFormed(continuation.value) }, { latest: "continuation" }),
  );

  /** Fill the table. It always has four columns, so that nothing moves when a head is switched off. */
  function fill(changed) {
    const cell = (words, more = {}) => element("td", { "data-text": Boolean(words), ...more }, words);
    const heading = (words) => (words ? element("th", { scope: "col", "data-text": true }, words) : element("td", {}));
    const names = changed ? ["next token", "all on", "now", "change"] : ["next token", "probability", "", ""];
    const rows = model.get("predictions").map(({ token, before, after }) => {
      const change = changed ? changeInWords(before, after) : "";
      const direction = { "▲": "llm-up", "▼": "llm-down" }[change[0]];
      const word = element("code", {}, element("bdi", { "data-text": true }, visibleToken(token)));
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, word),
        cell(percent(before)),
        cell(changed ? percent(after) : ""),
        cell(change, { class: direction ?? false }),
      );
    });
    const head = element("thead", {}, element("tr", {}, ...names.map(heading)));
    table.replaceChildren(head, element("tbody", {}, ...rows));
  }

  function draw() {
    const { layers, heads } = ctx.text("a");
    const now = off();
    const changed = model.get("ablated").length > 0;
    count.textContent = now.size ? `${now.size} of ${layers * heads} heads off` : "all heads on";
    restore.disabled = now.size === 0;
    if (!hub.waiting) how.value = model.get("how");
    typed.follow();
    score.textContent = logprobInWords(model.get("logprobs"), changed);
    table.setAttribute("aria-busy", String(turned.size > 0)); // the switches have changed, but the numbers have not yet
    fill(changed); // the numbers are for the heads that Python has switched
    if (hub.live) drawSwitch(presses, ctx, toggle);
  }
  return { node, draw, toggle, off };
}
