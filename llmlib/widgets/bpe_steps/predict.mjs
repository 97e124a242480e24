// Lets the user predict the next merge: the pairs to choose from, the right answer, and why. Pure functions come
// first, and then the panel.

import { arrowOf, roving } from "../shared/keys.mjs";
import { element, isolated, tokenLabel } from "../shared/shared.mjs";
import { pairCounts, rankedPairs, times } from "./merging.mjs";

const MOST_CHOICES = 8;

/** Return the key under which a step's prediction is stored. */
export const guessKey = (mode, step) => `${mode} ${step}`;

/**
 * Return what the user can predict at a step: `right`, the pair that is joined next, and `choices`, pairs with their
 * `count` (training) or `rank` (encoding). Choices are in reading order, so that their order does not give the answer
 * away. Return null if there are no merges left, or (in training) if the merges were learned from another text: users
 * could not find the next pair in this text.
 */
export function question(states, step, merges, mode) {
  const { words } = states[step];
  const next = states[step + 1]?.merge ?? null;
  if (next === null) return null;
  const right = merges[next];
  const read = rankedPairs(words, merges);
  if (mode === "train") {
    const all = pairCounts(words);
    const best = new Map(all.slice(0, MOST_CHOICES).map(({ pair, count }) => [pair.join(), count]));
    if (all[0]?.pair.join() !== right.join()) return null;
    return {
      mode,
      right,
      choices: read
        .filter(({ pair }) => best.has(pair.join()))
        .map(({ pair }) => ({ pair, count: best.get(pair.join()) })),
    };
  }
  const order = [...read].sort((a, b) => (a.rank ?? merges.length) - (b.rank ?? merges.length));
  const known = new Set(order.slice(0, MOST_CHOICES));
  return { mode, right, choices: read.filter((entry) => known.has(entry)) };
}

/** Return how many predictions in the current mode were right, and how many the user has made. */
export function score(guesses, states, merges, mode) {
  const made = Object.entries(guesses).filter(([key]) => key.startsWith(`${mode} `));
  const right = made.filter(([key, pair]) => {
    const next = states[Number(key.split(" ")[1]) + 1];
    return next && merges[next.merge].join() === pair.join();
  });
  return { right: right.length, of: made.length };
}

/**
 * Return the other pairs that occur as often as `pair`, the pair that is joined next; they come later because of their
 * ids. Return an empty list if `pair` does not come first.
 */
export function tied(words, pair) {
  const [best, ...others] = pairCounts(words);
  if (best?.pair.join() !== pair.join()) return []; // the merges were learned from another text
  return others.filter(({ count }) => count === best.count).map((entry) => entry.pair);
}

const ids = (pair) => `(${pair.join(", ")})`;
export const TIE_RULE = "In a tie, the smaller ids go first";

/** Say whether a prediction is right, and why. */
export function verdict({ mode, right, choices }, picked, table) {
  const written = (pair) => pair.map((id) => `“${isolated(tokenLabel(table[id]))}”`).join(" + ");
  const of = (pair) => choices.find((choice) => choice.pair.join() === pair.join());
  const isRight = picked.join() === right.join();
  const best = of(right);
  const mine = of(picked) ?? { rank: null, count: 0 };
  if (mode === "encode") {
    const learned = `${written(right)} was merge number ${best.rank + 1}`;
    if (isRight) return `Right: ${learned}, which was learned before any other pair here.`;
    return mine.rank === null
      ? `Not this pair: ${written(picked)} was never learned. ${learned}.`
      : `Not this pair: ${written(picked)} was merge number ${mine.rank + 1}, but ${learned}, which came earlier.`;
  }
  const rule = (other) => `${TIE_RULE}: ${ids(right)} before ${ids(other)}.`;
  const equal = choices.filter(({ pair, count }) => count === best.count && pair.join() !== right.join());
  if (isRight) {
    if (!equal.length)
      return `Right: ${written(right)} occurs ${times(best.count)} here, more often than any other pair.`;
    const others = equal.length === 1 ? `so does ${written(equal[0].pair)}` : `so do ${equal.length} other pairs`;
    return `Right: ${written(right)} occurs ${times(best.count)} here; ${others}. ${rule(equal[0].pair)}`;
  }
  if (mine.count === best.count)
    return `A tie: ${written(picked)} and ${written(right)} both occur ${times(best.count)} here. ${rule(picked)}`;
  const more = `but ${written(right)} occurs ${times(best.count)}`;
  return `Not this pair: ${written(picked)} occurs ${times(mine.count)} here, ${more}.`;
}

/**
 * Show the choices as buttons. Tab reaches one button, and Up and Down go to the others. `pick(pair)` is called with
 * the chosen pair.
 */
export function choicesPanel(pick, boxed) {
  const node = element("div", { class: "llm-choices", role: "group" });
  let shown = "";
  roving(
    node,
    () => [...node.children],
    (key, here) => {
      const step = arrowOf(key)?.[0];
      return step ? (here + step + node.children.length) % node.children.length : null;
    },
  );
  return {
    node,
    focus() {
      (node.querySelector('[tabindex="0"]') ?? node).focus();
    },
    draw(asked, key) {
      node.hidden = asked === null;
      const now = asked && `${key} ${asked.choices.map(({ pair }) => pair.join()).join(" ")}`;
      if (now === shown) return;
      shown = now;
      node.setAttribute(
        "aria-label",
        asked?.mode === "encode" ? "Which pair is merged first?" : "Which pair is merged next?",
      );
      node.replaceChildren(
        ...(asked?.choices ?? []).map(({ pair }, k) =>
          element(
            "button",
            { type: "button", tabindex: k ? -1 : 0, onclick: () => pick(pair) },
            boxed(pair[0]),
            " + ",
            boxed(pair[1]),
            element("span", { class: "llm-note llm-ids" }, `ids ${pair.join(", ")}`),
          ),
        ),
      );
    },
  };
}
