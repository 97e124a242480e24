// The settings, and everything else that decides which token may come: a pattern and the seed.

import { renew } from "../shared/controls.mjs";
import { ownText } from "../shared/drafts.mjs";
import { element, isolated, shorten, spokenToken, visibleToken, wellFormed } from "../shared/shared.mjs";
import { settingField, SETTINGS } from "../shared/settings.mjs";

export function settingsPanel(ctx, hub, model) {
  const fields = SETTINGS.map((setting) => settingField(setting, hub, model));
  const seed = element("input", { type: "number", min: 0, step: 1, "aria-label": "seed", "data-acts": true });
  const refused = element("p", { class: "llm-refused" });
  seed.addEventListener("change", async () => {
    if (seed.value === "") {
      seed.value = model.get("seed");
      return;
    }
    const done = await hub.act("seed", { value: Number(seed.value) });
    refused.textContent = done ? "" : model.get("notice");
  });
  const again = element(
    "button",
    { type: "button", class: "llm-again", "data-acts": true, onclick: () => ctx.act("again") },
    "Start again with this seed",
  );
  const pattern = element("input", {
    type: "text",
    "aria-label": "pattern",
    placeholder: "yes|no|maybe",
    spellcheck: "false",
    "data-acts": true,
  });
  const allow = element(
    "form",
    { class: "llm-allow" },
    pattern,
    element("button", { type: "submit", "data-acts": true }, "Use this pattern"),
  );
  const misread = element("p", { class: "llm-refused" });
  allow.addEventListener("submit", async (event) => {
    event.preventDefault();
    const done = await hub.act("allow", { pattern: wellFormed(pattern.value) });
    misread.textContent = done ? "" : `${model.get("notice")} Still in use: ${model.get("pattern") || "no pattern"}.`;
  });
  let used = "";
  ownText(pattern, (text) => text === used);
  const forget = () => {
    // forget what the user typed if Python refused it, or if it has not been used yet
    fields.forEach((one) => one.forget());
    misread.textContent = refused.textContent = "";
    pattern.value = used;
    seed.value = model.get("seed");
  };
  const bans = element("div", { class: "llm-bans" });
  const banning = element(
    "div",
    { class: "llm-setting" },
    element("span", { class: "llm-name" }, element("code", {}, "banned")),
    bans,
  );
  const bannedToken = (id) =>
    element(
      "span",
      { "data-id": id },
      element("code", {}, isolated(shorten(visibleToken(ctx.word(id)), 15))),
      element(
        "button",
        {
          type: "button",
          "data-acts": true,
          "aria-label": `Allow ${spokenToken(ctx.word(id))} again`,
          onclick: () => ctx.act("ban", { id }),
        },
        "allow",
      ),
    );
  const reset = element(
    "button",
    {
      type: "button",
      "data-acts": true,
      onclick: () => {
        forget();
        hub.act("reset");
      },
    },
    "Reset all",
  );
  const more = element(
    "details",
    { class: "llm-more" },
    element("summary", {}, "More settings"),
    ...fields.filter((one) => one.setting.more).map((one) => one.node),
    element(
      "div",
      { class: "llm-setting" },
      element("span", { class: "llm-name" }, element("code", {}, "pattern")),
      element("span", { class: "llm-note" }, "the new text must match this regular expression"),
      allow,
      misread,
    ),
    element(
      "div",
      { class: "llm-setting" },
      element("span", { class: "llm-name" }, element("code", {}, "seed")),
      seed,
      element("span", { class: "llm-note" }, "the same seed gives the same tokens"),
      again,
      refused,
    ),
    element(
      "p",
      { class: "llm-note" },
      ctx.live ? "While these settings are open, you can ban a token with the button next to its bar." : "",
    ),
    banning,
  );
  more.addEventListener("toggle", () => ctx.redraw());
  const node = element(
    "div",
    { class: "llm-settings", role: "group", "aria-label": "Settings" },
    element("div", { class: "llm-title" }, "Settings", reset),
    ...fields.filter((one) => !one.setting.more).map((one) => one.node),
    more,
  );
  let opened = false;
  return {
    node,
    more,
    draw() {
      const settings = model.get("settings");
      const banned = model.get("banned");
      for (const one of fields) one.draw(settings);
      banning.hidden = !banned.length;
      renew(bans, banned.map(bannedToken));
      if (document.activeElement !== seed && !refused.textContent) seed.value = model.get("seed");
      if (pattern.value === used) pattern.value = model.get("pattern");
      used = model.get("pattern");
      const extra =
        SETTINGS.some(({ name, neutral, more: rare }) => rare && (settings[name] ?? null) !== neutral) ||
        banned.length ||
        used;
      if (extra && !opened) {
        opened = true;
        more.open = true;
      }
      reset.hidden = !(extra || SETTINGS.some(({ name, neutral }) => (settings[name] ?? null) !== neutral));
    },
  };
}
