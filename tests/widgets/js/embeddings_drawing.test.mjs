import assert from "node:assert/strict";
import test from "node:test";

import {
  arrowPath,
  depthOrder,
  discOf,
  labelWidth,
  makeScreen,
  packColour,
  pick,
  placeLabels,
  pointStyle,
  projectCloud,
  rasterise,
  rowsInside,
} from "../../../llmlib/widgets/embeddings/data.mjs";
import { kindColours } from "../../../llmlib/widgets/embeddings/paint.mjs";
import { flat, near, SQUARE } from "./embeddings_clouds.mjs";

test("points are drawn in their places, unless their kind is hidden or they reach over the edge", () => {
  const size = 41;
  const pixels = new Uint32Array(size * size);
  const screen = makeScreen(4);
  const paper = packColour([255, 255, 255]);
  const red = packColour([200, 0, 0]);
  [
    [10, 10],
    [30, 30],
    [0, 0],
    [1e6, -1e6],
  ].forEach(([x, y], row) => {
    screen.x[row] = x;
    screen.y[row] = y;
  });
  const style = { paper, radius: 2, opacity: 1, deep: false };
  const order = Uint32Array.from([0, 1, 2, 3]);
  rasterise(pixels, size, size, screen, SQUARE.kinds, order, { ...style, colours: [red, null] });
  assert.equal(pixels[10 * size + 10], red);
  assert.equal(pixels[30 * size + 30], paper);
  assert.equal(pixels[0], paper);
  rasterise(pixels, size, size, screen, SQUARE.kinds, order, { ...style, colours: [red, red], opacity: 0.5 });
  assert.equal(pixels[30 * size + 30] & 255, 227); // halfway from 255 to 200
  assert.equal((pixels[30 * size + 30] >> 8) & 255, 127);
  assert.equal(pixels[30 * size + 30] >>> 24, 255);
});

test("colours are blended correctly, from dark to light as well as from light to dark", () => {
  const screen = makeScreen(1);
  const order = Uint32Array.from([0]);
  const pixels = new Uint32Array(81);
  screen.x[0] = screen.y[0] = 4;
  for (const [from, to] of [
    [
      [20, 24, 29],
      [121, 184, 255],
    ],
    [
      [255, 255, 255],
      [0, 0, 0],
    ],
    [
      [0, 255, 0],
      [255, 0, 255],
    ],
    [
      [255, 0, 255],
      [0, 255, 0],
    ],
  ]) {
    rasterise(pixels, 9, 9, screen, Uint8Array.from([0]), order, {
      paper: packColour(from),
      colours: [packColour(to)],
      radius: 1,
      opacity: 0.75,
      deep: false,
    });
    [0, 1, 2].forEach((k) => near((pixels[40] >>> (8 * k)) & 255, from[k] + 0.75 * (to[k] - from[k]), 1.01));
  }
});

test("in three dimensions, near points are drawn last and in stronger colours", () => {
  const screen = makeScreen(3);
  const order = Uint32Array.from([0, 1, 2]);
  screen.z.set([0.9, -0.9, 0]);
  assert.deepEqual([...depthOrder(screen, order).sorted], [1, 2, 0]);
  screen.z.set([99, -99, 0]); // beyond the range of depths
  assert.deepEqual([...depthOrder(screen, order).sorted], [1, 2, 0]);
  const pixels = new Uint32Array(81);
  const [far, close] = [-0.9, 0.9].map((z) => {
    const one = makeScreen(1);
    one.x[0] = one.y[0] = 4;
    one.z[0] = z;
    rasterise(pixels, 9, 9, one, Uint8Array.from([0]), Uint32Array.from([0]), {
      paper: packColour([255, 255, 255]),
      colours: [packColour([0, 0, 0])],
      radius: 1,
      opacity: 1,
      deep: true,
    });
    return pixels[40] & 255;
  });
  assert.ok(close < far);
});

test("discs are round, and larger if there are few points or the map is enlarged", () => {
  assert.ok(discOf(3, 100).offsets.length > discOf(1, 100).offsets.length);
  const { offsets, cover } = discOf(1, 100);
  assert.equal(cover[offsets.indexOf(0)], 256);
  assert.equal(cover[offsets.indexOf(1)], cover[offsets.indexOf(100)]);
  assert.ok(pointStyle(50_000, 30).radius > pointStyle(50_000, 1).radius);
  assert.ok(pointStyle(10, 1).radius > pointStyle(50_000, 1).radius);
});

test("the nearest point is picked, but never a hidden one or one that is too far away", () => {
  const screen = projectCloud(SQUARE, flat, 100, 100, makeScreen(4)); // corners at 25 and 75
  assert.equal(pick(screen, SQUARE.kinds, new Set(), 73, 74, 12), 1);
  assert.equal(pick(screen, SQUARE.kinds, new Set([1]), 73, 74, 12), -1);
  assert.equal(pick(screen, SQUARE.kinds, new Set(), 50, 50, 12), -1);
  assert.deepEqual(rowsInside(screen, SQUARE.kinds, new Set([1]), 100, 50, 9), [2, 3]);
  assert.equal(rowsInside(screen, SQUARE.kinds, new Set(), 100, 100, 3), null);
});

test("labels do not overlap, earlier ones have priority, and one at the right edge is put on the left", () => {
  const item = (x, y, label) => ({ x, y, label });
  const kept = placeLabels(
    [
      item(100, 50, "first"),
      item(102, 52, "second"),
      item(101, 51, "third"),
      item(101, 50, "fourth"),
      item(100, 50, "fifth"),
      item(295, 20, "edge"),
      item(250, 200, "outside"),
    ],
    300,
    100,
  );
  assert.deepEqual(
    kept.map(({ label, anchor }) => `${label} ${anchor}`),
    ["first start", "second end", "third middle", "fourth middle", "edge end"],
  );
  for (const a of kept)
    for (const b of kept)
      assert.ok(
        a === b ||
          a.box.left >= b.box.right ||
          b.box.left >= a.box.right ||
          a.box.top >= b.box.bottom ||
          b.box.top >= a.box.bottom,
      );
  assert.deepEqual(kept[0].at, [109, 54]);
  assert.ok(labelWidth("漢字") > labelWidth("ab"));
});

test("labels keep clear of the dots; if there is no room nearby, a line leads to a label farther away", () => {
  const crowd = Array.from({ length: 12 }, (_, k) => ({
    x: 200 + (k % 4) * 6,
    y: 150 + k,
    label: `name ${k}`,
    far: true,
  }));
  const dots = crowd.map(({ x, y }) => [x, y]);
  const kept = placeLabels(crowd, 400, 300, dots);
  assert.equal(kept.length, 12);
  assert.ok(kept.some(({ line }) => line) && kept.some(({ line }) => !line));
  for (const { box } of kept)
    for (const [x, y] of dots) assert.ok(x < box.left || x > box.right || y < box.top || y > box.bottom);
  assert.ok(
    placeLabels(
      crowd.map((item) => ({ ...item, far: false })),
      400,
      300,
      dots,
    ).length < 12,
  );
});

test("arrows end before the point they lead to, and are left out if there is no room", () => {
  const path = arrowPath(0, 0, 100, 0);
  const numbers = path.match(/-?[\d.]+/g).map(Number);
  assert.equal(Math.max(...numbers.filter((_, k) => k % 2 === 0)), 93); // the tip keeps clear of the point
  assert.equal(arrowPath(0, 0, 5, 5), "");
  assert.equal(arrowPath(3, 3, 3, 3), "");
});

test("the colours of the kinds are all different, and stand out from the background in both themes", () => {
  const luminance = (hex) =>
    hex
      .match(/[\da-f]{2}/g)
      .map((pair) => parseInt(pair, 16) / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  for (const [dark, paper] of [
    [false, "#ffffff"],
    [true, "#14181d"],
  ]) {
    assert.equal(new Set(kindColours(dark)).size, 8);
    for (const colour of kindColours(dark)) {
      const [a, b] = [luminance(colour), luminance(paper)].sort((x, y) => y - x);
      assert.ok((a + 0.05) / (b + 0.05) >= 3, `${colour} on ${paper}`);
    }
  }
});
