// What the guided tour says at each station, with the numbers of the reader's own text. Node tests it.

import { howMany, isolated, percent, shorten, visibleToken } from "../shared/shared.mjs";

/** 12.3456 -> "12.3"; null, for a number that is not finite, in words. */
export function number(value) {
  return value === null ? "not a number" : Number(value.toPrecision(3)).toString().replace("-", "−");
}
const shareInWords = (p) => (p === null ? "not a number" : percent(p));
const quotedToken = (text) => `“${isolated(shorten(visibleToken(text), 16))}”`;

/** The layer in which the last token looks hardest at another one: the tour begins there. */
export function strongestLayer({ layers }) {
  return layers.reduce((best, { weight }, layer) => ((weight ?? 0) > (layers[best].weight ?? 0) ? layer : best), 0);
}

/** Where the largest vector was added to the stream: { layer, part, norm }. */
export function largestAddition({ layers }) {
  const all = layers.flatMap(({ attention, mlp }, layer) => [
    { layer, part: "attention", norm: attention ?? 0 },
    { layer, part: "MLP", norm: mlp ?? 0 },
  ]);
  return all.reduce((best, one) => (one.norm > best.norm ? one : best));
}

/**
 * The stations of a tour through a model. Each has the `box` that it is about, a `title`, two or three sentences, and
 * perhaps `tokens`, the `norms` of the stream or the likeliest `next` tokens. `layer` is the chosen one.
 */
export function stations(tour, tokens, layer, hasPositions) {
  const { sizes, layers } = tour;
  const last = quotedToken(tokens.at(-1));
  const end = layers.at(-1).after;
  const best = { ...tour.next[0], token: quotedToken(tour.next[0].token) };
  const all = (value) => value.toLocaleString("en");
  return [
    ofText(tour, tokens),
    {
      box: "embed",
      title: "Each id becomes a vector",
      words: [
        `Each id picks one of the ${all(sizes.vocab)} rows of the token table: ${all(sizes.d_model)} numbers.`,
        hasPositions ? "The vector of the token’s position is added." : "",
        `The vector of ${last}, your last token, begins with ${tour.numbers.map(number).join(", ")} …`,
        `and has length ${number(tour.norm)}.`,
      ],
    },
    ...ofLayer(tour, tokens, layer, last),
    {
      box: "layer",
      title: "Layer upon layer",
      norms: [tour.norm, ...layers.map(({ after }) => after)],
      words: [
        sizes.layers > 1 ? `All ${all(sizes.layers)} layers do this, one after the other.` : "There is a single layer.",
        `On the way the vector of ${last} goes from length ${number(tour.norm)} to ${number(end)};`,
        `${largestInWords(largestAddition(tour))}.`,
      ],
    },
    {
      box: "unembed",
      title: "The last vector meets every token",
      words: [
        `The final norm brings the vector from length ${number(end)} to ${number(tour.final)}.`,
        `The output table compares this vector with ${all(sizes.vocab)} rows, one for each token.`,
        `${best.token} gets the highest score, a logit of ${number(best.logit)};`,
        `the mean is ${number(tour.mean_logit)}.`,
      ],
    },
    {
      box: "next",
      title: "Scores become probabilities",
      next: tour.next,
      words: [
        "Softmax turns the scores into probabilities.",
        `After your text, the model gives ${best.token} a probability of ${shareInWords(best.p)}.`,
        "One token is drawn and added to the text, and it all starts again.",
      ],
    },
  ].map((station) => ({ ...station, words: station.words.filter(Boolean).join(" ") }));
}

const largestInWords = ({ layer, part, norm }) =>
  `the ${part} of layer ${layer} adds the longest piece (${number(norm)})`;

function ofText({ ids, characters }, tokens) {
  const [long, short] = [howMany(characters, "character"), howMany(tokens.length, "token")];
  return {
    box: "text",
    title: "Your text becomes tokens",
    tokens: tokens.map((text, k) => [text, ids[k]]),
    words: [
      `The tokenizer cuts your ${long} into ${short} and gives each its number, the id.`,
      "From here on the model sees these numbers and nothing else.",
    ],
  };
}

/** What happens in one layer: where the last token looks hardest, what attention adds, and what the MLP adds. */
function ofLayer({ sizes, layers }, tokens, layer, last) {
  const here = layers[layer];
  const mlp = {
    box: "mlp",
    title: "The MLP works on each token by itself",
    words: [
      `In layer ${layer}, ${last} meets ${sizes.d_mlp.toLocaleString("en")} hidden units.`,
      `Unit ${here.unit} answers most strongly, with ${number(here.activation ?? null)}.`,
      `Together they add a vector of length ${number(here.mlp)} to the stream,`,
      `which is then ${number(here.after)} long.`,
    ],
  };
  const where = tokens.length > 2 ? "a token in between" : "the token before";
  const look = [
    `Of all ${sizes.heads} heads, head ${here.head} looks hardest at ${where}:`,
    `${shareInWords(here.weight)} of its attention goes to ${quotedToken(tokens[here.key])}.`,
    `The first token gets ${shareInWords(here.first)}, on average over the heads.`,
  ];
  const alone = ["There is only one token here, so all heads look at it. Read a longer text to see them choose."];
  return [
    {
      box: "pattern",
      title: `Layer ${layer}: each head looks back`,
      words: [`Now ${last} looks at the tokens before it.`, ...(tokens.length > 1 ? look : alone)],
    },
    {
      box: "add_attention",
      title: "What the heads found is added",
      words: [
        `Attention in layer ${layer} writes a vector of length ${number(here.attention)}`,
        `and adds it to the vector of ${last}, which was ${number(here.before)} long and is now ${number(here.mid)}.`,
        "This running sum is the residual stream: nothing is overwritten.",
      ],
    },
    ...(sizes.d_mlp ? [mlp] : []),
  ];
}
