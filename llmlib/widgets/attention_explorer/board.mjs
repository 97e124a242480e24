// The live part of the attention explorer: what the model expects next, with heads that are switched off.

import { element, percent, visibleToken, wellFormed } from "../shared/shared.mjs";
import { following } from "../shared/view.mjs";

/** Changes of probability in words: "+12 points". */
export function changeInWords(before, after) {
  const points = 100 * (after - before);
  if (Math.abs(points) < 0.05) return "no change";
  return `${points > 0 ? "▲ +" : "▼ −"}${Math.abs(points).toFixed(Math.abs(points) < 9.95 ? 1 : 0)} points`;
}

/** Which heads are off ("layer,head"): as Python has it, except for those that the reader has turned since. */
export function switched(ablated, turned) {
  const off = new Set(ablated.map(String));
  for (const [head, isOff] of turned) if (isOff) off.add(head); else off.delete(head);
  return off;
}

/** What the model expects next, and what becomes of it without the heads that are off. `redraw` shows which ones are. */
export function boardPanel(ctx, hub, model, redraw) {
  const how = element("select", { "aria-label": "What a head that is off says", "data-acts": true }, element("option", { value: "zero" }, "nothing (zero)"), element("option", { value: "mean" }, "its mean over the text"));
  const restore = element("button", { type: "button", "data-acts": true, onclick: () => hub.act("all on") }, "Switch all on");
  const continuation = element("input", { type: "text", "aria-label": "Continuation to score", placeholder: "a continuation to score", dir: "auto", "data-acts": true });
  const score = element("span", { class: "llm-logprob", "aria-live": "polite" });
  const table = element("table", { class: "llm-predictions" });
  const count = element("span", { class: "llm-note" });
  const node = element("div", { class: "llm-board", role: "group", "aria-label": "Ablation board" },
    element("div", { class: "llm-row" }, element("strong", {}, "Ablation board"), count), table,
    element("div", { class: "llm-row" }, element("label", {}, "Continuation ", continuation), score),
    element("div", { class: "llm-row" }, element("label", {}, "A head that is off says ", how), restore));
  const turned = new Map(); // heads that Python has not switched yet, as the reader left them
  const off = () => switched(model.get("ablated"), turned);
  const toggle = async (layer, head) => {
    const one = `${layer},${head}`, isOff = !off().has(one), mine = (turns += 1);
    turned.set(one, isOff);
    last.set(one, mine);
    redraw();
    await hub.act("switch", { layer, head, off: isOff });
    if (last.get(one) !== mine) return; // it has been turned again meanwhile
    turned.delete(one);
    redraw();
  };
  const last = new Map();
  let turns = 0;
  const typed = following(continuation, () => model.get("continuation"));
  how.addEventListener("change", () => hub.act("how", { how: how.value }));
  continuation.addEventListener("input", () => hub.act("continuation", { text: wellFormed(continuation.value) }, { latest: "continuation" }));
  function draw() {
    const { layers, heads } = ctx.text("a"), now = off(), before = new Set(model.get("ablated").map(String));
    count.textContent = now.size ? `${now.size} of ${layers * heads} heads off` : "all heads on";
    restore.disabled = now.size === 0;
    if (!hub.waiting) how.value = model.get("how");
    typed.follow();
    const [first, then] = model.get("logprobs");
    const signed = (value) => value.toFixed(2).replace("-", "−"), gain = (then - first || 0);
    score.textContent = first === undefined ? "" : `log-probability ${signed(first)}${before.size ? ` → ${signed(then)} (${gain < 0 ? "" : "+"}${signed(gain)})` : ""}`;
    table.setAttribute("aria-busy", String(turned.size > 0)); // the switches are ahead of the numbers
    const changed = before.size > 0; // the numbers are those of what Python has switched
    const head = element("thead", {}, element("tr", {}, ...["next token", changed ? "all on" : "probability", ...(changed ? ["now", "change"] : [])].map((words) => element("th", { scope: "col", "data-text": true }, words))));
    const rows = model.get("predictions").map(({ token, before: p, after: q }) => {
      const change = changeInWords(p, q);
      return element("tr", {}, element("th", { scope: "row" }, element("code", {}, element("bdi", { "data-text": true }, visibleToken(token)))), element("td", { "data-text": true }, percent(p)),
        ...(changed ? [element("td", { "data-text": true }, percent(q)), element("td", { "data-text": true, class: change.startsWith("▲") ? "llm-up" : change.startsWith("▼") ? "llm-down" : "" }, change)] : []));
    });
    table.replaceChildren(head, element("tbody", {}, ...rows));
  }
  return { node, draw, toggle, off };
}
