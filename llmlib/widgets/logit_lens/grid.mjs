// The grid of layers × positions: its cells, and frames around the pinned cell and the cell that is pointed at.

import { arrowOf, bounded } from "../shared/keys.mjs";
import { element, oncePerFrame, visibleToken } from "../shared/shared.mjs";
import { sized } from "../shared/canvas.mjs";
import { cellInWords, isPending, layerName, MEASURES, windowOf, wordAt } from "./data.mjs";

const NARROW = 56;
const WIDE = 116;
const HEAD = 26;
const LEFT = 72; // pixels: least and greatest width of a cell, height of the row of tokens, width of the layers' names
const rowHeight = (layers) => (layers > 24 ? 18 : layers > 14 ? 22 : 26);

/** Return as much of a token as fits into `room` pixels. */
function fitted(context, token, room, known) {
  const key = `${room} ${token}`;
  if (!known.has(key)) {
    let label = visibleToken(token ?? "");
    if (context.measureText(label).width > room) {
      const letters = Array.from(label).slice(0, 40);
      while (letters.length > 1 && context.measureText(`${letters.join("")}…`).width > room) letters.pop();
      label = `${letters.join("")}…`;
    }
    known.set(key, label);
  }
  return known.get(key);
}

/**
 * Make the grid of one side. It calls `ctx.point(place)` when the pointer moves, and `ctx.lock(place)` when the user
 * pins a cell.
 */
export function gridPanel(ctx, which) {
  const canvas = element("canvas", {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "grid of layers and positions",
    "aria-label": "Grid. Arrow keys move from cell to cell; Enter pins the cell, and Escape unpins it.",
  });
  const hovered = element("div", { class: "llm-cell llm-hovered" });
  const locked = element("div", { class: "llm-cell llm-locked" });
  const spacer = element("div", { class: "llm-spacer" }, canvas, locked, hovered);
  const scroller = element("div", { class: "llm-scroller" }, spacer);
  const rows = element("div", { class: "llm-rows", "aria-hidden": "true" });
  const map = element("canvas", { "aria-hidden": "true" });
  const frame = element("div", { class: "llm-frame" });
  const strip = element("div", { class: "llm-map" }, map, frame);
  const caption = element("figcaption", { "data-text": true });
  const node = element(
    "figure",
    { class: "llm-side" },
    caption,
    strip,
    element("div", { class: "llm-body" }, rows, scroller),
  );
  const known = new Map();
  let room = 0;
  let shown = null;
  let height = 0;
  let code = () => 0;

  const side = () => ctx.sides[which];
  const inSight = () => windowOf(side().n, room, scroller.scrollLeft, NARROW, WIDE);
  const topOf = (layer) => HEAD + layer * height + (layer === side().layers - 1 ? 4 : 0); // a gap sets the answer apart

  function cellAt(event) {
    const box = spacer.getBoundingClientRect();
    const { cell } = inSight();
    const position = Math.floor((event.clientX - box.left) / cell);
    const y = event.clientY - box.top;
    const layer = Math.min(side().layers - 1, Math.floor((y - HEAD - (y > topOf(side().layers - 1) ? 4 : 0)) / height));
    return position < 0 || position >= side().n || layer < 0 || y > topOf(side().layers - 1) + height
      ? null
      : { side: which, layer, position };
  }

  canvas.addEventListener("pointermove", (event) => ctx.point(cellAt(event)));
  canvas.addEventListener("pointerleave", () => ctx.point(null));
  canvas.addEventListener("click", (event) => {
    const place = cellAt(event);
    if (place) ctx.lock(place);
  });
  const scrolled = oncePerFrame(() => {
    paint();
    ctx.scrolled(self, scroller.scrollLeft / inSight().cell);
  });
  scroller.addEventListener("scroll", scrolled);
  canvas.addEventListener("keydown", (event) => {
    const move = arrowOf(event.key);
    const now =
      ctx.state.pointed?.side === which
        ? ctx.state.pointed
        : ctx.state.locked?.side === which
          ? ctx.state.locked
          : null;
    if (move) {
      const last = side().layers - 1;
      const to = now
        ? { layer: now.layer + move[0], position: now.position + move[1] }
        : { layer: last, position: side().n - 1 };
      const place = {
        side: which,
        layer: bounded(to.layer, last + 1),
        position: bounded(to.position, side().n),
      };
      ctx.point(place);
      reveal(place.position);
      ctx.speak(cellInWords(side(), place.layer, place.position, ctx.spoken));
    } else if (event.key === "Enter" || event.key === " ") {
      if (now) ctx.lock(now);
    } else if (event.key === "Escape") ctx.lock(null);
    else return;
    event.preventDefault();
  });

  function reveal(position) {
    const { cell } = inSight();
    const left = position * cell;
    if (left < scroller.scrollLeft) scroller.scrollLeft = left;
    else if (left + cell > scroller.scrollLeft + room) scroller.scrollLeft = left + cell - room;
  }

  const drag = (event) => {
    if (!(event.buttons & 1)) return;
    const box = map.getBoundingClientRect();
    scroller.scrollLeft = ((event.clientX - box.left) / box.width) * inSight().width - room / 2;
  };
  strip.addEventListener("pointerdown", (event) => {
    strip.setPointerCapture(event.pointerId);
    drag(event);
  });
  strip.addEventListener("pointermove", drag);

  /** Build everything for a width of `width` pixels. */
  function draw(width) {
    const one = side();
    const before = shown;
    room = Math.max(NARROW, width - LEFT - 2);
    height = rowHeight(one.layers);
    const { cell, width: whole, scrolls } = inSight();
    room = Math.min(room, whole);
    code = MEASURES[ctx.measure()].shade;
    caption.textContent = Object.keys(ctx.sides).length > 1 ? one.title : "";
    caption.hidden = !caption.textContent;
    const names = Array.from({ length: one.layers }, (_, layer) => layerName(layer, one.layers));
    const label = (words, top) =>
      element("span", { style: `top: ${top}px; line-height: ${height - 1}px`, "data-text": true }, words);
    if (before !== one)
      rows.replaceChildren(
        label("reads", 3),
        ...names.map((name, layer) => label(name, topOf(layer))),
        label("then came", topOf(one.layers) + 2),
      );
    const total = topOf(one.layers) + 4 + height + 2;
    rows.style.height = spacer.style.height = `${total}px`;
    spacer.style.width = `${whole}px`;
    scroller.style.width = `${room}px`;
    if (before?.n !== one.n && scrolls)
      scroller.scrollLeft = ctx.state.locked ? ctx.state.locked.position * cell - room / 2 : whole;
    shown = one;
    strip.hidden = !scrolls;
    if (scrolls) drawMap();
    paint();
  }

  function drawMap() {
    const { n, layers } = side();
    const small = element("canvas", { width: n, height: layers });
    const image = new ImageData(n, layers);
    for (let at = 0; at < n * layers; at++) image.data.set([...ctx.shade(code(side(), at)).rgb, 255], 4 * at);
    small.getContext("2d").putImageData(image, 0, 0);
    const tall = Math.max(36, Math.min(66, 2 * layers));
    const context = map.getContext("2d");
    const ratio = sized(map, room, tall);
    context.imageSmoothingEnabled = n > room * ratio;
    context.drawImage(small, 0, 0, map.width, map.height);
  }

  /** Draw the cells that are in sight. */
  function paint() {
    const one = side();
    const { cell, from, to, width } = inSight();
    const context = canvas.getContext("2d");
    const left = scroller.scrollLeft;
    const total = parseFloat(spacer.style.height);
    const ratio = sized(canvas, room, total);
    const measure = ctx.measure();
    const { label } = MEASURES[measure];
    context.setTransform(ratio, 0, 0, ratio, -left * ratio, 0);
    context.clearRect(left, 0, room, total);
    context.font = ctx.font;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const last = one.layers - 1;
    const words = (token, x, y, ink) => {
      context.fillStyle = ink;
      context.fillText(fitted(context, token, cell - 6, known), x + cell / 2, y);
    };
    for (let position = from; position < to; position++) {
      const x = position * cell;
      words(one.tokens[position], x, HEAD / 2, ctx.palette.ink);
      for (let layer = 0; layer <= last; layer++) {
        const at = layer * one.n + position;
        const y = topOf(layer);
        const { fill, ink } = ctx.shade(code(one, at));
        context.fillStyle = fill;
        context.fillRect(x, y, cell - 1, height - 1);
        if (isPending(one, at)) continue;
        if (label) {
          context.fillStyle = ink;
          context.fillText(label(one, at), x + cell / 2, y + height / 2);
        } else words(wordAt(one, layer, position), x, y + height / 2, ink);
        if (ctx.differs(which, layer, position)) {
          context.fillStyle = ctx.palette.warm;
          context.beginPath();
          context.moveTo(x + cell - 8, y);
          context.lineTo(x + cell - 1, y);
          context.lineTo(x + cell - 1, y + 7);
          context.fill();
        }
      }
      if (position + 1 < one.n) words(one.tokens[position + 1], x, topOf(last + 1) + 4 + height / 2, ctx.palette.faint);
    }
    Object.assign(frame.style, { left: `${(left / width) * room}px`, width: `${(room / width) * room}px` });
    point();
  }

  /** Mark where the user is looking, and change nothing else. */
  function point() {
    const { cell } = inSight();
    for (const [box, place] of [
      [hovered, ctx.state.pointed],
      [locked, ctx.state.locked],
    ]) {
      const here =
        place && place.position < side().n && place.layer < side().layers && (place.side === which || ctx.linked());
      box.style.display = here ? "block" : "none";
      if (here)
        Object.assign(box.style, {
          left: `${place.position * cell}px`,
          top: `${topOf(place.layer)}px`,
          width: `${cell - 1}px`,
          height: `${height - 1}px`,
        });
    }
  }

  function scrollTo(position) {
    const left = position * inSight().cell;
    if (Math.abs(left - scroller.scrollLeft) >= 1) scroller.scrollLeft = left;
  }
  const self = { node, draw, point, scrollTo, canvas, stop: scrolled.stop };
  return self;
}
