import assert from "node:assert/strict";
import test from "node:test";

import { headStyle, looksOf, turned, visibleHeads } from "../../../llmlib/widgets/attention/overlay.mjs";
import { parseColour } from "../../../llmlib/widgets/shared/canvas.mjs";
import { pattern } from "./attention_patterns.mjs";

test("what all heads in a layer attend to is collected and filtered", () => {
  const heads = [
    [0, pattern([[1], [0.2, 0.8], [0, 0.5, 0.5]])],
    [2, pattern([[1], [1, 0], [0.98, 0.02, 0]])],
  ];
  const looks = looksOf(heads, 2, "from");
  assert.deepEqual(
    looks.map(({ head, from, to }) => [head, from, to]),
    [
      [0, 2, 1],
      [0, 2, 2],
      [2, 2, 0],
    ],
    "the strongest come last, and faint ones are left out",
  );
  assert.deepEqual(
    looksOf(heads, 0, "to").map(({ head, from }) => [head, from]),
    [
      [0, 1],
      [2, 2],
      [0, 0],
      [2, 0],
      [2, 1],
    ],
  );
  assert.deepEqual(
    looksOf([heads[1]], null, "from").map(({ from, to }) => [from, to]),
    [
      [2, 0],
      [0, 0],
      [1, 0],
    ],
  );
  assert.deepEqual(visibleHeads(4, turned([0], 2)), [1, 3]);
  assert.deepEqual(turned([0, 2], 2), [0]);
});

// What remains of red, green and blue with all cones, without those for green, and without those for red (Machado,
// Oliveira and Fernandes, 2009).
const CONES = {
  all: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  "not green": [
    [0.367, 0.861, -0.228],
    [0.28, 0.673, 0.047],
    [-0.012, 0.043, 0.969],
  ],
  "not red": [
    [0.152, 1.053, -0.205],
    [0.115, 0.786, 0.099],
    [-0.004, -0.048, 1.052],
  ],
};

/** Return how light a colour is, and its place in L*a*b*, a space whose distances match visible differences. */
function seen(colour, cones = "all") {
  const linear = parseColour(colour).map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const [r, g, b] = CONES[cones].map((row) =>
    Math.max(
      0,
      row.reduce((sum, weight, k) => sum + weight * linear[k], 0),
    ),
  );
  const f = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  const [x, y, z] = [
    0.4124 * r + 0.3576 * g + 0.1805 * b,
    0.2126 * r + 0.7152 * g + 0.0722 * b,
    0.0193 * r + 0.1192 * g + 0.9505 * b,
  ];
  return { light: y, lab: [116 * f(y) - 16, 500 * (f(x / 0.9505) - f(y)), 200 * (f(y) - f(z / 1.089))] };
}

test("heads have colours that stand out from the background and from each other, even for colour-blind readers", () => {
  for (const [dark, paper] of [
    [false, "#ffffff"],
    [true, "#1e1e1e"],
  ]) {
    const colours = Array.from({ length: 8 }, (_, head) => headStyle(head, dark).colour);
    const { light } = seen(paper);
    for (const colour of colours) {
      const [low, high] = [light, seen(colour).light].sort((a, b) => a - b);
      assert.ok((high + 0.05) / (low + 0.05) >= 3, `${colour} on ${paper}`);
    }
    for (const cones of Object.keys(CONES))
      colours.forEach((one, k) =>
        colours.slice(k + 1).forEach((other) => {
          const distance = Math.hypot(...seen(one, cones).lab.map((v, i) => v - seen(other, cones).lab[i]));
          assert.ok(distance >= 25, `${one} and ${other}, ${cones}: ${distance.toFixed(1)}`);
        }),
      );
  }
  const styles = Array.from({ length: 32 }, (_, head) => JSON.stringify(headStyle(head, false)));
  assert.equal(new Set(styles).size, 32, "colours repeat with other dashes");
  assert.deepEqual(headStyle(32, false), headStyle(0, false));
});
