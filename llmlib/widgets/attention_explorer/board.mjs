// The live parts of the attention explorer: the text to edit, and the ablation board.

import { element, percent, visibleToken } from "../shared/shared.mjs";

/** The texts A and B, editable; each change is asked of Python, one question at a time. */
export function textPanel(ctx, model) {
  const area = (which, label, hint) => {
    const box = element("textarea", { rows: 2, spellcheck: "false", "aria-label": label, placeholder: hint });
    box.addEventListener("input", () => ctx.ask({ kind: "text", which, text: box.value }));
    return box;
  };
  const a = area("a", "Text", ""), b = area("b", "Second text, to compare", "A second text to compare with (optional)");
  const notice = element("div", { class: "llm-notice", role: "status" });
  const node = element("div", { class: "llm-texts" }, element("label", {}, element("span", {}, "Text A"), a), element("label", {}, element("span", {}, "Text B"), b), notice);
  function draw() {
    if (document.activeElement !== a) a.value = model.get("text");
    if (document.activeElement !== b) b.value = model.get("text_b");
    notice.textContent = model.get("notice");
  }
  return { node, draw };
}

/** Changes of probability in words: "+12 points". */
export function changeInWords(before, after) {
  const points = 100 * (after - before);
  if (Math.abs(points) < 0.05) return "no change";
  return `${points > 0 ? "▲ +" : "▼ −"}${Math.abs(points).toFixed(Math.abs(points) < 9.95 ? 1 : 0)} points`;
}

/** Switch heads off, and see what the model then expects. */
export function boardPanel(ctx, model) {
  const still = !model.get("live");
  const grid = element("div", { class: "llm-switches", role: "group", "aria-label": "Heads to switch off. Arrow keys move, Enter switches." });
  const how = element("select", { "aria-label": "What a head that is off says", disabled: still }, element("option", { value: "zero" }, "nothing (zero)"), element("option", { value: "mean" }, "its mean over the text"));
  const restore = element("button", { type: "button", disabled: still }, "Switch all on");
  const continuation = element("input", { type: "text", "aria-label": "Continuation to score", placeholder: "a continuation to score", disabled: still });
  const score = element("span", { class: "llm-logprob", "aria-live": "polite" });
  const table = element("table", { class: "llm-predictions" });
  const count = element("span", { class: "llm-note" });
  const node = element("section", { class: "llm-board", "aria-label": "Ablation board" },
    element("div", { class: "llm-row" }, element("strong", {}, "Ablation board"), count, element("label", {}, "A head that is off says ", how), restore),
    element("div", { class: "llm-sides" }, grid,
      element("div", {}, table, element("div", { class: "llm-row" }, element("label", {}, "Continuation ", continuation), score))));
  const send = (ablated) => ctx.ask({ kind: "ablate", heads: ablated, how: how.value });
  const off = () => ctx.ablated();
  const toggle = (layer, head) => {
    const now = off(), without = now.filter(([l, h]) => l !== layer || h !== head);
    send(without.length < now.length ? without : [...now, [layer, head]]);
  };
  how.addEventListener("change", () => send(off()));
  restore.addEventListener("click", () => send([]));
  continuation.addEventListener("input", () => ctx.ask({ kind: "continuation", text: continuation.value }));
  grid.addEventListener("click", (event) => { const b = event.target.closest("button"); if (b && !still) toggle(Number(b.dataset.layer), Number(b.dataset.head)); });
  grid.addEventListener("keydown", (event) => {
    const all = [...grid.querySelectorAll("button")], at = all.indexOf(event.target), { heads } = ctx.text("a");
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -heads, ArrowDown: heads }[event.key];
    if (step === undefined || !all[at + step]) return;
    event.preventDefault();
    all[at].tabIndex = -1;
    all[at + step].tabIndex = 0;
    all[at + step].focus();
  });
  let made = "";
  function draw() {
    const { layers, heads } = ctx.text("a"), now = new Set(off().map(String));
    if (made !== `${layers},${heads}`) {
      made = `${layers},${heads}`;
      grid.style.gridTemplateColumns = `20px repeat(${heads}, 20px)`;
      const mark = (words) => element("span", { "aria-hidden": "true" }, String(words));
      const switches = (layer) => Array.from({ length: heads }, (_, head) =>
        element("button", { type: "button", disabled: still, "data-layer": layer, "data-head": head, title: `Layer ${layer}, head ${head}`, tabindex: layer || head ? -1 : 0 }));
      grid.replaceChildren(mark(""), ...Array.from({ length: heads }, (_, head) => mark(head)), ...Array.from({ length: layers }, (_, layer) => [mark(layer), ...switches(layer)]).flat());
    }
    for (const button of grid.querySelectorAll("button")) {
      const isOff = now.has(`${button.dataset.layer},${button.dataset.head}`);
      button.setAttribute("aria-pressed", String(isOff));
      button.setAttribute("aria-label", `Layer ${button.dataset.layer}, head ${button.dataset.head}, ${isOff ? "off" : "on"}`);
    }
    count.textContent = now.size ? `${now.size} of ${layers * heads} heads off` : "all heads on; click one to switch it off";
    restore.disabled = still || now.size === 0;
    how.value = model.get("how");
    if (document.activeElement !== continuation) continuation.value = model.get("continuation");
    const [before, after] = model.get("logprobs");
    const signed = (value) => value.toFixed(2).replace("-", "−"), gain = (after - before || 0);
    score.textContent = before === undefined ? "" : `log-probability ${signed(before)}${now.size ? ` → ${signed(after)} (${gain < 0 ? "" : "+"}${signed(gain)})` : ""}`;
    const changed = now.size > 0;
    const head = element("thead", {}, element("tr", {}, ...["next token", changed ? "all on" : "probability", ...(changed ? ["now", "change"] : [])].map((words) => element("th", { scope: "col" }, words))));
    const rows = model.get("predictions").map(({ token, before: p, after: q }) => {
      const change = changeInWords(p, q);
      return element("tr", {}, element("th", { scope: "row" }, element("code", {}, visibleToken(token))), element("td", {}, percent(p)),
        ...(changed ? [element("td", {}, percent(q)), element("td", { class: change.startsWith("▲") ? "llm-up" : change.startsWith("▼") ? "llm-down" : "" }, change)] : []));
    });
    table.replaceChildren(head, element("tbody", {}, ...rows));
  }
  return { node, draw, toggle };
}
