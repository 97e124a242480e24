// Draws tokens as boxes, or byte by byte under the characters that the bytes form.

import { characters, element, hex, tokenLabel } from "../shared/shared.mjs";

/** Return the columns of one piece in the byte view: characters above and tokens below, each with its first column and
 * span. */
export function columns(word, table) {
  const bytes = word.flatMap((id) => [...table[id]]);
  let at = 1;
  const above = characters(Uint8Array.from(bytes)).map((part) => {
    const span = part.text ? new TextEncoder().encode(part.text).length : part.bytes.length;
    at += span;
    return {
      label: tokenLabel(part.text ? new TextEncoder().encode(part.text) : Uint8Array.from(part.bytes)),
      from: at - span,
      span,
    };
  });
  at = 1;
  const below = word.map((id) => {
    at += table[id].length;
    return { id, from: at - table[id].length, span: table[id].length };
  });
  return { above, below, width: bytes.length };
}

/**
 * Return functions that draw tokens of the vocabulary `table()`; the token that merge number `merge` made is marked as
 * new.
 */
export function tokenBoxes(table) {
  const label = (id) => tokenLabel(table()[id]);
  const hue = (id) => (id < 256 ? "llm-byte" : `llm-hue-${id % 6}`);
  const tokenClass = (id, merge) => `llm-token ${hue(id)}${merge !== null && id === 256 + merge ? " llm-new" : ""}`;
  const boxed = (id, merge) =>
    element("span", { class: tokenClass(id, merge), title: `id ${id} · ${hex(table()[id])}` }, label(id));
  const inBytes = (word, merge) => {
    const { above, below, width } = columns(word, table());
    const grid = element("span", { class: "llm-grid", dir: "ltr" });
    grid.style.gridTemplateColumns = `repeat(${width}, 1.75em)`;
    const cell = (tag, { from, span }, attributes, content) => {
      const node = element("span", attributes, content);
      node.style.gridColumn = `${from} / span ${span}`;
      node.style.gridRow = tag;
      grid.append(node);
    };
    for (const part of above) cell(1, part, { class: "llm-character", dir: "auto" }, part.label);
    for (const part of below)
      cell(
        2,
        part,
        { class: tokenClass(part.id, merge), title: `id ${part.id} · ${label(part.id)}` },
        hex(table()[part.id]),
      );
    return grid;
  };
  return { label, hue, tokenClass, boxed, inBytes };
}
