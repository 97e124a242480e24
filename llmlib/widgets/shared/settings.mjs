// Shows a sampler's settings, each with a slider and a number. A number out of range stays as it was typed, with an
// error message beside it.

import { element, howMany } from "./shared.mjs";

/** The settings of a sampler. `neutral` is the value that has no effect (`null`: the setting is off). */
export const SETTINGS = [
  {
    name: "temperature",
    least: 0,
    most: 2,
    step: 0.05,
    neutral: 1,
    says: "below 1: sharper; above 1: flatter; 0: always the likeliest token",
  },
  {
    name: "top_p",
    least: 0.01,
    most: 1,
    step: 0.01,
    neutral: 1,
    says: "keeps the likeliest tokens that together reach this probability",
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
    says: "keeps tokens whose surprise is close to the average here",
  },
  {
    name: "repetition_penalty",
    least: 0.5,
    most: 2,
    step: 0.05,
    neutral: 1,
    more: true,
    says: "above 1: tokens that have already occurred become less likely",
  },
  {
    name: "frequency_penalty",
    least: -2,
    most: 2,
    step: 0.1,
    neutral: 0,
    more: true,
    says: "subtracted from a token’s logit for each earlier occurrence",
  },
  {
    name: "presence_penalty",
    least: -2,
    most: 2,
    step: 0.1,
    neutral: 0,
    more: true,
    says: "subtracted once from the logit of every token that has occurred",
  },
];

/**
 * Convert a slider's position (0 … 100) to a number of tokens; `placeOf` converts back. The far right means all tokens,
 * so the setting is off (null).
 */
export const tokensAt = (place, vocabulary) =>
  place >= 100 ? null : Math.max(1, Math.round(vocabulary ** (place / 100)));
export const placeOf = (tokens, vocabulary) =>
  tokens === null
    ? 100
    : Math.min(99, Math.round((100 * Math.log(Math.max(1, tokens))) / Math.log(Math.max(2, vocabulary))));

/**
 * List the settings in use, named as in Python: "temperature 0.8 · top_p 0.9". If no setting is in use, say so.
 */
export function settingsInWords(settings, banned = [], pattern = "") {
  const used = SETTINGS.filter(({ name, neutral }) => (settings[name] ?? null) !== neutral).map(
    ({ name }) => `${name} ${settings[name]}`,
  );
  if (banned.length) used.push(`${banned.length} banned`);
  if (pattern) used.push(`pattern ${pattern}`);
  return used.join(" · ") || "no settings";
}

const COMMA = (0.5).toLocaleString().includes(","); // browsers read decimal commas correctly in a locale that uses them

/** Read a typed "0,5" as 0.5, because the browser would drop the comma and read 5. */
function withPoint(event) {
  if (COMMA || !event.data?.includes(",")) return;
  event.preventDefault();
  document.execCommand("insertText", false, event.data.replaceAll(",", "."));
}

/**
 * Make the controls for one setting. They never overwrite a change that Python has not handled yet, or a number that
 * Python has refused.
 */
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
    "aria-label": `${name}, as a number`,
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
    if (number.value === "" && (neutral !== null || number.validity.badInput)) return; // the user is still typing
    turn(number.value === "" ? null : Number(number.value));
  });
  number.addEventListener("beforeinput", (event) => withPoint(event));
  number.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && number.value === "" && (neutral !== null || number.validity.badInput)) one.forget();
  });
  number.addEventListener("blur", () => one.draw(model.get("settings"))); // an empty box shows the value in use again
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
    /** Drop a number that was typed and refused. */
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
