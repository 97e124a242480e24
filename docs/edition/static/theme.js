// Which theme a page of the web edition shows, and how a page that follows the system is shown in another theme.

const dark = globalThis.matchMedia?.("(prefers-color-scheme: dark)");

/** "light" or "dark": what the reader has chosen, else what the system has. */
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

/** The rules of a page for a dark system, for `dress`: to be looked for before that is called. */
export function darkRules(page) {
  const rules = [...page.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
  return rules.filter((rule) => rule.media?.mediaText.includes("prefers-color-scheme: dark"));
}

/** Show a page in the theme `now`, whatever the system's is. */
export function dress(page, rules, now) {
  for (const rule of rules) rule.media.mediaText = now === "dark" ? "all" : "not all";
  page.documentElement.style.colorScheme = now;
}
