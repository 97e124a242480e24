// Computes what follows from a scaling law L = (E + A / N^alpha + B / D^beta)^power, with N parameters and D tokens.
// The arithmetic is the same as in llmlib.scaling; `rows.py` lists the fields of laws and machines.

const AT = 1e18; // FLOPs: the compute for which `best_size` is the best size
const GOLDEN = (Math.sqrt(5) - 1) / 2;
const ODDS = 30; // log-odds: it is enough to search from −ODDS to ODDS

/** Predict the loss of a model, in nats. */
export const lossOf = (law, n, d) => (law.E + law.A * n ** -law.alpha + law.B * d ** -law.beta) ** law.power;

/** Return the FLOPs for training: per token, 6 for each parameter. */
export const trainingFlops = (n, d) => 6 * n * d;

/** Return the FLOPs for reading and writing this many tokens: per token, 2 for each parameter. */
export const answeringFlops = (n, tokens) => 2 * n * tokens;

/** Return the model size and the number of tokens that are best for this many FLOPs, according to a law. */
export function bestFor(law, compute) {
  const n = law.best_size * (compute / AT) ** law.size_exponent;
  return { n, d: compute / 6 / n };
}

/** Return the sum of the terms for size and tokens, A / N^alpha + B / D^beta, at which a model has this loss. */
const gapOf = (law, loss) => loss ** (1 / law.power) - law.E;

/** Return how many tokens a model of this size needs to reach a loss; Infinity if the model is too small. */
export function tokensFor(law, n, loss) {
  const left = gapOf(law, loss) - law.A * n ** -law.alpha;
  return left > 0 ? (law.B / left) ** (1 / law.beta) : Infinity;
}

/** Return the size that reaches a loss with unlimited tokens; smaller models cannot reach this loss. */
export const smallestFor = (law, loss) => (law.A / gapOf(law, loss)) ** (1 / law.alpha);

/**
 * Return the model that has this loss and whose term for size is a certain share of the sum from `gapOf`; `odds` is the
 * log-odds of this share.
 */
export function modelOf(law, loss, odds) {
  const gap = gapOf(law, loss);
  const share = 1 / (1 + Math.exp(-odds));
  const rest = 1 / (1 + Math.exp(odds));
  return { n: (law.A / (share * gap)) ** (1 / law.alpha), d: (law.B / (rest * gap)) ** (1 / law.beta) };
}

/**
 * Find the model that reaches a loss with the fewest FLOPs for training and inference together, if it reads and writes
 * `answered` tokens in its lifetime: { n, d, flops }. There is only one minimum, and a golden-section search finds it.
 */
export function cheapest(law, loss, answered) {
  const made = (odds) => {
    const { n, d } = modelOf(law, loss, odds);
    return { n, d, flops: trainingFlops(n, d) + answeringFlops(n, answered) };
  };
  let [low, high] = [-ODDS, ODDS];
  for (let k = 0; k < 90; k++) {
    const [left, right] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    [low, high] = made(left).flops < made(right).flops ? [low, right] : [left, high];
  }
  return made((low + high) / 2);
}

/**
 * Return the time, money and energy for a computation on `count` machines that run at a share (`utilisation`) of their
 * peak speed.
 */
export function billOf(flops, machine, { count, utilisation, price }) {
  const hours = flops / (machine.peak_flops * utilisation) / 3600;
  return {
    hours,
    days: hours / count / 24,
    dollars: hours * (price ?? machine.dollars_per_hour),
    kilowattHours: (hours * machine.watts) / 1000,
  };
}

/** Say how far a model is outside the range that a law was fitted to: ["40 times the largest number of tokens", …]. */
export function outside(law, n, d) {
  const far = (value, range, what) => {
    if (!range || (value >= range[0] * 0.995 && value <= range[1] * 1.005)) return [];
    const [times, words] =
      value > range[1]
        ? [value / range[1], "times the largest number of"]
        : [range[0] / value, "times smaller than the smallest number of"];
    const many = Number(times.toPrecision(2)).toLocaleString("en");
    return [`${many} ${words} ${what}`];
  };
  return [...far(n, law.parameters, "parameters"), ...far(d, law.tokens, "tokens")];
}
