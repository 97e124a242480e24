// Writes what the guided tour says at each stop, with numbers from the user's own text. This code is tested in Node.

import { howMany, isolated, percent, shorten, visibleToken } from "../shared/shared.mjs";

/** Format a number with three significant digits: 12.3456 -> "12.3"; null stands for a number that is not finite. */
export function number(value) {
  return value === null ? "not a number" : Number(value.toPrecision(3)).toString().replace("-", "−");
}
const shareInWords = (p) => (p === null ? "not a number" : percent(p));
const quotedToken = (text) => `“${isolated(shorten(visibleToken(text), 16))}”`;

/** Return the layer in which the last token pays the most attention to another token; the tour begins there. */
export function strongestLayer({ layers }) {
  return layers.reduce((best, { weight }, layer) => ((weight ?? 0) > (layers[best].weight ?? 0) ? layer : best), 0);
}

/** Find the largest vector that was added to the stream: { layer, part, norm }. */
export function largestAddition({ layers }) {
  const all = layers.flatMap(({ attention, mlp }, layer) => [
    { layer, part: "attention", norm: attention ?? 0 },
    { layer, part: "MLP", norm: mlp ?? 0 },
  ]);
  return all.reduce((best, one) => (one.norm > best.norm ? one : best));
}

/**
 * List the stops of a tour through a model. Each stop has the `box` that it explains, a `title`, two or three
 * sentences, and perhaps `tokens`, the `norms` of the stream or the likeliest `next` tokens. `layer` is the chosen
 * layer.
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
        `Each id picks a row of the token table (${all(sizes.vocab)} rows of ${all(sizes.d_model)} numbers).`,
        hasPositions ? "The model adds the vector for the token’s position." : "",
        `The vector for ${last}, your last token, begins with ${tour.numbers.map(number).join(", ")} …`,
        `and has length ${number(tour.norm)}.`,
      ],
    },
    ...ofLayer(tour, tokens, layer, last),
    {
      box: "layer",
      title: "Layer after layer",
      norms: [tour.norm, ...layers.map(({ after }) => after)],
      words: [
        sizes.layers > 1
          ? `The vectors pass through all ${all(sizes.layers)} layers, one after another.`
          : "The model has a single layer.",
        `Along the way, the vector for ${last} goes from length ${number(tour.norm)} to ${number(end)};`,
        `${largestInWords(largestAddition(tour))}.`,
      ],
    },
    {
      box: "unembed",
      title: "The last vector is compared with every token",
      words: [
        `The final norm changes the vector’s length from ${number(end)} to ${number(tour.final)}.`,
        `The model compares this vector with the output table’s ${all(sizes.vocab)} rows, one for each token.`,
        `The token ${best.token} gets the highest score, a logit of ${number(best.logit)};`,
        `the mean of all logits is ${number(tour.mean_logit)}.`,
      ],
    },
    {
      box: "next",
      title: "Scores become probabilities",
      next: tour.next,
      words: [
        "Softmax turns the scores into probabilities.",
        `After your text, the model gives ${best.token} a probability of ${shareInWords(best.p)}.`,
        "One token is sampled and added to the text, and the whole computation starts again.",
      ],
    },
  ].map((station) => ({ ...station, words: station.words.filter(Boolean).join(" ") }));
}

const largestInWords = ({ layer, part, norm }) =>
  `the ${part} in layer ${layer} adds the longest vector (${number(norm)})`;

function ofText({ ids, characters }, tokens) {
  const [long, short] = [howMany(characters, "character"), howMany(tokens.length, "token")];
  return {
    box: "text",
    title: "Your text becomes tokens",
    tokens: tokens.map((text, k) => [text, ids[k]]),
    words: [
      `The tokenizer splits your ${long} into ${short} and gives each token a number, its id.`,
      "From here on, the model sees only these numbers.",
    ],
  };
}

/** Describe one layer: what the last token pays the most attention to, what attention adds, and what the MLP adds. */
function ofLayer({ sizes, layers }, tokens, layer, last) {
  const here = layers[layer];
  const mlp = {
    box: "mlp",
    title: "The MLP works on each token by itself",
    words: [
      `In layer ${layer}, the vector for ${last} goes through ${sizes.d_mlp.toLocaleString("en")} hidden units.`,
      `Unit ${here.unit} has the strongest activation, ${number(here.activation ?? null)}.`,
      `Together, the units add a vector of length ${number(here.mlp)} to the stream,`,
      `which then has length ${number(here.after)}.`,
    ],
  };
  const where = tokens.length > 2 ? "a token between the first and the last" : "the token before";
  const look = [
    `Of all ${sizes.heads} heads, head ${here.head} pays the most attention to ${where}:`,
    `${shareInWords(here.weight)} of its attention goes to ${quotedToken(tokens[here.key])}.`,
    `Averaged over the heads, the first token gets ${shareInWords(here.first)} of the attention.`,
  ];
  const alone = ["There is only one token here, so all heads look at it. Use a longer text to see the heads choose."];
  return [
    {
      box: "pattern",
      title: `Layer ${layer}: each head looks back`,
      words: [`Now ${last} looks at the tokens before it.`, ...(tokens.length > 1 ? look : alone)],
    },
    {
      box: "add_attention",
      title: "The heads’ results are added",
      words: [
        `Attention in layer ${layer} writes a vector of length ${number(here.attention)}`,
        `and adds it to the vector for ${last}, whose length goes from ${number(here.before)} to ${number(here.mid)}.`,
        "This running sum is the residual stream. Layers only add to it and never overwrite it.",
      ],
    },
    ...(sizes.d_mlp ? [mlp] : []),
  ];
}
