// A sampler's settings, each with a slider and a number. A number out of range stays as it was typed, with the reason
// beside it.

import { element, howMany } from "./shared.mjs";

/** The settings. `neutral` is the value that does nothing; `null`: none. */
export const SETTINGS = [
  {
    name: "temperature",
    least: 0,
    most: 2,
    step: 0.05,
    neutral: 1,
    says: "below 1 sharper, above 1 flatter; 0 always takes the likeliest",
  },
  {
    name: "top_p",
    least: 0.01,
    most: 1,
    step: 0.01,
    neutral: 1,
    says: "keeps the likeliest tokens that together reach this share",
  },
  {
    name: "top_k",
    least: 0,
    most: 100,
    step: 1,
    neutral: null,
    log: true,
    more: true,
    says: "keeps this many of the likeliest tokens",
  },
  {
    name: "min_p",
    least: 0,
    most: 1,
    step: 0.01,
    neutral: 0,
    more: true,
    says: "keeps tokens with at least this share of the likeliest token’s probability",
  },
  {
    name: "typical_p",
    least: 0.01,
    most: 1,
    step: 0.01,
    neutral: 1,
    more: true,
    says: "keeps tokens about as surprising as usual here",
  },
  {
    name: "repetition_penalty",
    least: 0.5,
    most: 2,
    step: 0.05,
    neutral: 1,
    more: true,
    says: "above 1: tokens that have occurred become less likely",
  },
  {
    name: "frequency_penalty",
    least: -2,
    most: 2,
    step: 0.1,
    neutral: 0,
    more: true,
    says: "subtracted from a token’s logit each time it has occurred",
  },
  {
    name: "presence_penalty",
    least: -2,
    most: 2,
    step: 0.1,
    neutral: 0,
    more: true,
    says: "subtracted from a token’s logit once if it has occurred",
  },
];

/** A slider's position (0 … 100) as a number of tokens, and back; the far right means all of them, so no setting. */
export const tokensAt = (place, vocabulary) =>
  place >= 100 ? null : Math.max(1, Math.round(vocabulary ** (place / 100)));
export const placeOf = (tokens, vocabulary) =>
  tokens === null
    ? 100
    : Math.min(99, Math.round((100 * Math.log(Math.max(1, tokens))) / Math.log(Math.max(2, vocabulary))));

/**
 * The settings in use, named as in Python: "temperature 0.8 · top_p 0.9"; without any, what that means.
 */
export function settingsInWords(settings, banned = [], pattern = "") {
  const used = SETTINGS.filter(({ name, neutral }) => (settings[name] ?? null) !== neutral).map(
    ({ name }) => `${name} ${settings[name]}`,
  );
  if (banned.length) used.push(`${banned.length} banned`);
  if (pattern) used.push(`pattern ${pattern}`);
  return used.join(" · ") || "the model as it is";
}

const COMMA = (0.5).toLocaleString().includes(","); // then browsers read it as a decimal comma themselves

/** "0,5" is typed as 0.5, where the browser would drop the comma and make it 5. */
function withPoint(event) {
  if (COMMA || !event.data?.includes(",")) return;
  event.preventDefault();
  document.execCommand("insertText", false, event.data.replaceAll(",", "."));
}

/** One setting. Changes that Python has not answered are not overwritten, nor is a number that it refused. */
export function settingField(setting, hub, model) {
  const { name, least, most, step, neutral, log, says } = setting;
  const slider = element("input", {
    type: "range",
    min: least,
    max: most,
    step,
    "aria-label": name,
    "data-acts": true,
  });
  const number = element("input", {
    type: "number",
    step: "any",
    "aria-label": `${name}, exactly`,
    placeholder: neutral === null ? "off" : null,
    "data-acts": true,
  });
  const refused = element("p", { class: "llm-refused" });
  const label = element("code", {}, name);
  let waiting = 0;
  let wrong = false;
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
  number.addEventListener("beforeinput", (event) => withPoint(event));
  number.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && number.value === "" && (neutral !== null || number.validity.badInput)) one.forget();
  });
  number.addEventListener("blur", () => one.draw(model.get("settings"))); // one that was emptied shows what is in use
  const node = element(
    "div",
    { class: "llm-setting" },
    element("span", { class: "llm-name" }, label),
    slider,
    number,
    element("span", { class: "llm-note" }, says),
    refused,
  );
  const one = {
    setting,
    node,
    /** Drop what was typed and refused. */
    forget() {
      wrong = false;
      refused.textContent = "";
      number.setAttribute("aria-invalid", "false");
      number.value = model.get("settings")[name] ?? "";
      one.draw(model.get("settings"));
    },
    draw(settings) {
      const value = settings[name] ?? null;
      node.classList.toggle("llm-set", value !== neutral);
      if (waiting) return;
      slider.value = log ? placeOf(value, model.get("vocabulary")) : value;
      if (log) slider.setAttribute("aria-valuetext", value === null ? "off" : howMany(value, "token"));
      if (!wrong && document.activeElement !== number) number.value = value ?? "";
      if (!wrong && document.activeElement === number && number.value !== "" && Number(number.value) !== value)
        number.value = value ?? "";
    },
  };
  return one;
}
