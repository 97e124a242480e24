// The heat map of a head. Each panel of the attention view gets the context `ctx` that view.mjs describes, and returns
// { node, draw, point }: `draw` shows new patterns; `point` follows the pointer or the keyboard, and is fast.

import { arrowOf, bounded } from "../shared/keys.mjs";
import { element, shorten, visibleToken } from "../shared/shared.mjs";
import { cellAt, panView, revealCell, thinLabels, wholeView, zoomView } from "./layout.mjs";
import { sized, svg } from "../shared/canvas.mjs";
import { frame, paint } from "./paint.mjs";

const HOW_TO_MOVE = [
  "Heat map. Arrow keys move from cell to cell, Enter pins the token,",
  "Plus and Minus zoom in and out, 0 shows everything, Escape goes back.",
].join(" ");

/** Make the heat map of one head: each row is a token that looks, and each column a token that is looked at. */
export function heatPanel(ctx, side, size, compact = false) {
  let left = 0;
  let top = 0;
  const canvas = element("canvas", {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "heat map",
    "aria-label": HOW_TO_MOVE,
  });
  const overlay = svg("svg", { "aria-hidden": "true" });
  const node = element("div", { class: "llm-heat" }, canvas, overlay);
  let pattern = null;
  let tokens = [];
  let dragged = null;
  const n = () => pattern.n;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const zoom = (factor, fx = 0.5, fy = 0.5) => {
    ctx.state.view = zoomView(ctx.state.view, factor, fx, fy, n());
    ctx.redrawHeat();
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 0) {
      dragged = { from: at(event), view: ctx.state.view, far: false };
      canvas.setPointerCapture(event.pointerId);
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (dragged) {
      const dx = x - dragged.from[0];
      const dy = y - dragged.from[1];
      const tokensPerPixel = dragged.view.span / size;
      if ((dragged.far ||= Math.hypot(dx, dy) > 4 && dragged.view.span < n())) {
        ctx.state.view = panView(dragged.view, -dx * tokensPerPixel, -dy * tokensPerPixel, n());
        ctx.redrawHeat();
        return;
      }
    }
    ctx.previewCell(cellAt(ctx.state.view, x, y, size, n()));
  });
  canvas.addEventListener("pointerup", (event) => {
    const cell = cellAt(ctx.state.view, ...at(event), size, n());
    if (dragged && !dragged.far && cell) ctx.lock(cell[ctx.state.way === "from" ? 0 : 1]);
    dragged = null;
  });
  canvas.addEventListener("pointercancel", () => {
    dragged = null;
  });
  canvas.addEventListener("pointerleave", () => ctx.previewCell(null));
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // otherwise the page scrolls as usual
      event.preventDefault();
      const [x, y] = at(event);
      zoom(Math.exp(-event.deltaY / 200), x / size, y / size);
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const { state } = ctx;
    const [i, j] = state.cell ?? [n() - 1, 0];
    const step = arrowOf(event.key);
    if (step) {
      const [qi, kj] = state.cell ? [bounded(i + step[0], n()), bounded(j + step[1], n())] : [i, j];
      state.view = revealCell(state.view, qi, kj, n());
      ctx.redrawHeat();
      ctx.previewCell([qi, kj], true);
    } else if (event.key === "Enter" || event.key === " ") ctx.lock(state.way === "from" ? i : j);
    else if (event.key === "+" || event.key === "=")
      zoom(1.5, (j + 0.5 - state.view.x) / state.view.span, (i + 0.5 - state.view.y) / state.view.span);
    else if (event.key === "-")
      zoom(1 / 1.5, (j + 0.5 - state.view.x) / state.view.span, (i + 0.5 - state.view.y) / state.view.span);
    else if (event.key === "0") {
      state.view = wholeView(n());
      ctx.redrawHeat();
    } else return;
    event.preventDefault();
  });

  function draw() {
    const { state } = ctx;
    pattern = ctx.pattern(side, state.layer, state.head);
    tokens = ctx.text(side === "d" ? "a" : side).tokens;
    if (state.view.span > n() || state.view.x + state.view.span > n()) state.view = wholeView(n());
    ({ left, top } = ctx.labelRoom(compact));
    const ratio = sized(canvas, size, size);
    const { x, y, span } = state.view;
    Object.assign(canvas.style, { left: `${left}px`, top: `${top}px` });
    frame(node, overlay, left + size + 2, top + size + 2);
    paint(canvas.getContext("2d"), pattern, { x, y, w: span, h: span }, 0, 0, Math.round(size * ratio), ctx.palette);
    point();
  }

  function point() {
    const { state, palette } = ctx;
    const { x, y, span } = state.view;
    const cell = size / span;
    const focus = ctx.focus();
    const parts = [];
    const [qi, kj] = state.cell ?? [-1, -1];
    const highlighted = (way) => (focus !== null && state.way === way ? focus : way === "from" ? qi : kj);
    if (focus !== null) {
      const from = (focus - (state.way === "from" ? y : x)) * cell;
      const band =
        state.way === "from"
          ? { x: left, y: top + from, width: size, height: cell }
          : { x: left + from, y: top, width: cell, height: size };
      if (from > -cell && from < size)
        parts.push(clipped(band, { fill: "none", stroke: palette.ink, "stroke-width": 1.5 }));
    }
    if (span < n())
      // dashes where the map continues beyond the visible part
      for (const [on, x1, y1, x2, y2] of [
        [y > 0, 0, 0, 1, 0],
        [y + span < n(), 0, 1, 1, 1],
        [x > 0, 0, 0, 0, 1],
        [x + span < n(), 1, 0, 1, 1],
      ])
        if (on)
          parts.push(
            svg("line", {
              x1: left + x1 * size,
              y1: top + y1 * size,
              x2: left + x2 * size,
              y2: top + y2 * size,
              stroke: palette.warm,
              "stroke-width": 3,
              "stroke-dasharray": "7 5",
            }),
          );
    if (state.cell) {
      const box = { x: left + (kj - x) * cell, y: top + (qi - y) * cell, width: cell, height: cell };
      parts.push(clipped(box, { fill: "none", stroke: palette.accent, "stroke-width": 2 }));
    }
    const inside = tokens.map((_, t) => t);
    for (const axis of ["from", "to"]) {
      const start = axis === "from" ? y : x;
      const seen = inside.filter((t) => t + 0.5 >= start && t + 0.5 <= start + span);
      const first = seen[0] ?? 0;
      const centres = seen.map((t) => (t + 0.5 - start) * cell);
      const chosen = highlighted(axis);
      for (const k of thinLabels(centres, compact ? 12 : 14, [chosen - first])) {
        const t = seen[k];
        const strong = t === chosen;
        const common = {
          "font-size": compact ? 11 : 12,
          fill: strong ? palette.ink : palette.faint,
          "font-weight": strong ? 700 : 400,
          "font-family": "ui-monospace, monospace",
        };
        const words = shorten(visibleToken(tokens[t]), compact ? 9 : 12);
        parts.push(
          axis === "from"
            ? svg("text", { ...common, x: left - 6, y: top + centres[k] + 4, "text-anchor": "end" }, words)
            : svg(
                "text",
                { ...common, transform: `translate(${left + centres[k] + 3} ${top - 6}) rotate(-60)` },
                words,
              ),
        );
      }
    }
    const corner = {
      "font-size": compact ? 11 : 12,
      fill: palette.faint,
      "text-anchor": "end",
      "font-family": "system-ui, sans-serif",
    };
    parts.push(
      svg("text", { ...corner, x: left - 6, y: top - 24 }, "key →"),
      svg("text", { ...corner, x: left - 6, y: top - 11 }, "query ↓"),
    );
    overlay.replaceChildren(...parts);
  }

  function clipped(box, style) {
    const x = Math.max(box.x, left);
    const y = Math.max(box.y, top);
    return svg("rect", {
      x,
      y,
      width: Math.max(0, Math.min(box.x + box.width, left + size) - x),
      height: Math.max(0, Math.min(box.y + box.height, top + size) - y),
      ...style,
    });
  }
  return { node, draw, point, zoom, canvas };
}

/** Show a head's enlarged thumbnail, for use when the page does not have the head's whole pattern. */
export function coarsePanel(ctx, side, size) {
  const canvas = element("canvas", { role: "img", "aria-label": "Thumbnail of this head" });
  function draw() {
    const ratio = sized(canvas, size, size);
    const pattern = ctx.thumbnail(side, ctx.state.layer, ctx.state.head);
    paint(
      canvas.getContext("2d"),
      pattern,
      { x: 0, y: 0, w: pattern.n, h: pattern.n },
      0,
      0,
      Math.round(size * ratio),
      ctx.palette,
    );
  }
  return { node: element("div", { class: "llm-coarse" }, canvas), draw, point() {} };
}
