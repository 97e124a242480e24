// Predicting the next merge: the pairs to choose from, what is right, and why. Pure functions first, then the panel.

import { arrowOf, roving } from "../shared/keys.mjs";
import { element, isolated, tokenLabel } from "../shared/shared.mjs";
import { pairCounts, rankedPairs, times } from "./merging.mjs";

const MOST_CHOICES = 8;

/** The key under which the prediction of a step is kept. */
export const guessKey = (mode, step) => `${mode} ${step}`;

/**
 * What the reader can predict at a step: `right`, the pair that is joined next, and `choices`, pairs with their `count`
 * (training) or `rank` (encoding), in the order of reading, so that their order gives nothing away. null if no merge is
 * left, or if the merges were learned from another text, so that this one cannot show which comes next.
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

/** How many predictions were right, and how many there were, in the current mode. */
export function score(guesses, states, merges, mode) {
  const made = Object.entries(guesses).filter(([key]) => key.startsWith(`${mode} `));
  const right = made.filter(([key, pair]) => {
    const next = states[Number(key.split(" ")[1]) + 1];
    return next && merges[next.merge].join() === pair.join();
  });
  return { right: right.length, of: made.length };
}

/**
 * Other pairs that occur as often as the one that is joined next, if that is the commonest; ids decide between them.
 */
export function tied(words, pair) {
  const [best, ...others] = pairCounts(words);
  if (best?.pair.join() !== pair.join()) return []; // learned from another text
  return others.filter(({ count }) => count === best.count).map((entry) => entry.pair);
}

const ids = (pair) => `(${pair.join(", ")})`;
export const TIE_RULE = "In a tie, the smaller ids go first";

/** What there is to say about a prediction. */
export function verdict({ mode, right, choices }, picked, table) {
  const written = (pair) => pair.map((id) => `“${isolated(tokenLabel(table[id]))}”`).join(" + ");
  const of = (pair) => choices.find((choice) => choice.pair.join() === pair.join());
  const isRight = picked.join() === right.join();
  const best = of(right);
  const mine = of(picked) ?? { rank: null, count: 0 };
  if (mode === "encode") {
    const learned = `${written(right)} was merge number ${best.rank + 1}`;
    if (isRight) return `Right: ${learned}, learned before all other pairs that are here now.`;
    return mine.rank === null
      ? `Not this one: ${written(picked)} was never learned. ${learned}.`
      : `Not this one: ${written(picked)} was merge number ${mine.rank + 1}, but ${learned}, learned earlier.`;
  }
  const rule = (other) => `${TIE_RULE}: ${ids(right)} before ${ids(other)}.`;
  const equal = choices.filter(({ pair, count }) => count === best.count && pair.join() !== right.join());
  if (isRight) {
    if (!equal.length)
      return `Right: ${written(right)} occurs here ${times(best.count)}, more often than any other pair.`;
    const others = equal.length === 1 ? `${written(equal[0].pair)} does too` : `${equal.length} other pairs do too`;
    return `Right: ${written(right)} occurs here ${times(best.count)}; ${others}. ${rule(equal[0].pair)}`;
  }
  if (mine.count === best.count)
    return `A tie: ${written(picked)} and ${written(right)} both occur here ${times(best.count)}. ${rule(picked)}`;
  return `Not this one: ${written(picked)} occurs here ${times(mine.count)}, ${written(right)} ${times(best.count)}.`;
}

/**
 * The choices as buttons. Tab reaches one, and Up and Down go to the others. `pick(pair)` gets what was chosen.
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
        asked?.mode === "encode" ? "Which pair is joined first?" : "Which pair is joined next?",
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
