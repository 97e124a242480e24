// Text that the reader has typed but not used outlives a restart of the kernel: run the same cell again, and it is
// back.

import { VIEW } from "./saved.mjs";
import { element } from "./shared.mjs";

const WILL_BE_BACK = "What you typed will be in the new view.";
const COPY_FIRST = "First copy what you typed: the new view will not have it.";
const IS_BACK = "What you typed before the restart is back.";
const ownTexts = new WeakMap(); // what is known about the text of each box that the reader types into

/** Say that a text in `box` must not be lost, unless `isUsed(text)`: then Python has it, or it is nobody's. */
export function ownText(box, isUsed = (text) => text === "") {
  ownTexts.set(box, { isUsed, others: new Map() });
}

/** A draft leaves the box for another draft; it belongs to the box's current label. */
export function setAside(box, text) {
  ownTexts.get(box)?.others.set(box.getAttribute("aria-label"), text);
}

/** Everything typed in these boxes and not used, by their labels. */
export function unusedIn(boxes) {
  const found = {};
  for (const box of boxes) {
    const label = box.getAttribute("aria-label");
    const { isUsed, others } = ownTexts.get(box) ?? {};
    if (!isUsed) continue;
    for (const [name, text] of others) if (text && name !== label) found[name] = text;
    if (box.value && !isUsed(box.value)) found[label] = box.value;
  }
  return found;
}

/** Keep texts by label, under a key for one view in one cell; they can be taken once. A full storage keeps none. */
export function keepTexts(storage, key, texts) {
  if (!Object.keys(texts).length) {
    storage.removeItem(key);
    return true;
  }
  try {
    storage.setItem(key, JSON.stringify(texts));
  } catch {
    storage.removeItem(key);
    return false;
  }
  return true;
}

export function takeTexts(storage, key) {
  const found = storage.getItem(key);
  storage.removeItem(key);
  return found === null ? {} : JSON.parse(found);
}

/**
 * A key for a view's place: its notebook, its cell, the number of its output, and its kind. The outputs are lists of
 * models' ids; `isMine(id)` says which is the view's own. Null if it is not in a cell, or if that is unknown.
 */
export async function placeOfView(path, cells, kind, isMine) {
  for (const { id, outputs } of cells)
    for (const [number, model] of outputs.entries())
      if (model && (await isMine(model))) return `llm-draft ${JSON.stringify([path, id, number, kind])}`;
  return null;
}

/** The cells of the notebook that shows a model, and how to recognise it there: only its layout is the same object. */
function notebookOf(model) {
  const manager = model.widget_manager;
  const { context } = manager ?? {};
  const idOf = (output) => output.data?.[VIEW]?.model_id;
  const outputsOf = ({ outputs }) => Array.from({ length: outputs?.length ?? 0 }, (_, k) => idOf(outputs.get(k)));
  const cells = Array.from(context?.model?.cells ?? [], (cell) => ({ id: cell.id, outputs: outputsOf(cell) }));
  const layout = model.get("layout");
  const modelOf = (id) => manager.get_model(id)?.catch(() => null);
  const isMine = async (id) => Boolean(layout) && (await modelOf(id))?.get("layout") === layout;
  return { path: context?.path, cells, isMine };
}

const storageOf = () => {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
};

/** Keep a view's drafts once its kernel is gone, and give them to the next view in its cell. */
export function keepDrafts(name, model, el, hub) {
  const storage = storageOf();
  const boxes = () => el.querySelectorAll('textarea, input[type="text"]');
  const told = element("span", { class: "llm-note" });
  let place = null;
  let waiting = {};
  let isKept = false;

  function save() {
    const texts = { ...waiting, ...unusedIn(boxes()) };
    isKept = Boolean(storage && place) && keepTexts(storage, place, texts);
    tell(Object.keys(texts).length ? (isKept ? WILL_BE_BACK : COPY_FIRST) : "");
  }
  /** Put after what the line says about the kernel; hidden if empty, so that it takes no room. */
  function tell(words) {
    told.textContent = words;
    told.hidden = !words;
    told.classList.toggle("llm-kept", words !== IS_BACK); // shown only as long as the kernel is gone
    hub.line[words === IS_BACK ? "prepend" : "append"](told);
  }
  /** Give each box its text as if somebody had typed it, unless somebody has typed there. */
  function restore() {
    for (const box of boxes()) {
      const label = box.getAttribute("aria-label");
      const text = waiting[label];
      if (text === undefined || !ownTexts.has(box)) continue;
      delete waiting[label];
      if (box.readOnly || label in unusedIn([box])) continue;
      box.value = text;
      box.dispatchEvent(new Event("input", { bubbles: true }));
      tell(IS_BACK);
    }
  }
  async function begin() {
    const { path, cells, isMine } = notebookOf(model);
    place = await placeOfView(path, cells, name, isMine);
    if (!place || !storage || hub.gone) return;
    waiting = takeTexts(storage, place);
    restore();
  }
  if (hub.live) {
    tell("");
    begin();
    hub.whenGone(() => setTimeout(save)); // a message that will not be answered comes back to its box first
    el.addEventListener("input", (event) => {
      if (event.isTrusted && told.textContent) tell("");
    });
    // A click may have opened a tab with its own box.
    el.addEventListener("click", () => {
      if (Object.keys(waiting).length) setTimeout(restore);
    });
  }
  return () => {
    if (hub.gone) save();
    else if (isKept) storage.removeItem(place);
  };
}
