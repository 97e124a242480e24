// The settings of a conversation: the system prompt, the sampler's settings, and the blind comparison.

import { element, wellFormed } from "../shared/shared.mjs";
import { choice } from "../shared/controls.mjs";
import { settingField, SETTINGS, settingsInWords } from "../shared/settings.mjs";
import { following } from "../shared/view.mjs";
import { tallyInWords } from "./data.mjs";

/**
 * Make a field for a number that Python stores. A number that Python refuses stays in the field, with the reason beside
 * it.
 */
function numberField(hub, model, { name, label, least, says }) {
  const number = element("input", { type: "number", min: least, step: 1, "aria-label": label, "data-acts": true });
  const refused = element("p", { class: "llm-refused" });
  number.addEventListener("change", async () => {
    if (number.value === "") {
      number.value = model.get(name);
      return;
    }
    const done = await hub.act(name, { value: Number(number.value) });
    number.setAttribute("aria-invalid", String(!done && !hub.gone));
    refused.textContent = done || hub.gone ? "" : model.get("notice");
  });
  const node = element(
    "div",
    { class: "llm-setting" },
    element("span", { class: "llm-name" }, element("code", {}, label)),
    number,
    element("span", { class: "llm-note" }, says),
    refused,
  );
  return {
    node,
    draw() {
      if (document.activeElement !== number && !refused.textContent) number.value = model.get(name);
    },
  };
}

/** Make the box for the system prompt and the settings, folded away until the user opens it. */
export function setupPart(hub, model) {
  const box = element("textarea", {
    rows: 2,
    dir: "auto",
    "aria-label": "System prompt",
    placeholder: "No system prompt of your own; the model’s chat template may add one",
    "data-acts": true,
  });
  const typed = following(box, () => model.get("system"));
  box.addEventListener("input", () => hub.act("system", { text: wellFormed(box.value) }, { latest: "system" }));
  const problems = element("div", { class: "llm-refused", role: "status" });
  const fields = SETTINGS.map((setting) => settingField(setting, hub, model));
  const numbers = [
    numberField(hub, model, {
      name: "limit",
      label: "longest answer",
      least: 1,
      says: "in tokens; longer answers are cut off",
    }),
    numberField(hub, model, {
      name: "seed",
      label: "seed",
      least: 0,
      says: "the same seed and the same messages give the same answers",
    }),
  ];
  const some = fields.filter(({ setting }) => !setting.more);
  const more = fields.filter(({ setting }) => setting.more);
  const grid = element("div", { class: "llm-grid" }, ...[...some, ...numbers].map(({ node }) => node));
  const others = element(
    "details",
    { class: "llm-more" },
    element("summary", {}, "More settings"),
    element("div", { class: "llm-grid" }, ...more.map(({ node }) => node)),
  );
  const summary = element("summary", {});
  const node = element(
    "details",
    { class: "llm-setup" },
    summary,
    element(
      "label",
      { class: "llm-system" },
      element("span", {}, "System prompt: goes before the whole conversation, and takes effect with your next message"),
      box,
    ),
    problems,
    grid,
    others,
  );
  return {
    node,
    draw() {
      const settings = model.get("settings");
      const turned = Object.keys(settings).length > 0;
      typed.follow();
      grid.hidden = others.hidden = !turned;
      problems.replaceChildren(...model.get("system_problems").map((words) => element("p", {}, words)));
      for (const one of [...fields, ...numbers]) one.draw(settings);
      summary.textContent = [
        "System prompt and settings",
        model.get("system").trim() ? "with a system prompt" : "",
        turned ? settingsInWords(settings) : "",
      ]
        .filter(Boolean)
        .join(" · ");
      if (model.get("system_problems").length) node.open = true;
    },
  };
}

/** Make the controls that determine how several models answer, and whether the user knows which model is which. */
export function comparisonPart(hub, model) {
  const blind = element("input", { type: "checkbox", "data-acts": true });
  const tally = element("span", { class: "llm-tally", role: "status" });
  blind.addEventListener("change", async () => {
    await hub.act("blind", { on: blind.checked });
    if (!hub.waiting) blind.checked = model.get("blind");
  });
  const forget = element(
    "button",
    { type: "button", class: "llm-quiet", "data-acts": true, onclick: () => hub.act("forget") },
    "Clear the votes",
  );
  const ways = choice(
    "How the models answer",
    [
      ["together", "all together"],
      ["turn", "in turn"],
    ],
    model.get("together") ? "together" : "turn",
    (way) => hub.act("order", { together: way === "together" }),
  );
  for (const input of ways.querySelectorAll("input")) input.setAttribute("data-acts", "");
  const node = element(
    "div",
    { class: "llm-row llm-comparison" },
    ways,
    element("label", {}, blind, " Blind comparison"),
    tally,
    forget,
  );
  return {
    node,
    draw() {
      node.hidden = model.get("names").length < 2;
      blind.checked = model.get("blind");
      for (const input of ways.querySelectorAll("input"))
        input.checked = (input.value === "together") === model.get("together");
      tally.textContent = tallyInWords(model.get("tally"), model.get("names"));
      forget.hidden = !tally.textContent;
    },
  };
}
