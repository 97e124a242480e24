// Parts that several views use: a text that users step through token by token, and the likeliest tokens at a
// position.

import { roving, stepTo, tabTo } from "./keys.mjs";
import { element, inReadingOrder, isolated, percent, shorten, spokenToken, visibleToken } from "./shared.mjs";

/** Group the tokens' numbers into lines: a line ends after a token that ends with a newline. */
export function linesOf(texts) {
  const found = [[]];
  texts.forEach((text, k) => {
    found.at(-1).push(k);
    if (text.endsWith("\n") && k < texts.length - 1) found.push([]);
  });
  return found;
}

/**
 * Make a list that users step through with arrow keys; `boxes` holds a box for each token. `tell(k)` is called with
 * the number of the token under the pointer or with the keyboard focus, and with null when there is no such token.
 */
export function walk(texts, boxes, { label, tell, around = "ltr" }) {
  const list = element("div", {
    class: "llm-walk",
    role: "listbox",
    "aria-orientation": "horizontal",
    "aria-label": label,
  });
  let kept = null; // the focused token; while the pointer is over another token, that one is shown
  boxes.forEach((box) => {
    box.setAttribute("role", "option");
    box.setAttribute("aria-selected", "false");
  });
  for (const line of linesOf(texts)) {
    const row = element("div", { class: "llm-line", role: "presentation" });
    inReadingOrder(
      row,
      line.map((k) => texts[k]),
      line.map((k) => boxes[k]),
      around,
    );
    list.append(row);
  }
  const numberOf = (event) => boxes.indexOf(event.target.closest?.("[role=option]"));
  const orNone = (k) => (k < 0 ? kept : k);
  list.addEventListener("pointerover", (event) => tell(orNone(numberOf(event))));
  list.addEventListener("pointerleave", () => tell(kept));
  list.addEventListener("click", (event) => boxes[numberOf(event)]?.focus());
  list.addEventListener("focusin", (event) => {
    kept = numberOf(event);
    boxes.forEach((box, k) => box.setAttribute("aria-selected", String(k === kept)));
    tell(kept);
  });
  tabTo(boxes, boxes[0]);
  roving(
    list,
    () => boxes,
    (key, here, box) => stepTo(key, here, boxes.length, box.parentNode.dir === "rtl"),
  );
  return list;
}

/** List the likeliest tokens of a distribution, with bars; each entry is `{ text, p, chosen }`. */
export function likeliest(title, entries, rest = null) {
  const row = ({ text, p, chosen }) =>
    element(
      "li",
      { class: chosen ? "llm-chosen" : null },
      element("code", {}, isolated(shorten(visibleToken(text), 18))),
      element(
        "span",
        { class: "llm-track", "aria-hidden": "true" },
        element("span", { class: "llm-bar", style: `width: ${(100 * p).toFixed(1)}%` }),
      ),
      element("span", { class: "llm-value" }, percent(p)),
    );
  return element(
    "div",
    { class: "llm-likeliest" },
    element("div", { class: "llm-note" }, title),
    element("ol", {}, ...entries.map(row)),
    rest === null ? "" : element("div", { class: "llm-note" }, `all other tokens: ${percent(rest)}`),
  );
}

/** List the likeliest tokens in one sentence for a screen reader. */
export const likeliestSpoken = (entries) =>
  entries.map(({ text, p }) => `${spokenToken(text)} ${percent(p)}`).join(", ");
