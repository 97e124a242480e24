// What the view says: the scores and what they are based on, where the user is, and what the user can do.

import { joinedText, shorten } from "../shared/shared.mjs";
import { inWords } from "./data.mjs";

export const SCORES = {
  previous: {
    name: "previous token",
    text: "Share of attention that goes to the token right before the query",
    share: true,
  },
  first: { name: "first token", text: "Share of attention that later tokens pay to the very first token", share: true },
  duplicate: {
    name: "duplicate token",
    text: "Share of attention that repeated tokens pay to their earlier occurrences",
    share: true,
  },
  induction: {
    name: "induction",
    text: "Share of attention that repeated tokens pay to what came after their earlier occurrences",
    share: true,
  },
  entropy: { name: "entropy", text: "How widely attention is spread, in nats", unit: "nats" },
  distance: { name: "distance", text: "How far back attention looks, in tokens", unit: "tokens" },
};

/**
 * Scores that compare two runs over texts with the same number of tokens. `CHANGE_OF_THUMBNAILS` is for long texts, of
 * which the page has only thumbnails.
 */
export const CHANGE = { name: "difference", text: "Share of attention that has moved to other tokens", share: true };
export const CHANGE_OF_THUMBNAILS = {
  name: "difference",
  text: "Largest change in each row of the thumbnail, averaged over the rows",
  share: true,
};

const FEW = 8; // with fewer queries, a single query can change the mean by more than 12 points

/** Whether a score is based on too few queries to tell what a head does. */
export const isFew = (count) => count < FEW;

/** Write a number of queries: "13", "only 2", or "none". */
export function countInWords(count) {
  return count === 0 ? "none" : isFew(count) ? `only ${count}` : count.toLocaleString("en");
}

export function scoreInWords({ share, unit }, value) {
  return share ? inWords(value) : `${value.toFixed(value < 9.95 ? 2 : 1)} ${unit}`;
}

/** Say how many of this text's queries a score is based on, and whether these are too few to tell what a head does. */
export function orderInWords({ name }, count) {
  if (count === 0) return `No token in this text can attend as “${name}” describes, so there is nothing to sort by.`;
  const on = `${count.toLocaleString("en")} ${count === 1 ? "query" : "queries"} in this text`;
  if (!isFew(count)) return `“${name}” is the mean over ${on}.`;
  return `“${name}” is based on only ${on}, too few to tell what a head does. Try a text that repeats itself.`;
}

export const headName = (layer, head) =>
  `Layer ${layer}, ${typeof head === "number" ? `head ${head}` : `${head} of all heads`}`;

/** Name what is open: a head, or a layer with all its heads. */
export const placeName = ({ layer, head, drawn }) =>
  drawn === "layer" ? `Layer ${layer}, all heads` : headName(layer, head);

/** Say in one or two sentences what the view shows and what the user can do. */
export function guide({ layer, heads, drawn }, canSwitch) {
  if (layer !== null && drawn === "layer")
    return "Each colour is a head. Point at a token to see where each head looks from there; click a token to pin it.";
  if (layer !== null)
    return (
      "Row: the token that looks (query). Column: where it looks (key). " +
      "Point at a token to see where it looks; click the token to pin it."
    );
  const together = `Each square is a layer (the ${heads === "mean" ? "mean" : "maximum"} of its heads)`;
  const square = heads === "each" ? "Each square is a head" : together;
  const either = "Click a square to open it; a click can also switch heads off.";
  const todo = canSwitch ? either : "Point at a square to enlarge it; click to open it.";
  return `${square}: it shows which token (row) looks at which token (column). ${todo}`;
}

/** Write the lines above an exported picture; they name the heads, the model and the texts. */
export function titleLines({ layer, head, token, show, drawn }, { a, b }, source) {
  const which = layer === null ? `all ${a.layers} × ${a.heads} heads` : placeName({ layer, head, drawn }).toLowerCase();
  const runs = b && { a: a.title, b: b.title, difference: `${b.title} − ${a.title}`, both: `${a.title}, ${b.title}` };
  const quoted = ({ tokens }) => `“${shorten(joinedText(tokens).replace(/\s+/g, " "), 90)}”`;
  const texts = b && (show === "difference" || show === "both") ? [a, b] : [show === "b" && b ? b : a];
  const two = texts.length === 2;
  const same = two && quoted(a) === quoted(b);
  return [
    [`Attention of ${which}`, source, runs?.[show], token === null || layer === null ? "" : `token ${token}`]
      .filter(Boolean)
      .join(" · "),
    ...(same ? texts.slice(1) : texts).map((text) => (two && !same ? `${text.title}: ` : "") + quoted(text)),
  ];
}
