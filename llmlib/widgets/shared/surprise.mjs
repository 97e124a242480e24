// How much a token surprised a model: its colour, and small probabilities in writing.

import { element, percent, visibleToken } from "./shared.mjs";
import { paletteOf, shades } from "./canvas.mjs";

const MOST_SURPRISE = Math.log(1000); // nats: from here on the colour is strongest

/** How strong a token's colour is: 0 if the model was sure of it, 1 if it was a thousand to one or less likely. */
export const surpriseShade = (logProb) => Math.min(1, Math.max(0, -logProb) / MOST_SURPRISE);
/** The legend of these colours. */
export const SURPRISES = [
  [1, "100%"],
  [0.1, "10%"],
  [0.01, "1%"],
  [0.001, "0.1%"],
].map(([p, words]) => [surpriseShade(Math.log(p)), words]);

/** A product of many probabilities, from its logarithm: "12%", "0.4%", "3.1 × 10⁻⁷". */
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

/** Maps a token's log-probability to its colour and the ink on it, for the view's theme. */
export function surpriseColours(el) {
  const {
    stops: { true: signed },
  } = paletteOf(el);
  const colours = shades([signed[4], ...signed.slice(0, 4).reverse()]);
  return (logProb) => colours[Math.round(255 * surpriseShade(logProb))];
}

/** A coloured token; its `title` gives the numbers. */
export function surprising(colour, text, logProb, attributes = {}) {
  const { fill, ink } = colour(logProb);
  return element(
    "bdi",
    {
      class: "llm-token llm-read-token",
      style: `background: ${fill}; color: ${ink}`,
      title: `The model gave it ${percent(Math.exp(logProb))}: surprise ${(-logProb).toFixed(1)} nats`,
      ...attributes,
    },
    visibleToken(text),
  );
}

/** What the colours mean. */
export function surpriseLegend(colour) {
  return element(
    "span",
    { class: "llm-surprise" },
    "The model gave it ",
    ...SURPRISES.map(([, words], k) => {
      const { fill, ink } = colour(Math.log([1, 0.1, 0.01, 0.001][k]));
      return element("span", { class: "llm-token llm-read-token", style: `background: ${fill}; color: ${ink}` }, words);
    }),
    " no surprise → a big one",
  );
}
