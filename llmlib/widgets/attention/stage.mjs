// The main part of the view: the grid of all heads, one head, all heads of a layer, or the thumbnail of one head.

import { element } from "../shared/shared.mjs";
import { gridPanel } from "./grid.mjs";
import { coarsePanel, heatPanel } from "./heat.mjs";
import { boardUnder, gridHeight, gridRoom, headLayout } from "./layout.mjs";
import { linesPanel } from "./lines.mjs";
import { headsPanel, layerPanel } from "./overlay.mjs";
import { detailPanel, stripPanel } from "./panels.mjs";

/**
 * Arrange the parts that always exist (`look`, `legend`, `board`, and the lines `ordered`, `reading`, `away`). Panels
 * are rebuilt only when the user opens another level or run, or when sizes change; otherwise the keyboard focus stays
 * where it is.
 */
export function stagePanel(ctx, { look, legend, board, ordered, reading, away }) {
  const node = element("div", { class: "llm-stage" });
  const under = element("div", { class: "llm-under-grid" });
  const beside = element("div", { class: "llm-beside-grid" }, look.node);
  const aside = element("div", { class: "llm-aside" }, ordered, beside);
  const side = element("div", { class: "llm-side" });
  const after = element("div", { class: "llm-after" });
  let panels = [];
  let grids = [];
  let level = "";
  let size = null;
  let catchFocus = null;

  const sides = () => (ctx.state.show !== "both" ? [ctx.sideShown()] : ctx.comparable() ? ["a", "b", "d"] : ["a", "b"]);
  const nameOf = (one) => (one === "d" ? `${ctx.text("b").title} − ${ctx.text("a").title}` : ctx.text(one).title);
  const titled = (one, panel) =>
    sides().length === 1
      ? panel.node
      : element("figure", {}, element("figcaption", { "data-text": true }, nameOf(one)), panel.node);
  const kind = () => {
    if (ctx.state.layer === null) return "grid";
    return !ctx.whole() ? "coarse" : ctx.state.drawn === "layer" ? "layer" : "head";
  };

  function build(width) {
    const all = sides();
    const what = kind();
    const hasBoard = Boolean(board);
    if (what === "layer") {
      // each side gets a panel with lines, and there are no heat maps
      const each = ({ room }) => Math.floor((room - 12 * (all.length - 1)) / all.length);
      size = headLayout(width, window.innerHeight, { board: hasBoard });
      if (each(size) < 240) size = headLayout(width, window.innerHeight, { board: false });
      size.each = Math.min(760, each(size) < 240 ? size.room : each(size));
    } else if (what !== "grid") {
      const { left } = ctx.labelRoom(false);
      size = headLayout(width, window.innerHeight, { maps: all.length, board: hasBoard, left });
    }
    const wanted = [what, ...all, ctx.state.show, ...(what === "grid" ? [] : Object.values(size))].join(" ");
    if (wanted === level) return;
    level = wanted;
    const held = node.contains(document.activeElement) && !board?.node.contains(document.activeElement);
    grids = [];
    ({ grid: toGrid, coarse: toCoarse, layer: toLayer, head: toHead })[what](all, held);
    node.className = `llm-stage llm-at-${what === "grid" ? "grid" : "head"}`;
  }

  function toGrid(all) {
    grids = all.map((one) => gridPanel(ctx, one, all.length === 1));
    panels = all.length === 1 ? [...grids, look] : grids;
    look.node.hidden = all.length > 1;
    const box = element("div", { class: "llm-grids" }, ...grids.map((panel, k) => titled(all[k], panel)));
    const left = element("div", { class: "llm-left" }, box, under);
    if (node.contains(aside)) node.firstChild.replaceWith(left); // keeps `aside`: a control there may have the focus
    else node.replaceChildren(left, aside);
    if (all.length > 1) ordered.after(legend.node);
    else look.node.append(legend.node);
  }

  /** Show the patterns, with the board beside them if there is space, and the remaining parts below both. */
  function arrange(main, beneath) {
    const parts = [element("div", { class: "llm-main" }, ...main), ...(size.side ? [side] : [])];
    side.replaceChildren(...(size.side ? beneath : []));
    after.replaceChildren(...(size.side ? [] : beneath));
    node.replaceChildren(element("div", { class: "llm-columns" }, ...parts), after);
  }

  function toCoarse(all, held) {
    panels = all.map((one) => coarsePanel(ctx, one, size.heat));
    const pair = element(
      "div",
      { class: "llm-pair", tabindex: -1, role: "group", "aria-label": "Thumbnails" },
      ...panels.map((panel, k) => titled(all[k], panel)),
    );
    arrange([pair, element("div", { class: "llm-under" }, away, legend.node)], []);
    if (held) catchFocus = () => pair.focus({ preventScroll: true });
  }

  function toHead(all, held) {
    const heats = all.map((one) => heatPanel(ctx, one, size.heat, all.length > 1));
    const lines = size.lines && all.length === 1 ? [linesPanel(ctx, size.lines, size.heat)] : [];
    const strip = stripPanel(ctx);
    const detail = detailPanel(ctx, size.side && window.innerHeight < 880 ? 4 : 6);
    panels = [...heats, ...lines, strip, detail];
    const pair = element("div", { class: "llm-pair" }, ...heats.map((panel, k) => titled(all[k], panel)));
    pair.append(...lines.map((panel) => panel.node));
    arrange([pair, element("div", { class: "llm-under" }, reading, legend.node), strip.node], [detail.node]);
    if (held) catchFocus = () => heats[0].canvas.focus({ preventScroll: true });
  }

  function toLayer(all, held) {
    const layers = all.map((one) => layerPanel(ctx, one, size.each, size.tall));
    const heads = headsPanel(ctx, all[0]);
    const strip = stripPanel(ctx, false);
    panels = [...layers, heads, strip];
    const pair = element("div", { class: "llm-pair" }, ...layers.map((panel, k) => titled(all[k], panel)));
    arrange([pair, heads.node, strip.node], []);
    if (held) catchFocus = () => strip.node.querySelector("[tabindex='0']").focus({ preventScroll: true });
  }

  /** Move the board to another box, and keep the keyboard focus in it. */
  function place(box) {
    if (!board || board.node.parentNode === box) return;
    const focused = board.node.contains(document.activeElement) ? document.activeElement : null;
    box.prepend(board.node);
    if (box === beside) box.append(board.node);
    focused?.focus({ preventScroll: true });
  }

  function draw(width) {
    const { state } = ctx;
    build(width);
    const room = gridRoom(width, Math.max(1, grids.length), state.sort !== "layer");
    for (const grid of grids) grid.draw(room, gridHeight(window.innerHeight));
    const used = { width: grids.reduce((sum, grid) => sum + grid.width + 12, -12), height: grids[0]?.height };
    const rest = width - used.width - 24;
    for (const panel of panels) if (!grids.includes(panel)) panel.draw(rest >= 300 ? rest : width);
    if (grids.length) place(boardUnder(used, width, grids.length === 1) ? under : beside);
    else place(size.side ? side : after);
    catchFocus?.(); // the focus was on a control that is gone
    catchFocus = null;
    stick();
  }

  /** Keep the numbers above the grid in sight. (`position: sticky` does nothing inside JupyterLab's outputs.) */
  function stick() {
    if (!grids.length) return;
    let edge = 0;
    for (let box = node.parentElement; box; box = box.parentElement)
      if (box.scrollHeight > box.clientHeight + 1 && getComputedStyle(box).overflowY !== "visible")
        edge = Math.max(edge, box.getBoundingClientRect().top);
    for (const grid of grids) grid.stick(edge);
  }

  return {
    node,
    draw,
    stick,
    point() {
      for (const panel of panels) panel.point();
    },
    redrawHeat() {
      for (const panel of panels) if (panel.canvas) panel.draw();
    },
    zoom(factor) {
      panels.find((panel) => panel.zoom)?.zoom(factor);
    },
    focusHead: (layer, head) => grids[0]?.focusHead(layer, head),
  };
}
