// Shows one run per row: how far the run has progressed, and its buttons.

import { element } from "../shared.mjs";
import { standingOf } from "./curves.mjs";

const GOES_ON = { ready: "Start", running: "Pause", paused: "Resume", stopped: "Resume" };

export function runRows(ctx, hub) {
  const list = element("ul", { class: "llm-runs", "aria-label": "Runs" });
  const rows = [];
  const all = element("button", { type: "button", "data-acts": true, onclick: () => hub.act(all.dataset.kind) });
  const together = element("div", { class: "llm-row llm-together" }, all);
  const node = element("div", { role: "group", "aria-label": "Runs and their buttons" }, list, together);

  function row(number) {
    const tick = element("input", { type: "checkbox" });
    const swatch = element("span", { class: "llm-box llm-swatch", "aria-hidden": "true" });
    const name = element("span", { class: "llm-name", "data-text": true, dir: "auto" });
    const state = element("span", { class: "llm-standing", "data-text": true });
    const numbers = element("span", { class: "llm-numbers", "data-text": true });
    const bar = element("span", { class: "llm-bar" });
    const go = element("button", {
      type: "button",
      "data-acts": true,
      onclick: () => hub.act(go.dataset.kind, { run: number }),
    });
    const stop = element(
      "button",
      { type: "button", "data-acts": true, onclick: () => hub.act("stop", { run: number }) },
      "Stop",
    );
    const words = element("p", { class: "llm-failed", role: "alert" });
    tick.addEventListener("change", () => ctx.hide(number, !tick.checked));
    const item = element(
      "li",
      {},
      element(
        "div",
        { class: "llm-run" },
        element("label", {}, tick, swatch, name),
        state,
        element("span", { class: "llm-buttons" }, go, stop),
      ),
      element("div", { class: "llm-track", "aria-hidden": "true" }, bar),
      numbers,
      words,
    );
    for (const [event, pale] of [
      ["pointerenter", number],
      ["pointerleave", null],
    ])
      item.addEventListener(event, () => ctx.stress(pale));
    return { item, tick, swatch, name, state, numbers, bar, go, stop, words };
  }
  const put = (node_, words) => {
    if (node_.textContent !== words) node_.textContent = words;
  }; // screen readers do not read an unchanged text again
  const switched = (button, off) => {
    if (!button.dataset.off) button.disabled = off;
  };

  function draw() {
    const { runs } = ctx;
    const several = runs.length > 1;
    const running = runs.filter(({ about }) => about.state === "running").length;
    while (rows.length < runs.length) {
      rows.push(row(rows.length));
      list.append(rows.at(-1).item);
    }
    runs.forEach(({ about, colour, hidden }, k) => {
      const one = rows[k];
      const { state } = about;
      const words = GOES_ON[state] ?? "Pause";
      one.tick.hidden = !several;
      one.tick.checked = !hidden;
      one.swatch.style.background = colour;
      put(one.name, about.name);
      put(one.state, standingOf(about, running, hub.gone));
      put(one.numbers, ctx.numbersOf(about));
      put(one.words, about.words);
      one.bar.style.width = `${about.steps ? (100 * about.step) / about.steps : 0}%`;
      one.bar.style.background = colour;
      put(one.go, words);
      one.go.dataset.kind = words === "Pause" ? "pause" : "resume";
      one.go.hidden = one.stop.hidden = !hub.live;
      switched(one.go, !(state in GOES_ON) || about.in_cell);
      switched(one.stop, !["ready", "running", "paused"].includes(state) || about.in_cell);
      if (several) {
        one.go.setAttribute("aria-label", `${words} ${about.name}`);
        one.stop.setAttribute("aria-label", `Stop ${about.name}`);
      }
    });
    const able = runs.filter(({ about }) => about.state in GOES_ON && !about.in_cell);
    const pausing = able.some(({ about }) => about.state === "running");
    together.hidden = !several || !hub.live;
    const fresh = able.every(({ about }) => about.state === "ready");
    put(all, pausing ? "Pause all" : fresh ? "Start all" : "Resume all");
    all.dataset.kind = pausing ? "pause" : "resume";
    switched(all, !able.length);
  }
  return { node, draw };
}
