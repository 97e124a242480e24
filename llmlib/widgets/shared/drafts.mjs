// Text that the user has typed but not used survives a kernel restart: run the same cell again, and the text
// comes back.

import { VIEW } from "./saved.mjs";
import { element } from "./shared.mjs";

const WILL_BE_BACK = "What you typed will be in the new view.";
const COPY_FIRST = "First, copy what you typed: it will not be in the new view.";
const IS_BACK = "What you typed before the restart is back.";
const ownTexts = new WeakMap(); // what we know about the text in each box

/**
 * Register a box whose text must not be lost. `isUsed(text)` is true if Python has the text or the user did not type
 * it; then the text may be lost.
 */
export function ownText(box, isUsed = (text) => text === "") {
  ownTexts.set(box, { isUsed, others: new Map() });
}

/** Remember a draft, under the box's current label, when another draft replaces it in the box. */
export function setAside(box, text) {
  ownTexts.get(box)?.others.set(box.getAttribute("aria-label"), text);
}

/** Return the texts that were typed into these boxes but not used, by label. */
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

/**
 * Store texts by label, under a key for one view in one cell; `takeTexts` returns the texts and removes them. If
 * storage is full, store nothing and return false.
 */
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
 * Return a key for a view, made from its notebook, its cell, the number of its output, and its kind; null if no cell
 * contains the view. The `outputs` of each cell are a list of model ids, and `isMine(id)` recognises the view's model.
 */
export async function placeOfView(path, cells, kind, isMine) {
  for (const { id, outputs } of cells)
    for (const [number, model] of outputs.entries())
      if (model && (await isMine(model))) return `llm-draft ${JSON.stringify([path, id, number, kind])}`;
  return null;
}

/**
 * Return the notebook's path, its cells, and a test that recognises the view's model by its layout, because the
 * notebook has another object for the same model.
 */
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

/** Store a view's drafts when its kernel is gone, and restore them in the next view in the same cell. */
export function keepDrafts(name, model, el, hub) {
  const storage = storageOf();
  const boxes = () => el.querySelectorAll('textarea, input[type="text"]');
  const reminder = element("span", { class: "llm-note" });
  let place = null;
  let waiting = {};
  let isKept = false;

  function save() {
    const texts = { ...waiting, ...unusedIn(boxes()) };
    isKept = Boolean(storage && place) && keepTexts(storage, place, texts);
    tell(Object.keys(texts).length ? (isKept ? WILL_BE_BACK : COPY_FIRST) : "");
  }
  /** Show these words in the status line: IS_BACK at its beginning, any other words at its end. If there are no
   * words, hide the element. */
  function tell(words) {
    reminder.textContent = words;
    reminder.hidden = !words;
    reminder.classList.toggle("llm-kept", words !== IS_BACK); // shown only while the kernel is gone
    hub.line[words === IS_BACK ? "prepend" : "append"](reminder);
  }
  /** Put each draft into its box as if the user had typed it, unless the user has already typed something there. */
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
    hub.whenGone(() => setTimeout(save)); // later, because an unanswered message first returns to its box
    el.addEventListener("input", (event) => {
      if (event.isTrusted && reminder.textContent) tell("");
    });
    // A click may have opened a tab that has another box.
    el.addEventListener("click", () => {
      if (Object.keys(waiting).length) setTimeout(restore);
    });
  }
  return () => {
    if (hub.gone) save();
    else if (isKept) storage.removeItem(place);
  };
}
