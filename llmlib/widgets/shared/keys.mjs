// Keyboard navigation: where a key leads, and lists in which Tab reaches one item and arrow keys reach the others.

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** Return how far an arrow key moves, as [rows, columns]; null for any other key. */
export const arrowOf = (key) => ARROWS[key] ?? null;

/** Keep a number between 0 and count - 1. */
export const bounded = (at, count) => Math.max(0, Math.min(count - 1, at));

/** Return the item that a key steps to from item `here` in a line of `count` items; null if there is none. */
export function stepTo(key, here, count, rtl = false) {
  const steps = {
    ArrowRight: rtl ? here - 1 : here + 1,
    ArrowLeft: rtl ? here + 1 : here - 1,
    Home: 0,
    End: count - 1,
  };
  return here < 0 || !(key in steps) ? null : bounded(steps[key], count);
}

/** Like `stepTo`, but for items that wrap onto several lines: Up works like Left, and Down like Right. */
export const stepEitherWay = (key, here, count) =>
  stepTo({ ArrowUp: "ArrowLeft", ArrowDown: "ArrowRight" }[key] ?? key, here, count);

/** Let Tab reach only this item. */
export function tabTo(parts, one) {
  for (const part of parts) part.setAttribute("tabindex", part === one ? 0 : -1);
}

/**
 * Make a list where Tab reaches one of the `parts()`: the item that last had the keyboard focus. `lead(key, here,
 * part)` returns the number of the item to which a key leads from item `here` (null: nowhere). `then(number)` is called
 * once the focus is on the new item.
 */
export function roving(list, parts, lead, then = () => {}) {
  const partOf = (event) => parts().find((part) => part.contains(event.target));
  list.addEventListener("focusin", (event) => {
    const part = partOf(event);
    if (part) tabTo(parts(), part);
  });
  list.addEventListener("keydown", (event) => {
    const part = partOf(event);
    const to = part ? lead(event.key, parts().indexOf(part), part) : null;
    if (to === null) return;
    event.preventDefault();
    parts()[to].focus();
    then(to);
  });
}

/** Let Left, Right, Home and End step through the `count()` states of a view, except in controls that need these keys.
 * */
export function stepping(el, controls, { here, count, go }) {
  el.addEventListener("keydown", (event) => {
    const taken = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey;
    const to = taken || event.target.closest(controls) ? null : stepTo(event.key, here(), count());
    if (to === null) return;
    event.preventDefault();
    go(to);
  });
}
