// The basis of every view, and boxes for texts. The docstring of base.py explains how to build a view.

import { connect } from "./acts.mjs";
import { keepDrafts, ownText, setAside } from "./drafts.mjs";
import { element, keepKeys, wellFormed } from "./shared.mjs";
import { keepPictures } from "./saved.mjs";

const FOCUSABLE = 'a[href], button, input, select, summary, textarea, [tabindex]:not([tabindex="-1"])';

/**
 * Make a widget from `build({ model, el, hub, still })`, which fills `el` and returns functions that stop everything
 * that `build` started. `hub` is the connection to Python (see `connect`); put `hub.line` somewhere on the page.
 * `still`: this page has no Python.
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
 * Keep the keyboard focus in the view: if the focused control disappears, is hidden or is disabled, move the focus
 * to the nearest control. Otherwise the page's body would get the focus, and users would lose their place.
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
    const was = held; // did the user click elsewhere, or did the control vanish?
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
 * Make a box for a text that is used when the user presses Enter or the button; until then, a hint says that the text
 * is not used yet. `use(text)` is called with the new text, and `used()` returns the text in use.
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
      sameText(box.value, used()) || box.readOnly ? "" : `Not used yet: press Enter or “${button.textContent}”.`;
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
    /** Put another draft into the box, and return the previous draft. */
    exchange(draft) {
      const before = typed.exchange(draft);
      tell();
      return before;
    },
  };
}

/**
 * Make a field that shows the text in use (`used()`), but never overwrites what the user has typed.
 */
export function following(box, used) {
  let own = ""; // the text in use; null: the user has typed a text that is not used yet
  ownText(box, (text) => own !== null || sameText(text, used()));
  box.addEventListener("input", () => {
    own = null;
  }); // even if the text is the same as before
  const field = {
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
  field.follow(); // at once, since the user may already be typing here when the view is drawn
  return field;
}

/** Return whether two texts are the same, whatever their line endings; a text area changes line endings. */
export const sameText = (a, b) => a.replace(/\r\n?/g, "\n") === b.replace(/\r\n?/g, "\n");
