// Describes in words what has happened at a step.

import { isolated, tokenLabel } from "../shared/shared.mjs";
import { count, times, vocabulary } from "./merging.mjs";
import { TIE_RULE, tied } from "./predict.mjs";

/** Describe what has just happened, and what comes next. `open`: the user must still predict what comes next. */
export function story(states, step, merges, mode, open = false) {
  const table = vocabulary(merges);
  const name = (id) => `“${isolated(tokenLabel(table[id]))}”`;
  const both = (number) => `${name(merges[number][0])} + ${name(merges[number][1])}`;
  const { words, merge, places } = states[step];
  const n = count(words);
  const next = states[step + 1];
  const started =
    mode === "train"
      ? `Start: ${n} byte${n === 1 ? "" : "s"}, each a token of its own.`
      : `Start: the text as ${n} byte${n === 1 ? "" : "s"}.`;
  const learned = mode === "train" ? "" : ` (merge number ${merge + 1})`;
  const merged = () => [
    `Step ${step}: ${both(merge)} → ${name(256 + merge)}, id ${256 + merge}${learned}, ${times(places)}.`,
    `${n + places} tokens become ${n}.`,
  ];
  const done = merge === null ? started : merged().join(" ");
  if (next && open) return done;
  if (next && mode === "encode") return `${done} Of the pairs now in the text, ${both(next.merge)} was learned first.`;
  if (next) {
    const equal = tied(words, merges[next.merge]).length;
    const tie = equal
      ? ` ${equal === 1 ? "One other pair is" : `${equal} other pairs are`} just as frequent. ${TIE_RULE}.`
      : "";
    return `${done} Next: ${both(next.merge)}, seen ${times(next.places)}.${tie}`;
  }
  if (mode === "encode") return `${done} The text has no learned pairs left. Ids: ${words.flat().join(" ")}.`;
  return merges.length ? `${done} This was the last merge.` : `${done} There is nothing to merge.`;
}
