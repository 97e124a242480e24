// A mouse click hits what it was aimed at, however much is written meanwhile.

const NEAR = 8; // pixels that a hand may move between down and up

/**
 * While the mouse is down on one of `targets` (a selector), `held` is true, and the view should draw nothing: a node
 * that is replaced, or slides away, between down and up gets no click. `release()` is called once the click has been
 * handled. A target that moves anyway, say because a line appears above it, still gets the click.
 */
export function steadyPress(el, targets, release) {
  let pressed = null;
  const down = (event) => {
    const node = event.button === 0 ? event.target.closest?.(targets) : null;
    if (node) pressed = { node, x: event.clientX, y: event.clientY };
  };
  const up = (event) => {
    if (!pressed) return;
    const { node, x, y } = pressed;
    const near = event.type === "pointerup" && Math.hypot(event.clientX - x, event.clientY - y) < NEAR;
    // no click of the browser's own will reach it
    if (near && node.isConnected && !node.contains(event.target)) node.click();
    setTimeout(() => {
      pressed = null;
      release();
    }); // the click follows right after
  };
  const ends = ["pointerup", "pointercancel", "blur"];
  el.addEventListener("pointerdown", down);
  for (const name of ends) window.addEventListener(name, up);
  return {
    get held() {
      return pressed !== null;
    },
    stop() {
      for (const name of ends) window.removeEventListener(name, up);
    },
  };
}
