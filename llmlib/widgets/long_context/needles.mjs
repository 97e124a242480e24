// Draws a grid for each arm: how often a needle is found, for each length of the text and each depth.

import { element } from "../shared/shared.mjs";
import { arrowOf, bounded, roving } from "../shared/keys.mjs";
import { cellInWordsOf, depthText, firstBeyond, foundInWords, foundText, meanFound } from "./data.mjs";

/** Make the panel that shows the grids; `ctx` holds the grids and where the user is looking (see view.mjs). */
export function needlesPanel(ctx, hub) {
  const box = element("div", { class: "llm-grids" });
  const reading = element("p", { class: "llm-reading", "aria-live": "polite" });
  const title = "A needle in a haystack: how often is it found?";
  const measure = element(
    "button",
    { type: "button", "data-acts": true, onclick: () => hub.act("measure") },
    "Measure the missing cells",
  );
  const note = element("div", { class: "llm-note", "data-text": true });
  const node = element(
    "div",
    { class: "llm-needles", role: "group", "aria-label": "Needles in a haystack" },
    element("span", { class: "llm-title", "data-text": true }, title),
    note,
    measure,
    box,
    reading,
  );
  let tables = [];

  /**
   * Build the tables with empty cells. `draw` only fills the cells, so the keyboard focus stays where it is while a
   * grid grows.
   */
  function build() {
    const { lengths, depths, trained } = ctx.about;
    const past = firstBeyond(lengths, trained);
    const line = past > 0 ? " The thick line marks the trained length." : "";
    note.textContent = `Across: length of the text in tokens. Down: how far into the text the needle is.${line}`;
    const edge = (column) => (column === past && past > 0 ? "llm-edge" : null);
    tables = ctx.grids.map(({ name }) => {
      const mean = element("span", { class: "llm-note", "data-text": true });
      const tokens = (length, column) =>
        element("th", { scope: "col", class: edge(column), "data-text": true }, length.toLocaleString("en"));
      const cells = depths.map((_, row) =>
        lengths.map((_length, column) =>
          element("td", { tabindex: row || column ? -1 : 0, class: edge(column), "data-text": true }),
        ),
      );
      const rows = depths.map((depth, row) =>
        element("tr", {}, element("th", { scope: "row", "data-text": true }, depthText(depth)), ...cells[row]),
      );
      const corner = element("td", {}); // not a heading, since it does not name anything
      const table = element(
        "table",
        {
          role: "grid",
          "aria-label": `${name}: needles found. Arrow keys move from cell to cell.`,
          "aria-readonly": "true",
        },
        element("thead", {}, element("tr", {}, corner, ...lengths.map(tokens))),
        element("tbody", {}, ...rows),
      );
      const all = cells.flat(); // row by row
      roving(
        table,
        () => all,
        (key, here) => {
          const column = here % lengths.length;
          const row = Math.floor(here / lengths.length);
          const move = { Home: [0, -Infinity], End: [0, Infinity] }[key] ?? arrowOf(key);
          if (!move) return null;
          return bounded(row + move[0], depths.length) * lengths.length + bounded(column + move[1], lengths.length);
        },
      );
      all.forEach((cell, k) =>
        cell.addEventListener("focus", () => ctx.go({ cell: [k % lengths.length, Math.floor(k / lengths.length)] })),
      );
      const caption = element("figcaption", {}, element("bdi", { class: "llm-title", "data-text": true }, name), mean);
      return { node: element("figure", {}, caption, element("div", { class: "llm-scroller" }, table)), all, mean };
    });
    box.replaceChildren(...tables.map((one) => one.node));
  }

  function draw() {
    measure.hidden = !hub.live || !ctx.grids.some(({ shares }) => shares.some(Number.isNaN));
    const { lengths, depths, needles } = ctx.about;
    const [chosen, at] = ctx.state.cell ?? [-1, -1];
    ctx.grids.forEach(({ shares }, k) => {
      const { all, mean } = tables[k];
      mean.textContent = meanFound(shares);
      all.forEach((cell, place) => {
        const [column, row] = [place % lengths.length, Math.floor(place / lengths.length)];
        const share = shares[column * depths.length + row];
        const words = foundText(share);
        const { fill, ink } = ctx.shade(share);
        if (cell.textContent !== words) cell.textContent = words;
        cell.setAttribute("aria-label", foundInWords(share, needles));
        cell.style.background = fill;
        cell.style.color = ink;
        cell.classList.toggle("llm-chosen", column === chosen && row === at);
      });
    });
    reading.textContent = ctx.state.cell
      ? cellInWordsOf(ctx.about, ctx.state.cell, ctx.grids)
      : "Choose a cell to compare its values in all grids.";
  }
  return { node, build, draw };
}
