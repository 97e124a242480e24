// Walking by keyboard: where a key leads, and lists where Tab reaches one part and other keys the rest.

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** An arrow key as a step of [rows, columns]; null: another key. */
export const arrowOf = (key) => ARROWS[key] ?? null;

/** Keep a number within 0 … count - 1. */
export const bounded = (at, count) => Math.max(0, Math.min(count - 1, at));

/** Where a key leads from part `here` of `count` parts in a line; null: nowhere. */
export function stepTo(key, here, count, rtl = false) {
  const steps = {
    ArrowRight: rtl ? here - 1 : here + 1,
    ArrowLeft: rtl ? here + 1 : here - 1,
    Home: 0,
    End: count - 1,
  };
  return here < 0 || !(key in steps) ? null : bounded(steps[key], count);
}

/** The same if Up means Left and Down means Right: in a line that wraps. */
export const stepEitherWay = (key, here, count) =>
  stepTo({ ArrowUp: "ArrowLeft", ArrowDown: "ArrowRight" }[key] ?? key, here, count);

/** Let Tab reach this part, and no other. */
export function tabTo(parts, one) {
  for (const part of parts) part.setAttribute("tabindex", part === one ? 0 : -1);
}

/**
 * Make a list where Tab reaches one of the `parts()`, the one that had the keyboard last. `lead(key, here, part)` says
 * which number a key leads to from number `here` (null: nowhere); `then(number)` is called once the keyboard is there.
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

/** Let Left, Right, Home and End step through the `count()` states of a view, except in controls that need them. */
export function stepping(el, controls, { here, count, go }) {
  el.addEventListener("keydown", (event) => {
    const taken = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey;
    const to = taken || event.target.closest(controls) ? null : stepTo(event.key, here(), count());
    if (to === null) return;
    event.preventDefault();
    go(to);
  });
}
