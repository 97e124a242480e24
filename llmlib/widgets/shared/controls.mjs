// Controls that several views share: a choice between options, and two boxes for texts to compare.

import { element, wellFormed } from "./shared.mjs";
import { following } from "./view.mjs";

/** Make a labelled row of radio buttons that look like one control. */
export function choice(label, options, chosen, choose) {
  const name = `llm-${Math.random().toString(36).slice(2)}`;
  const inputs = options.map(([value, words]) => {
    const input = element("input", { type: "radio", name, value });
    input.checked = value === chosen;
    input.addEventListener("change", () => choose(value));
    return element("label", {}, input, element("span", {}, words));
  });
  return element("span", { class: "llm-choice", role: "radiogroup", "aria-label": label }, ...inputs);
}

/**
 * Describe what controls look like, and what is chosen in them. The names of radio buttons do not count, because they
 * are random.
 */
const looks = (nodes) =>
  JSON.stringify(
    [...nodes].map((node) => [
      node.outerHTML.replaceAll(/ name="llm-[^"]*"/g, ""),
      [...node.querySelectorAll("select, input")].map(({ value, checked }) => [value, checked]),
    ]),
  );

/**
 * Replace controls with new ones, and keep the keyboard focus on the same control. If nothing would look different, the
 * old controls stay, because a click is lost if its control is replaced while the mouse button is down.
 */
export function renew(box, parts) {
  if (looks(box.children) === looks(parts)) return;
  const all = () => [...box.querySelectorAll("select, input, button")];
  const focused = all().indexOf(document.activeElement);
  box.replaceChildren(...parts);
  if (focused < 0) return;
  const controls = all();
  const at = controls[focused];
  (at?.type === "radio" ? controls.find((one) => one.name === at.name && one.checked) : at)?.focus();
}

/** Make boxes for the texts A and B. Each change is sent to Python, and what the user typed is never overwritten. */
export function textPanel(hub, model) {
  const area = (which, name, label, hint) => {
    const box = element("textarea", {
      rows: 2,
      spellcheck: "false",
      "aria-label": label,
      placeholder: hint,
      dir: "auto",
      "data-acts": true,
    });
    box.addEventListener("input", () =>
      hub.act("text", { which, text: wellFormed(box.value) }, { latest: `text ${which}` }),
    );
    return following(box, () => model.get(name));
  };
  const a = area("a", "text", "Text", "");
  const b = area("b", "text_b", "Second text to compare", "A second text to compare with (optional)");
  const node = element(
    "div",
    { class: "llm-texts" },
    element("label", {}, element("span", {}, "Text A"), a.box),
    element("label", {}, element("span", {}, "Text B"), b.box),
  );
  return {
    node,
    draw() {
      a.follow();
      b.follow();
    },
  };
}
