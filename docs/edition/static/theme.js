// Finds out which theme a page of the web edition shows, and gives that theme to a page that follows the system.

const dark = globalThis.matchMedia?.("(prefers-color-scheme: dark)");

/** Return "light" or "dark": the reader's choice, or else the system's theme. */
export function theme() {
  const chosen = document.body.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return dark.matches ? "dark" : "light";
}

/** Call `tell` now, and whenever this page changes its theme. */
export function followTheme(tell) {
  new MutationObserver(tell).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });
  dark.addEventListener("change", tell);
  tell();
}

/** Return a page's CSS rules for dark mode. Call this before `dress`, which changes the rules' conditions. */
export function darkRules(page) {
  const rules = [...page.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
  return rules.filter((rule) => rule.media?.mediaText.includes("prefers-color-scheme: dark"));
}

/** Show a page in the theme `now`, whatever theme the system uses. */
export function dress(page, rules, now) {
  for (const rule of rules) rule.media.mediaText = now === "dark" ? "all" : "not all";
  page.documentElement.style.colorScheme = now;
}
