// Light or dark: what the reader has chosen in the course's pages, or here; the name in the browser's storage is theirs.

import { darkRules, dress, followTheme, theme } from "../edition/static/theme.js";

const NAME = "theme";
const WORDS = { auto: "as the system", light: "light", dark: "dark" };

/** The theme after this one, in the order of the course's own switch: first the one that the system does not have. */
export function nextTheme(chosen, system) {
  const other = system === "dark" ? "light" : "dark";
  const order = ["auto", other, system];
  return order[(order.indexOf(chosen) + 1) % order.length];
}

/** What is kept, or "auto"; a browser may keep nothing, or something else. */
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
  addEventListener("storage", ({ key }) => key === NAME && choose(kept())); // chosen in another window
  addEventListener("pageshow", () => choose(kept())); // or on a page from which the reader comes back
  document.getElementById("theme").addEventListener("click", () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const chosen = nextTheme(document.body.dataset.theme, system);
    choose(chosen);
    try {
      localStorage.setItem(NAME, chosen);
    } catch {
      // then it lasts as long as the page
    }
  });
}
