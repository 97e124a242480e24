// Two columns of tokens with lines between them: on the left the query tokens, on the right the tokens that they look
// at.

import { element, shorten, visibleToken } from "../shared/shared.mjs";
import { svg } from "../shared/canvas.mjs";
import { rowAt, thinLabels } from "./layout.mjs";

const ROW = 26; // the maximum height of a token's row, in pixels

/**
 * Make what both panels with lines share: a canvas for the lines, labels over the canvas, and a pointer that finds
 * tokens. Each column takes `share` of the width. `room()` returns the number of tokens (`n`) and where the first
 * token begins (`top`).
 */
export function tokenColumns(ctx, { width, height, share, room, classes = "" }) {
  const left = Math.min(112, Math.round(share * width));
  const right = width - left;
  const canvas = element("canvas", { "aria-hidden": "true" });
  const overlay = svg("svg", { "aria-hidden": "true" });
  const node = element("div", { class: `llm-lines ${classes}`.trim() }, canvas, overlay);
  const tall = () => Math.min(height, room().n * ROW);

  const target = (event) => {
    const box = node.getBoundingClientRect();
    const row = rowAt(event.clientY - box.top - room().top, room().n, tall());
    return row === null ? null : { token: row, way: event.clientX - box.left < width / 2 ? "from" : "to" };
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

  /** Draw a line from one row to another, in the canvas context's colour and line width; `shift` keeps the lines of
   * several heads apart. */
  function line(context, from, to, shift = 0) {
    const step = tall() / room().n;
    const [y1, y2] = [from, to].map((row) => (row + 0.5) * step + shift);
    const bend = (right - left) * 0.45;
    context.beginPath();
    context.moveTo(left + 4, y1);
    context.bezierCurveTo(left + bend, y1, right - bend, y2, right - 4, y2);
    context.stroke();
  }

  /** Write as many tokens of both columns as fit. `strong` lists the tokens at the other ends of the strongest lines.
   * */
  function label(tokens, { focus, way, strong }) {
    const { palette } = ctx;
    const { top } = room();
    const centres = tokens.map((_, t) => ((t + 0.5) * tall()) / tokens.length);
    const column = (side) => {
      const own = way === side && focus !== null;
      const common = {
        x: side === "from" ? left - 2 : right + 2,
        "text-anchor": side === "from" ? "end" : "start",
        "font-size": 12,
      };
      const head = svg(
        "text",
        { ...common, y: top - 14, fill: palette.faint, "font-family": "system-ui, sans-serif" },
        side === "from" ? "looks from" : "looks at",
      );
      const names = thinLabels(centres, 14, focus === null ? [] : own ? [focus] : strong).map((t) => {
        const bold = own && t === focus;
        const bright = bold || (focus !== null && !own && strong.includes(t));
        return svg(
          "text",
          {
            ...common,
            y: top + centres[t] + 4,
            "font-family": "ui-monospace, monospace",
            "font-weight": bold ? 700 : 400,
            fill: bright ? palette.ink : palette.faint,
          },
          shorten(visibleToken(tokens[t]), 13),
        );
      });
      return [head, ...names];
    };
    overlay.replaceChildren(...column("from"), ...column("to"));
  }

  return { node, canvas, overlay, tall, line, label };
}
