// The panel beside the grid: the cell that is pointed at or pinned, and the parts that contributed to a logit.

import { element, equalTokens, isolated, percent, shorten, visibleToken } from "../shared/shared.mjs";
import { choice } from "../shared/controls.mjs";
import { svg } from "../shared/canvas.mjs";
import { isPending, ordinal, partsOf, probabilityAt, ranked, settledAt, wordAt } from "./data.mjs";

const code = (token, length = 22) => element("code", {}, element("bdi", {}, shorten(visibleToken(token), length)));
const MOST_PARTS = 12;

/**
 * Show the cell at `where()`: its candidates as buttons that pin a token, how sure the model is, and the answer's rank
 * after each layer.
 */
export function cellPanel(ctx, where, words) {
  const title = element("h4", { "data-text": true });
  const list = element("ol", {});
  const facts = element("p", { class: "llm-facts" });
  const curve = svg("svg", { role: "img", class: "llm-curve" });
  const node = element("div", { class: "llm-place", role: "group", "aria-label": words }, title, list, facts, curve);
  const rows = [];
  function row(k) {
    const word = element("code", { "data-text": true });
    const bar = element("span", { class: "llm-bar" });
    const value = element("span", { class: "llm-value", "data-text": true });
    const button = element(
      "button",
      { type: "button", "data-acts": true, onclick: () => ctx.pin({ id: rows[k].id }) },
      word,
    );
    const item = element("li", {}, button, element("span", { class: "llm-track", "aria-hidden": "true" }, bar), value);
    return { item, word, bar, value, button, id: 0 };
  }
  function draw() {
    const place = where();
    const side = place && ctx.sides[place.side];
    node.hidden =
      !side ||
      place.layer >= side.layers ||
      place.position >= side.n ||
      isPending(side, place.layer * side.n + place.position);
    if (node.hidden) return;
    const { layer, position } = place;
    const at = layer * side.n + position;
    const last = side.layers - 1;
    while (rows.length < side.k) rows.push(row(rows.length));
    if (list.children.length !== side.k) list.replaceChildren(...rows.slice(0, side.k).map(({ item }) => item));
    const several = Object.keys(ctx.sides).length > 1 ? `${side.title}: ` : "";
    title.replaceChildren(
      several,
      layer === 0 ? "Before any layer" : layer === last ? "The model’s answer" : `After layer ${layer} of ${last}`,
      ", at ",
      code(side.tokens[position], 14),
    );
    rows.slice(0, side.k).forEach((one, k) => {
      const p = probabilityAt(side, layer, position, k);
      const token = wordAt(side, layer, position, k);
      one.id = side.top[at * side.k + k];
      one.word.textContent = isolated(shorten(visibleToken(token), 16));
      one.bar.style.width = `${100 * p}%`;
      one.value.textContent = percent(p);
      one.button.title = "Pin this token to see its rank everywhere";
      one.button.setAttribute("aria-pressed", String(ctx.pinnedId() === one.id));
    });
    const answer = wordAt(side, last, position);
    const settled = settledAt(side, position);
    facts.replaceChildren(
      ...(layer === last
        ? ["This answer is the first choice from ", settled === 0 ? "the embedding" : `layer ${settled}`, " on. "]
        : ["The final answer ", code(answer, 16), ` ranks ${ordinal(side.rank[at] + 1)} here. `]),
      `Entropy ${side.entropy[at].toFixed(1)} nats: as open as a choice among ${equalTokens(side.entropy[at])}.`,
    );
    drawCurve(side, layer, position);
  }
  /** Draw the rank that the answer, or the pinned token, has after each layer. */
  function drawCurve(side, layer, position) {
    const width = 312;
    const height = 96;
    const left = 58;
    const bottom = 74;
    const ranks = side.pinned?.rank ?? side.rank;
    const deepest = Math.log10(Math.max(10, Math.exp(side.most)));
    const x = (l) => left + ((width - left - 8) * l) / (side.layers - 1 || 1);
    const y = (rank) => 10 + (bottom - 10) * Math.min(1, Math.log10(rank + 1) / deepest);
    const at = (l) => ranks[l * side.n + position];
    const of = side.pinned ? ctx.pinnedToken() : wordAt(side, side.layers - 1, position);
    const known = Array.from({ length: side.layers }, (_, l) => l).filter(
      (l) => !isPending(side, l * side.n + position),
    );
    const line = known.map((l) => `${x(l).toFixed(1)},${y(at(l)).toFixed(1)}`).join(" ");
    const marks = [
      [0, "1st"],
      [99, "100th"],
      [9999, "10,000th"],
    ].filter(([rank]) => Math.log10(rank + 1) <= deepest);
    const word = (text, attributes) => svg("text", { "font-size": 11, fill: ctx.palette.faint, ...attributes }, text);
    curve.setAttribute("viewBox", `0 0 ${width} ${height}`);
    curve.setAttribute(
      "aria-label",
      `Rank of ${ctx.spoken(of)} through the layers at this position; here it is ${ordinal(at(layer) + 1)}.`,
    );
    curve.replaceChildren(
      ...marks.flatMap(([rank, name]) => [
        svg("line", {
          x1: left,
          x2: width - 8,
          y1: y(rank),
          y2: y(rank),
          stroke: ctx.palette.line,
          "stroke-width": 0.5,
        }),
        word(name, { x: left - 5, y: y(rank) + 4, "text-anchor": "end" }),
      ]),
      svg("polyline", {
        points: line,
        fill: "none",
        stroke: ctx.palette.accent,
        "stroke-width": 2,
        "stroke-linejoin": "round",
      }),
      svg("circle", { cx: x(layer), cy: y(at(layer)), r: 4.5, fill: ctx.palette.accent }),
      word("embedding", { x: left, y: height - 6 }),
      word(`rank of ${isolated(shorten(visibleToken(of), 14))}`, {
        x: (left + width - 8) / 2,
        y: height - 6,
        "text-anchor": "middle",
      }),
      word("answer", { x: width - 8, y: height - 6, "text-anchor": "end" }),
    );
  }
  return { node, draw };
}

/** Show which parts contributed to the logit of the answer, or of the pinned token, at the pinned cell's position. */
export function whoPanel(ctx) {
  const title = element("h4", { "data-text": true });
  const tools = element("div", { class: "llm-row" });
  const list = element("ol", { class: "llm-parts" });
  const sum = element("p", { class: "llm-sum", "data-text": true });
  const node = element(
    "div",
    { class: "llm-who", role: "group", "aria-label": "Who wrote this logit" },
    title,
    tools,
    list,
    sum,
  );
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  let drawn = "";
  const bar = (part, scale) => {
    const share = 50 * Math.min(1, Math.abs(part.value) / scale);
    const style = part.value < 0 ? `right: 50%; width: ${share}%` : `left: 50%; width: ${share}%`;
    return element(
      "li",
      {},
      element("span", { class: "llm-part", "data-text": true }, part.name),
      element(
        "span",
        { class: "llm-axis", "aria-hidden": "true" },
        element("span", { class: `llm-bar ${part.value < 0 ? "llm-less" : "llm-more"}`, style }),
      ),
      element("span", { class: "llm-value", "data-text": true }, signed(part.value)),
    );
  };
  function draw() {
    const who = ctx.who();
    const { locked } = ctx.state;
    const whole = ctx.state.heads === "whole";
    const fits = locked && who.side === locked.side && who.position === locked.position;
    const key = JSON.stringify([who, whole, ctx.state.sort, locked, ctx.canAsk()]);
    if (key === drawn) return;
    drawn = key;
    node.hidden = !fits && !ctx.canAsk();
    if (!fits) {
      title.textContent = "Who wrote the answer?";
      tools.replaceChildren();
      list.replaceChildren();
      sum.textContent = locked
        ? "Asking the model …"
        : "Click a cell to pin it, and see here which heads and MLPs contributed to the logit at its position.";
      return;
    }
    const side = ctx.sides[who.side];
    const parts = partsOf(who, ctx.whoValues(), whole);
    const total = parts.reduce((all, part) => all + part.value, 0);
    const { shown, others } = ranked(parts, MOST_PARTS);
    const inOrder = ctx.state.sort === "layer" ? [...shown].sort((a, b) => a.layer - b.layer) : shown;
    title.replaceChildren(
      "Who wrote the logit of ",
      code(who.token, 16),
      " at ",
      code(side.tokens[who.position], 14),
      "?",
    );
    const held = tools.contains(document.activeElement);
    if (!held)
      tools.replaceChildren(
        choice(
          "Parts",
          [
            ["each", "each head"],
            ["whole", "whole layers"],
          ],
          ctx.state.heads,
          (heads) => ctx.go({ heads }),
        ),
        choice(
          "Order",
          [
            ["size", "by size"],
            ["layer", "by layer"],
          ],
          ctx.state.sort,
          (sort) => ctx.go({ sort }),
        ),
      );
    const all = [...inOrder, ...(others ? [others] : [])];
    const scale = Math.max(...all.map(({ value }) => Math.abs(value)));
    list.replaceChildren(...all.map((part) => bar(part, scale)));
    sum.replaceChildren(
      `All ${parts.length} parts together: `,
      element("strong", {}, total.toFixed(2).replace("-", "−")),
      `. The model’s own logit: `,
      element("strong", {}, who.logit.toFixed(2).replace("-", "−")),
      ".",
    );
  }
  return { node, draw };
}
