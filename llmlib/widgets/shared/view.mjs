// What every view begins with, so that none has to think of it. The way to build one is told at the head of base.py.

import { connect } from "./acts.mjs";
import { keepDrafts, ownText, setAside } from "./drafts.mjs";
import { element, keepKeys, wellFormed } from "./shared.mjs";
import { keepPictures } from "./saved.mjs";

const FOCUSABLE = 'a[href], button, input, select, summary, textarea, [tabindex]:not([tabindex="-1"])';

/**
 * A widget from `build({ model, el, hub, still })`, which fills `el` and returns a function, or several, that stop what
 * it began. `hub` is the way to Python (see `connect`); its `line` has to be put somewhere. `still`: a page without
 * Python.
 */
export function widget(name, build) {
  return {
    render({ model, el }) {
      el.classList.add("llm", name);
      keepKeys(el);
      const hub = connect(model, el);
      const letGo = holdFocus(el);
      const stops = [build({ model, el, hub, still: Boolean(model.get("_standalone")) })].flat();
      if (!hub.line.isConnected && !el.contains(hub.line)) el.prepend(hub.line);
      keepPictures(model);
      const leave = keepDrafts(name, model, el, hub);
      return () => {
        leave();
        hub.close();
        letGo();
        stops.forEach((stop) => stop?.());
      };
    },
  };
}

/**
 * The keyboard keeps its place: where the control that has the focus vanishes, is hidden or switched off, the nearest
 * one gets it. Otherwise the page's body would, from where nothing can be reached.
 */
function holdFocus(el) {
  let held = null;
  let around = [];
  const forget = () => {
    held = null;
  };
  const taken = (event) => {
    held = event.target;
    around = [];
    for (let node = held.parentNode; node && node !== el.parentNode; node = node.parentNode) around.push(node);
  };
  const left = (event) => {
    if (event.relatedTarget) {
      forget();
      return;
    }
    const was = held; // a click on nothing, or was it taken away?
    setTimeout(() => {
      if (held === was && was?.isConnected && !was.disabled) forget();
    });
  };
  const rescue = () => {
    if (!held || (held.isConnected && !held.disabled && !held.closest("[hidden]"))) return;
    const now = document.activeElement;
    if (now && now !== document.body && now !== held) {
      forget();
      return;
    }
    const lost = held;
    for (const node of around.filter((one) => el.contains(one))) {
      const next = [...node.querySelectorAll(FOCUSABLE)].find(
        (one) => one !== lost && !one.disabled && one.getClientRects().length,
      );
      if (next) {
        next.focus();
        return;
      }
    }
    el.tabIndex = -1;
    el.focus();
  };
  el.addEventListener("focusin", taken);
  el.addEventListener("focusout", left);
  const changed = new MutationObserver(rescue);
  changed.observe(el, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled", "hidden"] });
  return () => changed.disconnect();
}

/**
 * A box for a text that is used when the reader says so, by Enter or by the button; until then it says that it is not.
 * `use(text)` gets it, `used()` tells which text is in use.
 */
export function textBox({ label, button: words, rows = 2, use, used }) {
  const box = element("textarea", { rows, "aria-label": label, dir: "auto", spellcheck: "false", "data-acts": true });
  const button = element(
    "button",
    { type: "button", "data-acts": true, onclick: () => use(wellFormed(box.value)) },
    words,
  );
  const hint = element("span", { class: "llm-note llm-unused" });
  const node = element("div", { class: "llm-row llm-text-box" }, box, button, hint);
  const typed = following(box, used);
  const tell = () => {
    hint.textContent =
      sameText(box.value, used()) || box.readOnly ? "" : `Not used yet: press Enter, or “${button.textContent}”.`;
  };
  box.addEventListener("input", tell);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!box.readOnly) use(wellFormed(box.value));
  });
  return {
    node,
    box,
    button,
    follow() {
      typed.follow();
      tell();
    },
    /** Another draft takes the box, and the one that was there is handed out. */
    exchange(draft) {
      const before = typed.exchange(draft);
      tell();
      return before;
    },
  };
}

/**
 * A field that follows the text in use (`used()`) only as long as it holds what was in use before: what the reader has
 * typed is never written over.
 */
export function following(box, used) {
  let own = ""; // what was put here by the view, or typed and used; null: typed, and not used yet
  ownText(box, (text) => own !== null || sameText(text, used()));
  box.addEventListener("input", () => {
    own = null;
  }); // though it may be, letter by letter, what was there before
  return {
    box,
    follow() {
      if (box.value === own && !sameText(own, used())) box.value = used();
      if (sameText(box.value, used())) own = box.value;
    },
    exchange(draft) {
      const before = { text: box.value, own };
      setAside(box, own === null ? box.value : "");
      box.value = draft.text;
      own = draft.own;
      return before;
    },
  };
}

/** Whether two texts are the same; a text area has its own line ends. */
export const sameText = (a, b) => a.replace(/\r\n?/g, "\n") === b.replace(/\r\n?/g, "\n");
