// Shows by a token's colour how much the token surprised a model, and writes even tiny probabilities.

import { element, percent, visibleToken } from "./shared.mjs";
import { paletteOf, shades } from "./canvas.mjs";

const MOST_SURPRISE = Math.log(1000); // nats: a surprise this large has the strongest colour

/** Return the strength of a token's colour: 0 for a probability of 1, and 1 for a probability of 1/1000 or less. */
export const surpriseShade = (logProb) => Math.min(1, Math.max(0, -logProb) / MOST_SURPRISE);
/** The entries of the legend: the strength of each colour, and its probability in words. */
export const SURPRISES = [
  [1, "100%"],
  [0.1, "10%"],
  [0.01, "1%"],
  [0.001, "0.1%"],
].map(([p, words]) => [surpriseShade(Math.log(p)), words]);

/** Write a probability, given as its logarithm, even if it is tiny: "12%", "0.4%", "3.1 × 10⁻⁷". */
export function tinyShare(logProb) {
  const p = Math.exp(logProb);
  if (p >= 0.0995) return `${Math.round(100 * p)}%`;
  if (p >= 0.001) return `${(100 * p).toFixed(1)}%`;
  let exponent = Math.floor(logProb / Math.LN10);
  let digits = Math.round(10 * 10 ** (logProb / Math.LN10 - exponent)) / 10;
  if (digits >= 10) {
    digits = 1;
    exponent += 1;
  }
  return `${digits.toFixed(1)} × 10⁻${String(-exponent).replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d])}`;
}

/** Return a function from a token's log-probability to its `fill` and its text colour, `ink`, in the view's theme. */
export function surpriseColours(el) {
  const {
    stops: { true: signed },
  } = paletteOf(el);
  const colours = shades([signed[4], ...signed.slice(0, 4).reverse()]);
  return (logProb) => colours[Math.round(255 * surpriseShade(logProb))];
}

/** Make a coloured token; its `title` says how likely and how surprising the token was. */
export function surprising(colour, text, logProb, attributes = {}) {
  const { fill, ink } = colour(logProb);
  return element(
    "bdi",
    {
      class: "llm-token llm-read-token",
      style: `background: ${fill}; color: ${ink}`,
      title: `probability ${percent(Math.exp(logProb))}, surprise ${(-logProb).toFixed(1)} nats`,
      ...attributes,
    },
    visibleToken(text),
  );
}

/** Make a legend that shows what the colours mean. */
export function surpriseLegend(colour) {
  return element(
    "span",
    { class: "llm-surprise" },
    "The model’s probability: ",
    ...SURPRISES.map(([, words], k) => {
      const { fill, ink } = colour(Math.log([1, 0.1, 0.01, 0.001][k]));
      return element("span", { class: "llm-token llm-read-token", style: `background: ${fill}; color: ${ink}` }, words);
    }),
    " no surprise → big surprise",
  );
}
