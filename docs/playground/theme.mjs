// Uses light or dark colours, as the reader has chosen here or on the course's pages: both store the choice in the
// browser under the same name.

import { darkRules, dress, followTheme, theme } from "../edition/static/theme.js";

const NAME = "theme";
const WORDS = { auto: "same as the system", light: "light", dark: "dark" };

/** Return the next theme, as the course's switch does: after "auto" comes the theme that the system does not use. */
export function nextTheme(chosen, system) {
  const other = system === "dark" ? "light" : "dark";
  const order = ["auto", other, system];
  return order[(order.indexOf(chosen) + 1) % order.length];
}

/** Return the stored theme, or "auto" if the browser has stored no valid theme. */
function kept() {
  try {
    const chosen = localStorage.getItem(NAME);
    return chosen in WORDS ? chosen : "auto";
  } catch {
    return "auto";
  }
}

function choose(chosen) {
  document.body.dataset.theme = chosen;
  document.getElementById("theme").textContent = `Colours: ${WORDS[chosen]}`;
}

if (globalThis.document) {
  const rules = darkRules(document);
  choose(kept());
  followTheme(() => dress(document, rules, theme()));
  addEventListener("storage", ({ key }) => key === NAME && choose(kept())); // the theme was chosen in another window
  addEventListener("pageshow", () => choose(kept())); // or on another page, before the reader came back
  document.getElementById("theme").addEventListener("click", () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const chosen = nextTheme(document.body.dataset.theme, system);
    choose(chosen);
    try {
      localStorage.setItem(NAME, chosen);
    } catch {
      // without storage, the choice lasts only until the reader leaves the page
    }
  });
}
