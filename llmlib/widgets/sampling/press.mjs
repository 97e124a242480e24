// Makes sure that a mouse click hits its target, however much is being written at the same time.

const NEAR = 8; // pixels that the mouse may move while its button is down

/**
 * While the mouse button is down on one of `targets` (a selector), `held` is true, and the view should draw nothing:
 * the browser does not click a node that is replaced or slides away before the button is released. `release()` is
 * called once the click has been handled. If the target moves anyway, for example because a line appears above it, this
 * function clicks it instead.
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
    // the browser will not send its own click to this target
    if (near && node.isConnected && !node.contains(event.target)) node.click();
    setTimeout(() => {
      pressed = null;
      release();
    }); // the click follows right after this event
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
