// Draws a head's attention as lines between two columns of tokens.

import { sized } from "../shared/canvas.mjs";
import { tokenColumns } from "./columns.mjs";
import { strongest, strongestPairs, weightAt, weightsOf } from "./data.mjs";
import { frame } from "./paint.mjs";

/** Make two columns of tokens with a line from left to right for each attention weight. */
export function linesPanel(ctx, width, height) {
  let top = 0;
  let pattern = null;
  let tokens = [];
  let pairs = [];
  const columns = tokenColumns(ctx, { width, height, share: 0.33, room: () => ({ top, n: pattern.n }) });
  const { node, canvas, overlay } = columns;

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
    const [focus, way] = [ctx.focus(), ctx.wayShown()];
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
    for (const [from, to] of shown) {
      const weight = weightAt(pattern, from, to);
      const size = Number.isNaN(weight) ? 1 : Math.min(1, Math.abs(weight) / pattern.scale);
      context.strokeStyle = colourOf(weight, pattern.signed, ctx.palette);
      context.globalAlpha = (focus === null ? 0.55 : 0.95) * Math.max(0.06, Math.sqrt(size));
      context.lineWidth = 0.75 + 3 * size;
      columns.line(context, from, to);
    }
    columns.label(tokens, { focus, way, strong });
  }
  return { node, draw, point };
}

function colourOf(weight, signed, { missing, more, less, accent }) {
  if (Number.isNaN(weight)) return missing;
  if (!signed) return accent;
  return weight > 0 ? more : less;
}
