// The looks of a head as lines between two columns of tokens.

import { element, shorten, visibleToken } from "../shared/shared.mjs";
import { sized, svg } from "../shared/canvas.mjs";
import { strongest, strongestPairs, weightAt, weightsOf } from "./data.mjs";
import { rowAt, thinLabels } from "./layout.mjs";
import { frame } from "./paint.mjs";

/** Two columns of tokens with a line for each look: from the left to the right. */
export function linesPanel(ctx, width, height) {
  let top = 0;
  const left = Math.min(112, Math.round(0.33 * width));
  const right = width - left;
  const canvas = element("canvas", { "aria-hidden": "true" });
  const overlay = svg("svg", { "aria-hidden": "true" });
  const node = element("div", { class: "llm-lines" }, canvas, overlay);
  let pattern = null;
  let tokens = [];
  let pairs = [];
  const tall = () => Math.min(height, pattern.n * 26);
  const target = (event) => {
    const box = node.getBoundingClientRect();
    const x = event.clientX - box.left;
    const row = rowAt(event.clientY - box.top - top, pattern.n, tall());
    return row === null ? null : { token: row, way: x < width / 2 ? "from" : "to" };
  };
  node.addEventListener("pointermove", (event) => {
    const hit = target(event);
    ctx.previewToken(hit?.token ?? null, hit?.way);
  });
  node.addEventListener("pointerleave", () => ctx.previewToken(null));
  node.addEventListener("click", (event) => {
    const hit = target(event);
    if (hit) ctx.lock(hit.token, hit.way);
  });

  function draw() {
    pattern = ctx.pattern(ctx.sideShown(), ctx.state.layer, ctx.state.head);
    tokens = ctx.text(ctx.sideShown() === "d" ? "a" : ctx.sideShown()).tokens;
    ({ top } = ctx.labelRoom(false));
    Object.assign(canvas.style, { left: 0, top: `${top}px` });
    frame(node, overlay, width, top + height + 2);
    pairs = strongestPairs(pattern, 200, 0.02 * pattern.scale);
    point();
  }

  function point() {
    const { palette } = ctx;
    const focus = ctx.focus();
    const n = pattern.n;
    const step = tall() / n;
    const way = ctx.wayShown();
    const ratio = sized(canvas, width, height);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    let shown = pairs;
    let strong = [];
    if (focus !== null) {
      const weights = weightsOf(pattern, focus, way);
      strong = strongest(weights, 8);
      shown = strongest(weights, 400).map((t) => (way === "from" ? [focus, t] : [t, focus]));
    }
    for (const [i, j] of shown) {
      const weight = weightAt(pattern, i, j);
      const size = Number.isNaN(weight) ? 1 : Math.min(1, Math.abs(weight) / pattern.scale);
      context.strokeStyle = Number.isNaN(weight)
        ? palette.missing
        : pattern.signed
          ? weight > 0
            ? palette.more
            : palette.less
          : palette.accent;
      context.globalAlpha = (focus === null ? 0.55 : 0.95) * Math.max(0.06, Math.sqrt(size));
      context.lineWidth = 0.75 + 3 * size;
      const y1 = (i + 0.5) * step;
      const y2 = (j + 0.5) * step;
      const bend = (right - left) * 0.45;
      context.beginPath();
      context.moveTo(left + 4, y1);
      context.bezierCurveTo(left + bend, y1, right - bend, y2, right - 4, y2);
      context.stroke();
    }
    const centres = tokens.map((_, t) => (t + 0.5) * step);
    const parts = [];
    for (const column of ["from", "to"]) {
      const own = way === column && focus !== null;
      const priority = focus === null ? [] : own ? [focus] : strong;
      const x = column === "from" ? left - 2 : right + 2;
      const anchor = column === "from" ? "end" : "start";
      parts.push(
        svg(
          "text",
          {
            x,
            y: top - 14,
            "text-anchor": anchor,
            "font-size": 12,
            fill: palette.faint,
            "font-family": "system-ui, sans-serif",
          },
          column === "from" ? "looks from" : "looks at",
        ),
      );
      for (const t of thinLabels(centres, 14, priority)) {
        const bold = own && t === focus;
        const heard = focus === null || own || strong.includes(t);
        parts.push(
          svg(
            "text",
            {
              x,
              y: top + centres[t] + 4,
              "text-anchor": anchor,
              "font-size": 12,
              "font-family": "ui-monospace, monospace",
              "font-weight": bold ? 700 : 400,
              fill: bold || (heard && !own && focus !== null) ? palette.ink : palette.faint,
            },
            shorten(visibleToken(tokens[t]), 13),
          ),
        );
      }
    }
    overlay.replaceChildren(...parts);
  }
  return { node, draw, point };
}
