// The settings: a slider and a number for each. What is out of range stays as it was typed, and is told beside it.

import { element, wellFormed } from "../shared/shared.mjs";
import { placeOf, SETTINGS, tokensAt } from "./data.mjs";

export function settingsPanel(ctx, hub, model) {
  const fields = SETTINGS.map((setting) => field(setting, ctx, hub, model));
  const seed = element("input", { type: "number", min: 0, step: 1, "aria-label": "seed", "data-acts": true });
  const refused = element("p", { class: "llm-refused" });
  seed.addEventListener("change", async () => {
    if (seed.value === "") return;
    const done = await hub.act("seed", { value: Number(seed.value) });
    refused.textContent = done ? "" : model.get("notice");
  });
  const again = element("button", { type: "button", class: "llm-again", "data-acts": true, onclick: () => ctx.act("again") }, "Begin again with this seed");
  const pattern = element("input", { type: "text", "aria-label": "pattern", placeholder: "yes|no|maybe", spellcheck: "false", "data-acts": true });
  const allow = element("form", { class: "llm-allow" }, pattern, element("button", { type: "submit", "data-acts": true }, "Allow only this"));
  const misread = element("p", { class: "llm-refused" });
  allow.addEventListener("submit", async (event) => {
    event.preventDefault();
    const done = await hub.act("allow", { pattern: wellFormed(pattern.value) });
    misread.textContent = done ? "" : model.get("notice");
  });
  let used = "";
  const reset = element("button", { type: "button", "data-acts": true, onclick: () => { fields.forEach((one) => one.forget()); hub.act("reset"); } }, "Reset all");
  const more = element("details", { class: "llm-more" }, element("summary", {}, "More settings"),
    ...fields.filter((one) => one.setting.more).map((one) => one.node),
    element("div", { class: "llm-setting" }, element("span", { class: "llm-name" }, element("code", {}, "pattern")), element("span", { class: "llm-note" }, "what is written has to match this regular expression"), allow, misread),
    element("div", { class: "llm-setting" }, element("span", { class: "llm-name" }, element("code", {}, "seed")), seed, element("span", { class: "llm-note" }, "the same seed draws the same tokens"), again, refused),
    element("p", { class: "llm-note" }, "While this is open, each token can be banned beside its bar."));
  more.addEventListener("toggle", () => ctx.redraw());
  const node = element("section", { class: "llm-settings", "aria-label": "Settings" }, element("div", { class: "llm-title" }, "Settings", reset), ...fields.filter((one) => !one.setting.more).map((one) => one.node), more);
  let opened = false;
  return {
    node, more,
    draw() {
      const settings = model.get("settings"), banned = model.get("banned");
      for (const one of fields) one.draw(settings);
      if (document.activeElement !== seed && !refused.textContent) seed.value = model.get("seed");
      if (pattern.value === used) pattern.value = model.get("pattern");
      used = model.get("pattern");
      const extra = SETTINGS.some(({ name, neutral, more }) => more && (settings[name] ?? null) !== neutral) || banned.length || used;
      if (extra && !opened) { opened = true; more.open = true; }
      reset.hidden = !(extra || SETTINGS.some(({ name, neutral }) => (settings[name] ?? null) !== neutral));
    },
  };
}

/** One setting. Turns that Python has not answered are not overwritten, nor is a number that it refused. */
function field(setting, ctx, hub, model) {
  const { name, least, most, step, neutral, log, says } = setting;
  const slider = element("input", { type: "range", min: least, max: most, step, "aria-label": name, "data-acts": true });
  const number = element("input", { type: "number", step: "any", "aria-label": `${name}, exactly`, placeholder: neutral === null ? "off" : null, "data-acts": true });
  const refused = element("p", { class: "llm-refused" }), label = element("code", {}, name);
  let waiting = 0, wrong = false;
  async function turn(value) {
    waiting += 1;
    const done = await hub.act("set", { name, value }, { latest: `set ${name}` });
    waiting -= 1;
    if (waiting) return;
    wrong = !done && !hub.gone;
    number.setAttribute("aria-invalid", String(wrong));
    refused.textContent = wrong ? `${model.get("notice")} Still in use: ${model.get("settings")[name] ?? "off"}.` : "";
    one.draw(model.get("settings"));
  }
  slider.addEventListener("input", () => {
    const value = log ? tokensAt(Number(slider.value), model.get("vocabulary")) : Number(slider.value);
    number.value = value ?? "";
    turn(value);
  });
  number.addEventListener("input", () => {
    if (number.value === "" && (neutral !== null || number.validity.badInput)) return; // on the way to a number
    turn(number.value === "" ? null : Number(number.value));
  });
  const node = element("div", { class: "llm-setting" }, element("span", { class: "llm-name" }, label), slider, number, element("span", { class: "llm-note" }, says), refused);
  const one = {
    setting, node,
    /** What was typed and refused is given up. */
    forget() { wrong = false; refused.textContent = ""; number.setAttribute("aria-invalid", "false"); one.draw(model.get("settings")); },
    draw(settings) {
      const value = settings[name] ?? null;
      node.classList.toggle("llm-set", value !== neutral);
      if (waiting) return;
      slider.value = log ? placeOf(value, model.get("vocabulary")) : value;
      if (log) slider.setAttribute("aria-valuetext", value === null ? "off" : `${value} tokens`);
      if (!wrong && document.activeElement !== number) number.value = value ?? "";
      if (!wrong && document.activeElement === number && number.value !== "" && Number(number.value) !== value) number.value = value ?? "";
    },
  };
  return one;
}
