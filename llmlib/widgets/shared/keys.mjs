// Walking by keyboard: where a key leads, and lists of which Tab reaches one part and other keys the rest.

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** An arrow key as a step of [rows, columns]; null: another key. */
export const arrowOf = (key) => ARROWS[key] ?? null;

/** The number of the part of `count` that is nearest to `at`. */
export const bounded = (at, count) => Math.max(0, Math.min(count - 1, at));

/** Where a key leads from part `here` of `count` in a line; null: nowhere. */
export function stepTo(key, here, count, rtl = false) {
  const steps = {
    ArrowRight: rtl ? here - 1 : here + 1,
    ArrowLeft: rtl ? here + 1 : here - 1,
    Home: 0,
    End: count - 1,
  };
  return here < 0 || !(key in steps) ? null : bounded(steps[key], count);
}

/** The same where Up is as good as Left, and Down as Right: in a line that is broken into several. */
export const stepEitherWay = (key, here, count) =>
  stepTo({ ArrowUp: "ArrowLeft", ArrowDown: "ArrowRight" }[key] ?? key, here, count);

/** Tab reaches this one of the parts, and no other. */
export function tabTo(parts, one) {
  for (const part of parts) part.setAttribute("tabindex", part === one ? 0 : -1);
}

/**
 * A list of which Tab reaches one of the `parts()`, the one that had the keyboard last; `lead(key, here, part)` says to
 * which number a key leads from number `here` (null: nowhere), and `then(number)` is called once the keyboard is there.
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

/** Left, Right, Home and End step through the `count()` states of a view, but not in controls that need these keys. */
export function stepping(el, controls, { here, count, go }) {
  el.addEventListener("keydown", (event) => {
    const taken = event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey;
    const to = taken || event.target.closest(controls) ? null : stepTo(event.key, here(), count());
    if (to === null) return;
    event.preventDefault();
    go(to);
  });
}
