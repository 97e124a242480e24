// The tree of all branches so far: clicking a token goes back to it; long stretches without branches are folded.

import { roving } from "../shared/keys.mjs";
import { element, howMany, percent, shorten, spokenToken, visibleToken } from "../shared/shared.mjs";
import { svg } from "../shared/canvas.mjs";
import { tinyShare } from "../shared/surprise.mjs";
import { layOut, neighbour } from "./data.mjs";

const ROW = 44;
const TAIL = 150; // pixels: the space after a branch for a description of the whole branch
const KEPT_TREES =
  " Another prompt starts a new tree; these branches are kept, and return when you use this prompt again.";

const wide = (text) => Array.from(text).reduce((sum, letter) => sum + (letter.codePointAt(0) > 0x2e7f ? 2 : 1), 0);

export function branchesPanel(ctx) {
  const lines = svg("svg", { "aria-hidden": "true", class: "llm-lines" });
  const boxes = element("div", {
    class: "llm-boxes",
    role: "tree",
    "aria-label": `Branches. Arrow keys move between tokens${ctx.live ? "; Enter goes back to the selected one" : ""}`,
  });
  const stage = element("div", { class: "llm-stage" }, lines, boxes);
  const scroller = element(
    "div",
    { class: "llm-scroller", role: "group", tabindex: 0, "aria-label": "The tree (scrollable)" },
    stage,
  );
  const note = element("p", { class: "llm-facts" });
  const node = element("div", { class: "llm-branches", role: "group", "aria-label": "Branches" }, note, scroller);
  const open = new Set();
  let layout = null;
  let items = [];
  let focused = 0;
  let of = null;
  let seen = "";

  const label = (tree, one) =>
    one ? shorten(visibleToken(ctx.word(tree.ids[one])), 18) : shorten(visibleToken(ctx.prompt()), 14) || "∅";
  const widthOf = (tree, one) => Math.max(46, 8 * wide(label(tree, one)) + 14);

  function choose(k) {
    const box = layout.boxes[k];
    if (box.hidden) {
      open.add(box.hidden[0]);
      draw();
      ctx.speak(`${box.hidden.length} tokens unfolded`);
      return;
    }
    ctx.act("go", { node: box.node });
  }
  roving(
    boxes,
    () => items,
    (key, here) => (/^Arrow|^Home$/.test(key) ? neighbour(layout.boxes, here, key) : null),
    (to) => {
      focused = layout.boxes[to].node;
      show(to);
    },
  );

  /** Scroll the tree sideways to a box; only the user scrolls the page itself. */
  function show(k, anew = false) {
    const { x, width, node: one } = layout.boxes[k];
    const right = x + width + (layout.ends.some((end) => end.node === one) ? TAIL : 40);
    if (anew) scroller.scrollLeft = 0;
    if (x < scroller.scrollLeft) scroller.scrollLeft = Math.max(0, x - 20);
    else if (right > scroller.scrollLeft + scroller.clientWidth) scroller.scrollLeft = right - scroller.clientWidth;
  }

  function depthOf(box) {
    let depth = 1;
    for (let one = box.from; one; one = one.from) depth += 1;
    return depth;
  }

  function draw() {
    const tree = ctx.tree();
    const at = ctx.at();
    const held = boxes.contains(document.activeElement);
    const path = new Set([0]);
    for (let one = at; one > 0; one = tree.parents[one]) path.add(one);
    if (of !== ctx.prompt()) {
      of = ctx.prompt();
      open.clear();
      focused = 0;
    }
    layout = layOut(tree, { at, open, widthOf: (one) => widthOf(tree, one) });
    const current = layout.boxes.findIndex((box) => box.node === at && !box.hidden);
    let tab = held ? layout.boxes.findIndex((box) => box.node === focused) : current;
    if (tab < 0) tab = Math.max(0, current);
    items = layout.boxes.map((box, k) => {
      const p = Math.exp(tree.logProbs[box.node]);
      const style = `left: ${box.x}px; top: ${box.row * ROW}px; width: ${box.width}px`;
      const common = {
        type: "button",
        role: "treeitem",
        "aria-level": depthOf(box),
        tabindex: k === tab ? 0 : -1,
        style,
        onclick: () => {
          focused = box.node;
          choose(k);
        },
      };
      if (box.hidden)
        return element(
          "button",
          { ...common, class: "llm-node llm-fold", "aria-selected": "false", title: "Unfold" },
          `… ${box.hidden.length} more …`,
        );
      const { fill, ink } = box.node
        ? ctx.colour(tree.logProbs[box.node])
        : { fill: "var(--llm-raised)", ink: "var(--llm-ink)" };
      const text = box.node ? ctx.word(tree.ids[box.node]) : ctx.prompt();
      const way = ["", "drawn at random", "chosen by you", "written side by side"][tree.ways[box.node]];
      return element(
        "button",
        {
          ...common,
          "data-acts": true,
          class: `llm-node${path.has(box.node) ? " llm-path" : ""}${box.node === at ? " llm-here" : ""}`,
          "aria-selected": String(box.node === at),
          title: box.node
            ? `${way}; probability ${percent(p)} before the settings, ${percent(tree.chances[box.node])} after them`
            : "The prompt",
        },
        element(
          "span",
          { class: "llm-hidden" },
          box.node ? `${spokenToken(text)}, ${percent(p)}, ${way}` : `The prompt: ${shorten(text, 60)}`,
        ),
        element(
          "span",
          { class: "llm-word", "aria-hidden": "true", style: `background: ${fill}; color: ${ink}` },
          element("bdi", {}, label(tree, box.node)),
        ),
        element("span", { class: "llm-share", "aria-hidden": "true" }, box.node ? percent(p) : "prompt"),
      );
    });
    boxes.replaceChildren(...items);
    const tails =
      tree.n > 1
        ? layout.ends.map(({ node: end, box }) =>
            element(
              "span",
              { class: "llm-tail", style: `left: ${box.x + box.width + 10}px; top: ${box.row * ROW}px` },
              `branch: ${tinyShare(layout.totals[end])}`,
            ),
          )
        : [];
    stage.querySelectorAll(".llm-tail").forEach((tail) => tail.remove());
    stage.append(...tails);
    const width = layout.width + (tree.n > 1 ? TAIL : 0);
    const height = layout.rows * ROW;
    stage.style.width = `${width}px`;
    stage.style.height = `${height}px`;
    lines.setAttribute("width", width);
    lines.setAttribute("height", height);
    lines.replaceChildren(
      ...layout.boxes
        .filter((box) => box.from)
        .map((box) => {
          const y = box.row * ROW + 11;
          const x0 = box.from.x + box.from.width;
          const y0 = box.from.row * ROW + 11;
          return svg("path", {
            d: box.row === box.from.row ? `M${x0} ${y}H${box.x}` : `M${x0 - 8} ${y0 + 11}V${y}H${box.x}`,
            class: path.has(box.node) ? "llm-path" : "",
          });
        }),
    );
    const ends = layout.ends.length;
    const alive = (words) => (ctx.live ? words : "");
    const written = [
      `${ends} ${ends > 1 ? "branches" : "branch"}, ${howMany(tree.n - 1, "token")}.`,
      alive(" Click a token to go back to it and continue differently."),
      " Under each token is the model’s probability; at the end is the probability of the whole branch.",
    ];
    const empty = [
      "Nothing has been written yet.",
      alive(" Let chance pick tokens, go back, and continue differently: every continuation stays here as a branch."),
    ];
    note.textContent = [...(tree.n > 1 ? written : empty), alive(KEPT_TREES)].join("");
    if (held) items[tab].focus({ preventScroll: true });
    const now = `${at} ${tree.n} ${scroller.clientWidth}`;
    if (current >= 0 && now !== seen) show(current, true); // otherwise leave the tree where the user has scrolled to
    seen = now;
  }
  return { node, draw };
}
