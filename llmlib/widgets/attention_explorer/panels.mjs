// The panels of the attention explorer. Each is made with the context `ctx` that view.mjs describes and gives
// { node, draw, point }: `draw` shows new patterns, `point` follows the pointer or the keyboard and is cheap.

import { direction, element, inReadingOrder, shorten, spokenToken, visibleToken } from "../shared/shared.mjs";
import { encode, inWords, strongest, strongestPairs, weightAt, weightsOf } from "./data.mjs";
import { cellAt, panView, revealCell, rowAt, thinLabels, wholeView, zoomView } from "./layout.mjs";
import { sized, svg } from "../shared/canvas.mjs";
import { colourNames, frame, paint } from "./paint.mjs";

/** The heat map of one head: each row is a token that looks, each column one that is looked at. */
export function heatPanel(ctx, side, size, compact = false) {
  let left = 0;
  let top = 0;
  const canvas = element("canvas", {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "heat map",
    "aria-label":
      "Heat map. Arrow keys move from cell to cell, Enter keeps the token, plus and minus zoom, 0 shows all, Escape goes back.",
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
      if (!event.ctrlKey && !event.metaKey) return; // otherwise the page scrolls, as everywhere
      event.preventDefault();
      const [x, y] = at(event);
      zoom(Math.exp(-event.deltaY / 200), x / size, y / size);
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    const { state } = ctx;
    const [i, j] = state.cell ?? [n() - 1, 0];
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    const clamp = (v) => Math.max(0, Math.min(n() - 1, v));
    if (step) {
      const [qi, kj] = state.cell ? [clamp(i + step[0]), clamp(j + step[1])] : [i, j];
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
      // dashes where the map goes on beyond what is seen
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

/** A head of a long text that is not here whole: its thumbnail, large. */
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

/** The text itself, each token shaded by its share of one head's look, where it is one head that is shown. */
export function stripPanel(ctx, shaded = true) {
  const node = element("div", {
    class: "llm-strip",
    role: "listbox",
    "aria-label": "The text. Arrow keys move, Enter keeps a token.",
    "aria-orientation": "horizontal",
  });
  let spans = [];
  let made = null;
  let colours = {};
  let codes = [];
  const tokens = () => ctx.text(ctx.sideShown() === "d" ? "a" : ctx.sideShown()).tokens;
  const index = (event) => spans.indexOf(event.target.closest("[role=option]"));
  node.addEventListener("pointerover", (event) => {
    const t = index(event);
    if (t >= 0) ctx.previewToken(t);
  });
  node.addEventListener("pointerleave", () => ctx.previewToken(null));
  node.addEventListener("click", (event) => {
    const t = index(event);
    if (t >= 0) ctx.lock(t);
  });
  node.addEventListener("keydown", (event) => {
    const t = index(event);
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -t, End: spans.length - 1 - t }[
      event.key
    ];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      ctx.lock(t);
      return;
    }
    if (step === undefined || !spans[t + step]) return;
    event.preventDefault();
    spans[t].tabIndex = -1;
    spans[t + step].tabIndex = 0;
    spans[t + step].focus();
    ctx.previewToken(t + step, undefined, true);
  });

  node.addEventListener("focusin", (event) => {
    // its weight is said when it is reached, not for all at each move
    const t = index(event);
    const focus = ctx.focus();
    if (t < 0 || focus === null || !shaded) return;
    const pattern = ctx.pattern(ctx.sideShown(), ctx.state.layer, ctx.state.head);
    const [i, j] = ctx.wayShown() === "from" ? [focus, t] : [t, focus];
    spans[t].setAttribute(
      "aria-label",
      `${spokenToken(tokens()[t])}, ${inWords(weightAt(pattern, i, j), pattern.signed)}`,
    );
  });

  function draw() {
    const wanted = tokens().join("\u0000");
    if (wanted !== made) {
      made = wanted;
      spans = tokens().map((token, t) =>
        element(
          "span",
          {
            role: "option",
            tabindex: t ? -1 : 0,
            dir: direction(token),
            "data-text": true,
            "aria-label": spokenToken(token),
          },
          visibleToken(token),
        ),
      );
      node.replaceChildren();
      inReadingOrder(node, tokens(), spans);
    }
    spans.forEach((span, t) => span.setAttribute("aria-selected", String(t === ctx.state.token)));
    colours = colourNames(ctx.palette);
    codes = [];
    point();
  }

  function point() {
    const focus = ctx.focus();
    const pattern = ctx.pattern(ctx.sideShown(), ctx.state.layer, ctx.state.head);
    const isShaded = shaded && focus !== null;
    const named = colours[pattern.signed];
    const weights = isShaded ? weightsOf(pattern, focus, ctx.wayShown()) : null;
    spans.forEach((span, t) => {
      const code = weights ? encode(weights[t], pattern.scale, pattern.signed) + 1 : 0;
      if (code === codes[t]) return; // most of a long text stays as it is
      codes[t] = code;
      [span.style.background, span.style.color] = named[code];
    });
    node.querySelector(".llm-focus")?.classList.remove("llm-focus");
    if (focus !== null) spans[focus]?.classList.add("llm-focus");
  }
  return { node, draw, point };
}

/** Who looks where, in words and bars, `most` lines each: one list while hovering, both ways for a token that is kept. */
export function detailPanel(ctx, most = 6) {
  const node = element("div", { class: "llm-detail" });
  node.style.setProperty("--lines", most);
  function list(way, focus, side) {
    const pattern = ctx.pattern(side, ctx.state.layer, ctx.state.head);
    const { tokens } = ctx.text(side === "d" ? "a" : side);
    if (focus >= tokens.length) return "";
    const weights = weightsOf(pattern, focus, way);
    const token = shorten(visibleToken(tokens[focus]), 16);
    const items = strongest(weights, most).map((t) => {
      const weight = weights[t];
      const size = Number.isNaN(weight) ? 1 : Math.abs(weight) / pattern.scale;
      const { palette } = ctx;
      const bar = element("span", { class: "llm-bar" });
      bar.style.width = `${100 * Math.min(1, size)}%`;
      bar.style.background = Number.isNaN(weight) ? palette.missing : weight < 0 ? palette.less : palette.accent;
      return element(
        "li",
        {},
        element("code", { "data-text": true }, shorten(visibleToken(tokens[t]), 16)),
        element("span", { class: "llm-where" }, String(t)),
        element("span", { class: "llm-track" }, bar),
        element("span", { class: "llm-value", "data-text": true }, inWords(weight, pattern.signed)),
      );
    });
    const where = ctx.state.show === "both" ? `${ctx.text(side).title}: ` : "";
    const words = way === "from" ? `${token} looks at` : `${where ? "who" : "Who"} looks at ${token}`;
    return element("section", {}, element("h4", { "data-text": true }, where + words), element("ol", {}, ...items));
  }
  function draw() {
    const focus = ctx.focus();
    const way = ctx.wayShown();
    const both = ctx.state.show === "both";
    const hint = "Point at a token to see its look; click it, or press Enter, to keep it.";
    if (focus === null) node.replaceChildren(element("p", { class: "llm-note" }, hint));
    else if (both) node.replaceChildren(list(way, focus, "a"), list(way, focus, "b"));
    else {
      const ways = ctx.state.token !== null ? ["from", "to"] : [way];
      node.replaceChildren(...ways.map((each) => list(each, focus, ctx.sideShown())));
    }
  }
  return { node, draw, point: draw };
}

/** What the colours mean. */
export function legendPanel(ctx) {
  const node = element("div", { class: "llm-legend" });
  function scale(signed) {
    const bar = element("span", { class: "llm-ramp" });
    const text = ctx.text("a");
    const { state } = ctx;
    const most = signed
      ? Math.round(
          1000 * ctx.pattern("d", state.layer ?? state.previewed.layer, state.head ?? state.previewed.head).scale,
        ) / 10
      : 0;
    bar.style.background = `linear-gradient(to right, ${ctx.palette.stops[signed].join(", ")})`;
    const ticks = signed
      ? [
          [0, `−${most}`],
          [0.25, `−${most / 4}`],
          [0.5, "0"],
          [0.75, `+${most / 4}`],
          [1, `+${most}`],
        ]
      : [
          [0, "0"],
          [0.1, "1%"],
          [Math.sqrt(0.1), "10%"],
          [0.5, "25%"],
          [Math.SQRT1_2, "50%"],
          [1, "100%"],
        ];
    const marks =
      signed || text.scale === 1
        ? ticks
        : [
            [0, "0"],
            [1, text.scale.toPrecision(3)],
          ];
    const words = signed
      ? `change in points, scaled to ${state.layer === null ? "all heads" : "this head"}`
      : "attention";
    return element(
      "span",
      { class: "llm-scale" },
      bar,
      element(
        "span",
        { class: "llm-ticks" },
        ...marks.map(([at, label]) => {
          const tick = element("span", { "data-text": true }, label);
          tick.style.left = `${100 * at}%`;
          return tick;
        }),
      ),
      element("span", { "data-text": true, class: "llm-unit" }, words),
    );
  }
  function draw() {
    const { show } = ctx.state;
    const missing = element("span", { class: "llm-missing" }, "not a number");
    missing.style.setProperty("--swatch", ctx.palette.missing);
    const scales = [
      ...(show !== "difference" ? [scale(false)] : []),
      ...(show === "difference" || (show === "both" && ctx.comparable()) ? [scale(true)] : []),
    ];
    node.replaceChildren(...scales, ...(ctx.hasMissing() ? [missing] : []));
  }
  return { node, draw, point() {} };
}
