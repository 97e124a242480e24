// Fields for numbers, with or without a slider, and a drop-down list. If what the user types is not a valid number, it
// stays in the box until the user leaves the box, an error message appears, and the earlier number stays in use.

import { element } from "../shared/shared.mjs";
import { amount, parseAmount, spokenAmount } from "./words.mjs";

const FINE = 100; // slider steps per power of ten

/** Make a logarithmic slider, and a box for a number such as "70B". With `zero`, the slider's left end means 0. */
export function amountField({ label, range: [low, high], zero = false, change }) {
  const [from, to] = [low, high].map((value) => Math.round(Math.log10(value) * FINE));
  const slider = element("input", { type: "range", min: from, max: to, step: 1, "aria-label": label });
  const box = element("input", { type: "text", "aria-label": `${label}, as a number`, spellcheck: "false" });
  const refused = element("p", { class: "llm-refused" });
  let value = null;
  const tell = (wrong) => {
    box.setAttribute("aria-invalid", String(wrong));
    refused.textContent = wrong ? `Enter a number such as 70B, 1.4 trillion or 3e9. In use: ${amount(value)}.` : "";
  };
  slider.addEventListener("input", () => {
    const at = Number(slider.value);
    const three = Number((10 ** (at / FINE)).toPrecision(3));
    tell(false);
    change(zero && at === from ? 0 : three);
  });
  box.addEventListener("input", () => {
    const typed = zero && box.value.trim() === "0" ? 0 : parseAmount(box.value);
    const right = typed === 0 ? zero : typed !== null && typed >= low && typed <= high;
    tell(!right);
    if (right) change(typed);
  });
  box.addEventListener("blur", () => {
    tell(false);
    box.value = amount(value);
  });
  return {
    node: element("div", { class: "llm-setting" }, element("span", { class: "llm-name" }, label), slider, box, refused),
    draw(now) {
      value = now;
      slider.value = now ? Math.round(Math.log10(now) * FINE) : from;
      slider.setAttribute("aria-valuetext", now ? spokenAmount(now) : "none");
      if (document.activeElement !== box) box.value = amount(now);
    },
  };
}

/** Make a box for a number from `low` to `high`. */
export function numberField({ label, low, high, step = "any", change }) {
  const box = element("input", { type: "number", min: low, max: high, step, "aria-label": label });
  const refused = element("p", { class: "llm-refused" });
  let value = null;
  const tell = (wrong) => {
    box.setAttribute("aria-invalid", String(wrong));
    refused.textContent = wrong ? `Enter a number from ${low} to ${high.toLocaleString("en")}. In use: ${value}.` : "";
  };
  box.addEventListener("input", () => {
    const typed = Number(box.value);
    const right = box.value !== "" && typed >= low && typed <= high;
    tell(!right);
    if (right) change(typed);
  });
  box.addEventListener("blur", () => {
    tell(false);
    box.value = value;
  });
  return {
    node: element("div", { class: "llm-setting" }, element("span", { class: "llm-name" }, label), box, refused),
    draw(now) {
      value = now;
      if (document.activeElement !== box) box.value = now;
    },
  };
}

/** Make a drop-down list; when the user chooses an option, `change` is called with its index. */
export function listField({ label, change }) {
  const list = element("select", { "aria-label": label });
  list.addEventListener("change", () => change(Number(list.value)));
  let shown = "";
  return {
    node: element("label", { class: "llm-list" }, element("span", { class: "llm-name" }, label), list),
    draw(options, chosen) {
      const now = JSON.stringify(options);
      if (now !== shown) list.replaceChildren(...options.map((words, value) => element("option", { value }, words)));
      shown = now;
      list.value = chosen;
    },
  };
}
