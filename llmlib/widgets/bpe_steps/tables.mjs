// The tables below the text: the neighbouring pairs, and the vocabulary.

import { element } from "../shared/shared.mjs";
import { pairCounts, rankedPairs } from "./merging.mjs";

const MOST_PAIRS = 8;

const samePair = (pair, other) => pair.join() === other?.join();

/** List how often each pair occurs, as a number and a bar, for the "train" mode. */
function countedPairs(words, alsoShown) {
  const all = pairCounts(words);
  const most = all[0]?.count ?? 1;
  const bar = (count) => element("span", { class: "llm-bar", style: `width: ${(100 * count) / most}%` });
  const entries = all
    .filter(({ pair }, k) => k < MOST_PAIRS || alsoShown(pair))
    .map(({ pair, count }) => ({
      pair,
      cells: [
        element(
          "td",
          { class: "llm-track-cell", "aria-hidden": "true" },
          element("span", { class: "llm-track" }, bar(count)),
        ),
        element("td", { class: "llm-count" }, String(count)),
      ],
    }));
  return { title: `Neighbouring pairs: ${all.length} distinct`, entries };
}

/** List when each pair was learned, for the "encode" mode. */
function datedPairs(words, merges) {
  const entries = rankedPairs(words, merges)
    .slice(0, 2 * MOST_PAIRS)
    .map(({ pair, rank }) => ({
      pair,
      cells: [element("td", {}, rank === null ? "never" : `merge number ${rank + 1}`)],
    }));
  return { title: "Neighbouring pairs, and when they were learned", entries };
}

/**
 * List the neighbouring pairs, as a title and rows. `next` is the pair that is joined next; `guess` is the user's
 * prediction.
 */
export function pairRows({ words, merges, training, next, guess }, { label, hue }) {
  const marked = (pair) => samePair(pair, next) || samePair(pair, guess);
  const { title, entries } = training ? countedPairs(words, marked) : datedPairs(words, merges);
  const token = (id) => element("span", { class: `llm-token ${hue(id)}` }, label(id));
  const rows = entries.map(({ pair, cells }) => {
    const marks = [samePair(pair, next) ? "← next" : "", samePair(pair, guess) ? "yours" : ""];
    return element(
      "tr",
      { class: samePair(pair, next) ? "llm-next" : "" },
      element("th", { scope: "row" }, token(pair[0]), " + ", token(pair[1])),
      ...cells,
      element("td", { class: "llm-mark" }, marks.filter(Boolean).join(", ")),
    );
  });
  return { title, rows };
}

/**
 * List the vocabulary's entries for these merge numbers; mark entries whose merges are in `used`, and the newest one,
 * `now`.
 */
export function entryItems(numbers, { merges, used, now }, { label, tokenClass }) {
  const part = (id) => element("bdi", {}, label(id));
  return numbers.map((number) =>
    element(
      "li",
      { class: number === now ? "llm-now" : used.has(number) ? "llm-used" : "" },
      element("span", { class: "llm-id" }, String(256 + number)),
      element("bdi", { class: tokenClass(256 + number, now) }, label(256 + number)),
      element("span", { class: "llm-note" }, " = ", part(merges[number][0]), " + ", part(merges[number][1])),
    ),
  );
}
