// The written tokens; users can choose a token with the mouse or the keyboard.

import { direction, element, joinedText, percent, runs, spokenToken } from "../shared/shared.mjs";
import { surprising } from "../shared/surprise.mjs";
import { roving, stepTo, tabTo } from "../shared/keys.mjs";

/** Describe a token: the token itself, and how much it surprised the model. */
export const tokenInWords = (text, logProb) =>
  `${spokenToken(text)}, ${percent(Math.exp(logProb))}, surprise ${(-logProb).toFixed(1)} nats`;

/**
 * Set the children of a box without touching children that are in place already, so that these keep the focus and stay
 * under the mouse.
 */
function arrange(box, nodes) {
  const wanted = new Set(nodes);
  const gone = Array.from(box.childNodes).filter((child) => !wanted.has(child));
  for (const child of gone) child.remove();
  nodes.forEach((node, k) => {
    if (box.childNodes[k] !== node) box.insertBefore(node, box.childNodes[k] ?? null);
  });
}

/** Set the children of a box in reading order (see `inReadingOrder`). */
function arrangeTexts(box, texts, nodes) {
  const spanOf = (first) =>
    first.parentNode?.parentNode === box && first.parentNode.firstChild === first
      ? first.parentNode
      : element("span", {});
  box.dir = direction(joinedText(texts));
  arrange(
    box,
    runs(texts, box.dir).flatMap(({ dir, from, to }) => {
      if (dir === box.dir) return nodes.slice(from, to);
      const span = spanOf(nodes[from]);
      span.dir = dir;
      arrange(span, nodes.slice(from, to));
      return [span];
    }),
  );
}

/**
 * Make a box of tokens; arrow keys go from token to token, and Tab reaches one of them. A click or Enter calls
 * `choose(number)`.
 */
export function tokenBox(ctx, label, choose) {
  const node = element("div", { class: "llm-text", role: "group", "aria-label": label });
  let boxes = [];
  let drawn = []; // what each token's node was made from
  const numberOf = (event) => boxes.indexOf(event.target.closest?.(".llm-token"));
  node.addEventListener("click", (event) => {
    if (numberOf(event) >= 0) choose(numberOf(event));
  });
  roving(
    node,
    () => boxes,
    (key, here) => stepTo(key, here, boxes.length, node.dir === "rtl"),
  );
  node.addEventListener("keydown", (event) => {
    if (numberOf(event) < 0 || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    choose(numberOf(event));
  });
  return {
    node,
    /**
     * Show `tokens`, a list of `{ text, logProb }`. They come after the nodes in `before`, a list of `[text, node]`,
     * which are not tokens.
     */
    show(tokens, before = []) {
      const focused = boxes.indexOf(document.activeElement);
      const last = tokens.length - 1;
      const made = tokens.map(({ text, logProb }) => `${logProb} ${ctx.colour(logProb).fill} ${text}`);
      boxes = tokens.map(({ text, logProb }, k) =>
        made[k] === drawn[k]
          ? boxes[k]
          : surprising(ctx.colour, text, logProb, {
              role: "button",
              "aria-label": tokenInWords(text, logProb),
              "aria-disabled": ctx.live ? null : "true",
            }),
      );
      drawn = made;
      arrangeTexts(
        node,
        [...before.map(([text]) => text), ...tokens.map(({ text }) => text)],
        [...before.map(([, one]) => one), ...boxes],
      );
      node.tabIndex = boxes.length ? -1 : 0; // without tokens, the keyboard must reach the box itself, to scroll it
      const here = focused < 0 ? last : Math.min(focused, last);
      tabTo(boxes, boxes[here]);
      if (focused >= 0) boxes[here]?.focus({ preventScroll: true }); // the focused token may have been replaced
      else node.scrollTop = node.scrollHeight; // new tokens appear at the end
    },
  };
}
