// The picture of the embeddings: the cloud on a canvas, with lines, arrows and names over it.

import { element } from "../shared/shared.mjs";
import { parseColour, sized, svg } from "../shared/canvas.mjs";
import {
  arrowPath,
  makeScreen,
  packColour,
  pick,
  placeLabels,
  pointStyle,
  projectCloud,
  rasterise,
  rowsInside,
  UNDRAWN,
} from "./data.mjs";

// Each colour has a contrast of at least 3:1 with the paper, and colour-blind people can tell the colours apart (after
// Okabe and Ito, 2008).
const KIND_COLOURS = {
  false: ["#0b5cad", "#d55e00", "#00805e", "#b3589a", "#1f8fc4", "#a87400", "#6b7280", "#1f2328"],
  true: ["#79b8ff", "#ff9248", "#3ecf9f", "#e7a0d2", "#45c5e8", "#f2c14e", "#9aa4b0", "#f4f6f8"],
};
const MOST_NAMED = 400; // with more tokens on the screen, only tokens that the user asked for are named

export const kindColours = (dark) => KIND_COLOURS[dark];

/**
 * Make the map: the canvas, and the layer of lines and names over the canvas. `ctx.map()` returns the cloud.
 */
export function plotPanel(ctx) {
  let { cloud, order } = ctx.map();
  const canvas = element("canvas", {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "map",
    "aria-label": `Map of ${cloud.n.toLocaleString("en")} tokens`,
    "aria-describedby": ctx.helpId,
  });
  const overlay = svg("svg", { "aria-hidden": "true" });
  const nothing = element(
    "button",
    {
      type: "button",
      class: "llm-nothing",
      hidden: true,
      onclick: () => {
        ctx.showAll();
        canvas.focus();
      },
    },
    "No tokens in view: reset",
  );
  const tip = element("div", { class: "llm-tooltip", "aria-hidden": "true", hidden: true });
  const node = element("div", { class: "llm-plot" }, canvas, overlay, nothing, tip);
  const screen = makeScreen(cloud.n);
  let fine = null; // the points' positions in canvas pixels, if a canvas pixel is smaller than a CSS pixel
  let width = 0;
  let height = 0;
  let ratio = 1;
  let image = null;
  let pixels = null;

  const at = (row) => [screen.x[row], screen.y[row]];

  function resize(w, h) {
    width = w;
    height = h;
    ratio = sized(canvas, w, h);
    Object.assign(node.style, { width: `${w}px`, height: `${h}px` });
    overlay.setAttribute("width", w);
    overlay.setAttribute("height", h);
    image = new ImageData(canvas.width, canvas.height);
    pixels = new Uint32Array(image.data.buffer);
  }

  function paint() {
    ({ cloud, order } = ctx.map());
    const { camera, hidden } = ctx.state;
    const { palette } = ctx;
    const style = pointStyle(cloud.drawn, camera.zoom / ctx.start().zoom);
    projectCloud(cloud, camera, width, height, screen);
    const onPixels =
      ratio === 1 ? screen : projectCloud(cloud, camera, canvas.width, canvas.height, (fine ??= makeScreen(cloud.n)));
    const colours = ctx.kindNames.map((_, kind) =>
      hidden.has(kind) ? null : packColour(parseColour(kindColours(palette.dark)[kind])),
    );
    rasterise(pixels, canvas.width, canvas.height, onPixels, cloud.kinds, order, {
      colours,
      paper: packColour(parseColour(palette.paper)),
      radius: style.radius * ratio,
      opacity: style.opacity,
      deep: camera.dims === 3,
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
    overlay.replaceChildren(...marks(), ...crosshair());
    nothing.hidden = rowsInside(screen, cloud.kinds, unseen(), width, height, 0) === null;
    pointAt();
  }

  const unseen = () => new Set([...ctx.state.hidden, UNDRAWN]);

  /** Show the name of the token under the pointer, beside the token's point. */
  function pointAt() {
    const { pointed } = ctx.state;
    tip.hidden = pointed < 0;
    if (pointed < 0) return;
    tip.replaceChildren(
      element("bdi", { class: "llm-token" }, ctx.shortLabel(pointed)),
      ` · id ${pointed} · ${ctx.kindOf(pointed)}`,
    );
    const [x, y] = at(pointed).map((v, k) => Math.max(0, Math.min([width, height][k], v)));
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(width - box.width, x + 12))}px`;
    tip.style.top = `${y + 14 + box.height > height ? Math.max(0, y - 14 - box.height) : y + 14}px`;
  }

  const dot = (row, radius, attributes) =>
    svg("circle", { cx: at(row)[0].toFixed(1), cy: at(row)[1].toFixed(1), r: radius, ...attributes });

  /** Draw lines to neighbours, rings around found tokens, arrows of an analogy, and names. */
  function marks() {
    const { palette, state } = ctx;
    const drawn = [];
    const named = [];
    const inside = (row) => at(row)[0] > -40 && at(row)[1] > -40 && at(row)[0] < width + 40 && at(row)[1] < height + 40;
    for (const row of ctx.found())
      if (inside(row)) drawn.push(dot(row, 6, { fill: "none", stroke: palette.ink, "stroke-width": 1.5 }));
    const near = ctx.nearRows();
    const arrows = ctx.arrows();
    const ends = arrows.flat();
    const chosen = ctx.overlay === "neighbours" ? ctx.chosen : -1;
    const faint = (row) =>
      cloud.kinds[row] === UNDRAWN
        ? { fill: palette.paper, stroke: palette.ink, "stroke-width": 1.5 }
        : { fill: palette.ink, stroke: palette.paper };
    if (chosen >= 0) {
      const spoke = (row) =>
        `M${at(chosen)
          .map((v) => v.toFixed(1))
          .join(" ")}L${at(row)
          .map((v) => v.toFixed(1))
          .join(" ")}`;
      drawn.push(
        svg("path", { d: near.map(spoke).join(""), stroke: palette.paper, "stroke-width": 3.5, fill: "none" }),
      ); // a wide, paper-coloured edge sets the lines off from the cloud
      drawn.push(
        ...near.map((row) =>
          svg("path", { d: spoke(row), stroke: palette.ink, "stroke-width": 1.2, fill: "none", class: "llm-spoke" }),
        ),
      );
      drawn.push(...near.map((row) => dot(row, 3.5, faint(row))));
      drawn.push(dot(chosen, 6, { fill: palette.accent, stroke: palette.paper, "stroke-width": 2 }));
    }
    const warm = palette.dark ? "#ffb870" : "#9a4f00"; // the colour --llm-warm of shared.css
    for (const [from, to] of arrows)
      drawn.push(
        svg("path", {
          d: arrowPath(...at(from), ...at(to)),
          fill: warm,
          stroke: palette.paper,
          "paint-order": "stroke",
          "stroke-width": 2,
          class: "llm-arrow",
        }),
      );
    drawn.push(...ends.map((row) => dot(row, 4, { fill: warm, stroke: palette.paper })));
    const { pointed } = state;
    if (pointed >= 0) drawn.push(dot(pointed, 8, { fill: "none", stroke: palette.accent, "stroke-width": 2.5 }));

    const strong = new Set([chosen, pointed, ...ends].filter((row) => row >= 0));
    named.push(
      ...strong,
      ...near,
      ...ctx.found(),
      ...(rowsInside(screen, cloud.kinds, unseen(), width, height, MOST_NAMED) ?? []),
    );
    const asked = new Set([...strong, ...near]); // these names may be farther from their points, at the end of a line
    const items = [...new Set(named)]
      .filter(inside)
      .map((row) => ({ row, x: at(row)[0], y: at(row)[1], label: ctx.shortLabel(row), far: asked.has(row) }));
    for (const {
      row,
      label,
      x: px,
      y: py,
      at: [x, y],
      anchor,
      line,
    } of placeLabels(items, width, height, [...asked].map(at))) {
      if (line)
        drawn.push(
          svg("path", {
            d: `M${px.toFixed(1)} ${py.toFixed(1)}L${line[0]} ${line[1].toFixed(1)}`,
            stroke: palette.faint,
            "stroke-width": 0.8,
            fill: "none",
            class: "llm-leader",
          }),
        );
      drawn.push(
        svg(
          "text",
          {
            x: x.toFixed(1),
            y: y.toFixed(1),
            "text-anchor": anchor,
            "font-size": 12,
            "font-family": "ui-monospace, monospace",
            fill: palette.ink,
            stroke: palette.paper,
            "stroke-width": 3.5,
            "stroke-linejoin": "round",
            "paint-order": "stroke",
            direction: "ltr",
            "font-weight": strong.has(row) ? 700 : 400,
          },
          label,
        ),
      );
    }
    return drawn;
  }

  function crosshair() {
    if (!ctx.state.aiming) return [];
    const x = width / 2;
    const y = height / 2;
    const line = { stroke: ctx.palette.ink, "stroke-width": 1, class: "llm-aim" };
    return [
      svg("line", { x1: x - 9, x2: x + 9, y1: y, y2: y, ...line }),
      svg("line", { x1: x, x2: x, y1: y - 9, y2: y + 9, ...line }),
    ];
  }

  return {
    node,
    canvas,
    resize,
    paint,
    at,
    size: () => [width, height],
    pick: (x, y, most = 12) => pick(screen, cloud.kinds, unseen(), x, y, most),
    project: () => projectCloud(cloud, ctx.state.camera, width, height, screen),
  };
}
