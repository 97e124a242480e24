// How the mouse and the keyboard move, turn and zoom the map, and how users point at tokens and pin them.

import { arrowOf } from "../shared/keys.mjs";
import { panned, turned } from "./data.mjs";

const STEP = 40;
const TURN = 0.12; // pixels and radians per press of an arrow key
const PER_PIXEL = 0.008; // how many radians the cloud turns per pixel of a drag

/**
 * Let the user steer the map with the mouse and the keyboard. `look(camera)`, `zoom(factor, place)` and `reset()` move
 * the camera; `middle()` returns the middle of the picture.
 */
export function steer(ctx, cloud, plot, { look, zoom, reset, middle, redraw }) {
  const { state } = ctx;
  const { canvas } = plot;

  // With the mouse, the user drags to move or turn the map, and clicks to pin a token.
  let drag = null;
  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const shift = (dx, dy, moving) => {
    const { camera } = state;
    look(
      camera.dims === 3 && !moving
        ? { ...camera, turn: turned(camera.turn, dx * PER_PIXEL, dy * PER_PIXEL) }
        : panned(camera, dx, dy, ...plot.size()),
    );
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    drag = { last: placeOf(event), moved: 0 };
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = placeOf(event);
    if (!drag) {
      ctx.point(plot.pick(x, y));
      return;
    }
    const dx = x - drag.last[0];
    const dy = y - drag.last[1];
    drag.moved += Math.hypot(dx, dy);
    if (drag.moved < 4) return;
    drag.last = [x, y];
    state.pointed = -1;
    canvas.classList.add("llm-dragging");
    shift(dx, dy, event.shiftKey);
  });
  const release = (event) => {
    canvas.classList.remove("llm-dragging");
    if (drag && drag.moved < 4 && event.type === "pointerup") {
      const row = plot.pick(...placeOf(event));
      if (row >= 0) ctx.choose(row);
    }
    drag = null;
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => ctx.point(-1));
  canvas.addEventListener(
    "wheel",
    (event) => {
      // otherwise the user could not scroll past the map
      if (!event.ctrlKey && document.activeElement !== canvas) return;
      event.preventDefault();
      zoom(Math.exp(-Math.max(-480, Math.min(480, event.deltaY * (event.deltaMode ? 20 : 1))) / 400), placeOf(event));
    },
    { passive: false },
  );

  // With the keyboard, the user points with a cross in the middle of the map.
  const aim = (on) => {
    state.aiming = on;
    redraw();
  };
  canvas.addEventListener("focus", () => aim(canvas.matches(":focus-visible")));
  canvas.addEventListener("blur", () => {
    aim(false);
    ctx.point(-1);
  });
  canvas.addEventListener("keydown", (event) => {
    const arrow = arrowOf(event.key);
    const step = state.camera.dims === 3 && !event.shiftKey ? -TURN / PER_PIXEL : STEP;
    if (arrow) shift(-arrow[1] * step, -arrow[0] * step, event.shiftKey);
    else if (event.key === "+" || event.key === "=") zoom(1.3);
    else if (event.key === "-") zoom(1 / 1.3);
    else if (event.key === "0") reset();
    else if (event.key === "Escape") ctx.choose(-1);
    else if (event.key === "Enter") {
      const row = nearMiddle();
      if (row >= 0) ctx.choose(row);
    } else return;
    event.preventDefault();
    state.aiming = true;
    state.pointed = nearMiddle();
    if (event.key !== "Enter" && event.key !== "Escape")
      ctx.speak(state.pointed < 0 ? "No token in the middle" : cloud.spoken(state.pointed));
  });
  const nearMiddle = () => {
    plot.project();
    return plot.pick(...middle(), 30);
  };
}
