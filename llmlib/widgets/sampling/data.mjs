// The data of the sampling view, as numbers. This code does not touch the page, so it can be tested in Node.

const WAYS = ["prompt", "chance", "reader", "side by side"]; // how a token was chosen

/** Name a stage; if it is a setting, add its value. */
export const stageInWords = (name, settings) =>
  name in settings && settings[name] !== null
    ? `${name} ${settings[name]}`
    : ({ model: "the model", logit_bias: "banned tokens", constraint: "pattern" }[name] ?? name);

/** Return `cut`, the stage that ruled out a token, if it is not after stage `k` (null: the last stage), or else "". */
export const cutAt = (cut, stages, k) => (k === null || stages.findIndex(({ name }) => name === cut) <= k ? cut : "");

/**
 * Choose the end and the ticks of a linear scale that starts at 0 and has space for `most`:
 * 0.31 -> { end: 0.4, ticks: [0, 0.1, …] }.
 */
export function scaleFor(most) {
  const end = [0.04, 0.08, 0.2, 0.4, 0.8].find((one) => one >= most) ?? 1;
  return { end, ticks: [0, 0.25, 0.5, 0.75, 1].map((t) => t * end) };
}

/**
 * Return how far a token's share of n draws may stray from `p`: two standard deviations of the binomial distribution.
 */
export const straying = (p, n) => 2 * Math.sqrt((p * (1 - p)) / n);

/** Return the largest value to show: a share, a probability, or the upper end of the range around a probability. */
export const mostDrawn = (theory, shares, n) =>
  Math.max(...shares, ...theory.map((p) => p + (n && p ? straying(p, n) : 0)), 0);

/** Count the shares that are within their range; tokens that cannot be drawn are left out. */
export function within(counts, probabilities, n) {
  const possible = probabilities.map((p, k) => [p, counts[k]]).filter(([p]) => p > 0);
  return {
    inside: possible.filter(([p, count]) => Math.abs(count / n - p) <= straying(p, n) + 0.5 / n).length,
    of: possible.length,
  };
}

/** Unpack the branches: each node's id, parent, log-probability, chance and way. Node 0 is the prompt. */
export function unpackTree(packed) {
  const buffer = new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength).slice().buffer;
  const n = buffer.byteLength / 17;
  return {
    n,
    ids: new Uint32Array(buffer, 0, n),
    parents: new Int32Array(buffer, 4 * n, n),
    logProbs: new Float32Array(buffer, 8 * n, n),
    chances: new Float32Array(buffer, 12 * n, n),
    ways: new Uint8Array(buffer, 16 * n, n),
  };
}

/** Return the nodes from the first token to this node. */
export function pathTo(tree, node) {
  const found = [];
  for (let one = node; one > 0; one = tree.parents[one]) found.push(one);
  return found.reverse();
}

/** Write the tree for a file: one entry per node, each child after its parent; the first entry is the prompt. */
export function treeAsJson(tree, prompt, words) {
  return Array.from({ length: tree.n }, (_, node) => ({
    node,
    parent: node ? tree.parents[node] : null,
    id: node ? tree.ids[node] : null,
    token: node ? (words[tree.ids[node]] ?? "") : prompt,
    log_prob: tree.logProbs[node],
    chance: tree.chances[node],
    way: WAYS[tree.ways[node]],
  }));
}

const KEPT = 3; // how many tokens stay at each end of a long stretch without branches

/**
 * Compute where each node of a tree goes, [{ node, row, x, width, from: { row, x }, hidden }, …], and how much space
 * all nodes need. A first child follows its parent in the same row; each further child starts a new row below. A long
 * stretch without branches shows only its ends, unless one of its nodes is in `open`, or the node `at` would be hidden;
 * `hidden` lists the nodes behind a fold. `widthOf(node)` returns pixels.
 */
export function layOut(tree, { at, open = new Set(), widthOf, gap = 10, folded = 86 }) {
  const children = Array.from({ length: tree.n }, () => []);
  for (let node = 1; node < tree.n; node++) children[tree.parents[node]].push(node);
  const boxes = [];
  const totals = new Float64Array(tree.n);
  const ends = [];
  let rows = 0;
  let width = 0;
  const waiting = [{ node: 0, parent: null }];
  while (waiting.length) {
    let { node, parent } = waiting.pop();
    const row = rows++;
    for (let from = parent; node !== undefined;) {
      const stretch = [node];
      while (children[stretch.at(-1)].length === 1 && stretch.at(-1) !== 0) stretch.push(children[stretch.at(-1)][0]);
      const foldable =
        stretch.length > 2 * KEPT + 2 &&
        !stretch.some((one) => open.has(one)) &&
        !stretch.slice(KEPT, -KEPT).includes(at);
      const shown = foldable
        ? [...stretch.slice(0, KEPT), stretch.slice(KEPT, -KEPT), ...stretch.slice(-KEPT)]
        : stretch;
      for (const one of stretch) totals[one] = one ? totals[tree.parents[one]] + tree.logProbs[one] : 0;
      for (const one of shown) {
        const hidden = Array.isArray(one) ? one : null;
        const box = {
          node: hidden ? hidden[0] : one,
          hidden,
          row,
          from,
          x: from ? from.x + from.width + gap : 0,
          width: hidden ? folded : widthOf(one),
        };
        boxes.push(box);
        from = box;
        width = Math.max(width, box.x + box.width);
      }
      const last = stretch.at(-1);
      const [first, ...others] = children[last];
      for (const other of others.reverse()) waiting.push({ node: other, parent: from });
      if (first === undefined) ends.push({ node: last, box: from });
      node = first;
    }
  }
  return { boxes, ends, totals, rows, width };
}

/**
 * Return the index of the box to which a key moves the focus from box number `from`: the parent, the first child, the
 * nearest box in the next row above or below, or (Home) the first box.
 */
export function neighbour(boxes, from, key) {
  const box = boxes[from];
  if (key === "ArrowLeft") return box.from ? boxes.indexOf(box.from) : from;
  if (key === "ArrowRight") {
    const next = boxes.findIndex((one) => one.from === box);
    return next < 0 ? from : next;
  }
  if (key === "Home") return 0;
  const step = { ArrowUp: -1, ArrowDown: 1 }[key];
  if (!step) return from;
  const middle = box.x + box.width / 2;
  const last = Math.max(...boxes.map((one) => one.row));
  for (let row = box.row + step; row >= 0 && row <= last; row += step) {
    const found = boxes
      .filter((one) => one.row === row)
      .sort((a, b) => Math.abs(a.x + a.width / 2 - middle) - Math.abs(b.x + b.width / 2 - middle))[0];
    if (found) return boxes.indexOf(found);
  }
  return from;
}

/** Return a text's mean surprise in nats, and the share of distinct pairs among its pairs of neighbouring tokens. */
export function measures(ids, logProbs) {
  const pairs = ids.slice(1).map((id, k) => `${ids[k]} ${id}`);
  return {
    surprise: logProbs.length ? -logProbs.reduce((sum, one) => sum + one, 0) / logProbs.length : NaN,
    distinct: pairs.length ? new Set(pairs).size / pairs.length : NaN,
  };
}
