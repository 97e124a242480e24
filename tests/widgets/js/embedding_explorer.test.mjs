import assert from "node:assert/strict";
import test from "node:test";

import {
  ASPECT,
  arrowPath,
  cameraNumbers,
  countKinds,
  discOf,
  drawingOrder,
  depthOrder,
  labelWidth,
  makeScreen,
  packColour,
  panned,
  pick,
  placeLabels,
  pointStyle,
  projectCloud,
  rasterise,
  revealed,
  rowOfTyped,
  rowsInside,
  scaleOf,
  searchTokens,
  soundCamera,
  startCamera,
  turned,
  typedOf,
  typedText,
  UNDRAWN,
  unpackCloud,
  zoomed,
} from "../../../llmlib/widgets/embedding_explorer/data.mjs";
import { kindColours } from "../../../llmlib/widgets/embedding_explorer/paint.mjs";

const near = (a, b, by = 1e-4) => assert.ok(Math.abs(a - b) < by, `${a} is not ${b}`);

/** A view on bytes that begins at an odd place, as a message may bring it. */
function unaligned(typed) {
  const bytes = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
  const buffer = new Uint8Array(bytes.length + 3);
  buffer.set(bytes, 3);
  return new DataView(buffer.buffer, 3, bytes.length);
}

function cloudOf(points, labels, kinds = labels.map(() => 0)) {
  const encoded = labels.map((label) =>
    typeof label === "string" ? new TextEncoder().encode(label) : Uint8Array.from(label),
  );
  const steps = Uint16Array.from(points.flat(), (v) => Math.round(((v + 1) / 2) * 65535));
  let end = 0;
  return unpackCloud(
    unaligned(steps),
    unaligned(Uint8Array.from(encoded.flatMap((b) => [...b]))),
    unaligned(Uint32Array.from(encoded, (b) => (end += b.length))),
    unaligned(Uint8Array.from(kinds)),
  );
}

const SQUARE = cloudOf(
  [
    [-1, -1, 0],
    [1, -1, 0],
    [-1, 1, 0],
    [1, 1, 0],
  ],
  [" a", "<b>", "", [0xf0, 0x9f]],
  [0, 1, 0, 0],
);
const flat = { dims: 2, x: 0, y: 0, zoom: 0.5, turn: [1, 0, 0, 0, 1, 0, 0, 0, 1] };

test("arrays arrive whole, wherever their bytes begin, and are centred", () => {
  assert.equal(SQUARE.n, 4);
  assert.deepEqual([0, 1, 2, 3].map(SQUARE.label), ["·a", "<b>", "∅", "⟨F0 9F⟩"]);
  assert.deepEqual(SQUARE.texts(), [" a", "<b>", "", "\ufffd"]);
  near(
    SQUARE.xyz.reduce((a, b) => a + b),
    0,
  );
  const aside = cloudOf(
    [
      [0.5, 0, 0],
      [0.7, 0, 0],
    ],
    ["a", "b"],
  );
  near(aside.xyz[0], -0.1);
  near(aside.xyz[3], 0.1);
});

test("rare kinds are drawn last", () => {
  const kinds = Uint8Array.from([1, 0, 1, 2, 2, 2]);
  const counts = countKinds(kinds, 3);
  assert.deepEqual(counts, [1, 2, 3]);
  assert.deepEqual([...drawingOrder(kinds, counts)], [3, 4, 5, 0, 2, 1]);
  assert.deepEqual([...drawingOrder(Uint8Array.from([0, 0]), [2, 0])], [0, 1]);
});

test("y grows upwards, and one unit is as long as the camera says", () => {
  const { x, y } = projectCloud(SQUARE, flat, 200, 100, makeScreen(4));
  near(scaleOf(flat, 200, 100), 25);
  near(x[0], 75, 0.01);
  near(y[0], 75, 0.01);
  near(y[2], 25, 0.01);
});

test("a flat look at three dimensions only differs by perspective", () => {
  const cloud = cloudOf(
    [
      [-1, 0, 0],
      [1, 0, 0],
      [0, 1, 1],
      [0, -1, -1],
    ],
    ["a", "b", "c", "d"],
  );
  const { x, y, z } = projectCloud(cloud, { ...flat, dims: 3 }, 100, 100, makeScreen(4));
  near(x[1], 75, 0.01);
  assert.ok(50 - y[2] > y[3] - 50, "what is nearer looks larger");
  assert.ok(z[2] > z[3]);
});

test("turns are rotations: to and fro is nothing, and lengths stay", () => {
  let m = turned(turned(flat.turn, 0.4, 0), 0, -0.9);
  for (const r of [0, 3, 6]) near(Math.hypot(m[r], m[r + 1], m[r + 2]), 1);
  m = turned(turned(m, 0, 0.9), -0.4, 0);
  flat.turn.forEach((v, k) => near(m[k], v));
  const cloud = cloudOf(
    [
      [0, 0, 1],
      [0, 0, -1],
    ],
    ["front", "back"],
  );
  const { x } = projectCloud(cloud, { ...flat, dims: 3, turn: turned(flat.turn, 0.5, 0) }, 100, 100, makeScreen(2));
  assert.ok(x[0] > 50, "dragging to the right takes the front to the right");
  const { y } = projectCloud(cloud, { ...flat, dims: 3, turn: turned(flat.turn, 0, 0.5) }, 100, 100, makeScreen(2));
  assert.ok(y[0] > 50, "dragging down takes the front down");
});

test("dragging moves points with the pointer; zooming keeps the point under it", () => {
  const before = projectCloud(SQUARE, flat, 200, 100, makeScreen(4));
  const after = projectCloud(SQUARE, panned(flat, 7, -5, 200, 100), 200, 100, makeScreen(4));
  near(after.x[1] - before.x[1], 7, 0.01);
  near(after.y[1] - before.y[1], -5, 0.01);
  const close = projectCloud(SQUARE, zoomed(flat, 3, before.x[1], before.y[1], 200, 100), 200, 100, makeScreen(4));
  near(close.x[1], before.x[1], 0.01);
  near(close.y[1], before.y[1], 0.01);
  near(close.x[1] - close.x[0], 3 * (before.x[1] - before.x[0]), 0.02);
  assert.equal(zoomed(flat, 1e9, 0, 0, 200, 100).zoom, 400);
  assert.equal(zoomed(flat, 1e-9, 0, 0, 200, 100).zoom, 0.2);
  assert.ok(Math.abs(panned(flat, -1e9, 0, 200, 100).x) <= 2);
});

test("a row comes to the middle only if it is not on the picture already", () => {
  assert.equal(revealed(flat, [100, 50], 200, 100), flat);
  const close = { ...flat, zoom: 5 };
  const { x, y } = projectCloud(SQUARE, close, 200, 100, makeScreen(4));
  const to = projectCloud(SQUARE, revealed(close, [x[1], y[1]], 200, 100), 200, 100, makeScreen(4));
  near(to.x[1], 100, 0.01);
  near(to.y[1], 50, 0.01);
});

test("the first camera shows the cloud, outliers aside; one point and equal points are no trouble", () => {
  const many = cloudOf(
    [...Array.from({ length: 1000 }, (_, i) => [0.1 * Math.sin(i), 0.1 * Math.cos(i), 0]), [1, 1, 0]],
    Array(1001).fill("x"),
  );
  assert.equal(startCamera(many, 2).zoom, 8);
  near(startCamera(SQUARE, 2).zoom, 0.95); // as high as the picture
  const turned3 = startCamera(SQUARE, 3);
  const seen = projectCloud(SQUARE, turned3, 150, 100, makeScreen(4));
  for (const y of seen.y) assert.ok(y >= 0 && y <= 100);
  for (const x of seen.x) assert.ok(x >= 0 && x <= 150);
  near(
    startCamera(
      cloudOf(
        [
          [-1, 0, 0],
          [1, 0, 0],
        ],
        ["a", "b"],
      ),
      2,
    ).zoom,
    0.95 * ASPECT,
    1e-3,
  );
  assert.ok(Number.isFinite(startCamera(cloudOf([[0, 0, 0]], ["one"]), 2).zoom));
  assert.ok(
    Number.isFinite(
      startCamera(
        cloudOf(
          [
            [0.2, 0, 0],
            [0.2, 0, 0],
          ],
          ["a", "b"],
        ),
        3,
      ).zoom,
    ),
  );
});

test("cameras travel as numbers, and what is none is refused", () => {
  const camera = { ...flat, x: 0.123456789, zoom: 7 };
  near(soundCamera(cameraNumbers(camera), flat).x, 0.12346, 1e-9);
  for (const wrong of [undefined, [], [1, 2], Array(12).fill("x"), Array(12).fill(NaN)])
    assert.equal(soundCamera(wrong, flat), flat);
  assert.equal(soundCamera([0, 0, 1e12, ...flat.turn], flat).zoom, 400);
});

test("points are drawn where they are, hidden kinds are not, and nothing is drawn outside", () => {
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
  assert.equal(pixels[30 * size + 30] & 255, 227); // half way from 255 to 200
  assert.equal((pixels[30 * size + 30] >> 8) & 255, 127);
  assert.equal(pixels[30 * size + 30] >>> 24, 255);
});

test("blending is right for every pair of colours, also from dark to light", () => {
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

test("in three dimensions what is near is drawn last, and stronger", () => {
  const screen = makeScreen(3);
  const order = Uint32Array.from([0, 1, 2]);
  screen.z.set([0.9, -0.9, 0]);
  assert.deepEqual([...depthOrder(screen, order).sorted], [1, 2, 0]);
  screen.z.set([99, -99, 0]); // outside of the levels
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

test("discs are round, and large ones are larger", () => {
  assert.ok(discOf(3, 100).offsets.length > discOf(1, 100).offsets.length);
  const { offsets, cover } = discOf(1, 100);
  assert.equal(cover[offsets.indexOf(0)], 256);
  assert.equal(cover[offsets.indexOf(1)], cover[offsets.indexOf(100)]);
  assert.ok(pointStyle(50_000, 30).radius > pointStyle(50_000, 1).radius);
  assert.ok(pointStyle(10, 1).radius > pointStyle(50_000, 1).radius);
});

test("the nearest point is picked, never a hidden one or one too far", () => {
  const screen = projectCloud(SQUARE, flat, 100, 100, makeScreen(4)); // corners at 25 and 75
  assert.equal(pick(screen, SQUARE.kinds, new Set(), 73, 74, 12), 1);
  assert.equal(pick(screen, SQUARE.kinds, new Set([1]), 73, 74, 12), -1);
  assert.equal(pick(screen, SQUARE.kinds, new Set(), 50, 50, 12), -1);
  assert.deepEqual(rowsInside(screen, SQUARE.kinds, new Set([1]), 100, 50, 9), [2, 3]);
  assert.equal(rowsInside(screen, SQUARE.kinds, new Set(), 100, 100, 3), null);
});

test("labels do not touch, the first have the right of way, and the edge turns them round", () => {
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

test("arrows point from one to the other, and need room", () => {
  const path = arrowPath(0, 0, 100, 0);
  const numbers = path.match(/-?[\d.]+/g).map(Number);
  assert.equal(Math.max(...numbers.filter((_, k) => k % 2 === 0)), 93); // the tip keeps off the point
  assert.equal(arrowPath(0, 0, 5, 5), "");
  assert.equal(arrowPath(3, 3, 3, 3), "");
});

const WORDS = ["king", " King", " king", "asking", " kings", " kingdom", "KING", "\n", " ", "·"];

test("search finds parts of tokens, the best first", () => {
  assert.deepEqual(searchTokens(WORDS, "king").rows, [0, 1, 2, 6, 4, 5, 3]);
  assert.deepEqual(searchTokens(WORDS, "·king").rows, [2, 1, 4, 5]);
  assert.deepEqual(searchTokens(WORDS, " king", { whole: true }), { rows: [2], total: 1 });
  assert.deepEqual(searchTokens(WORDS, "king", { most: 2 }), { rows: [0, 1], total: 7 });
  assert.deepEqual(searchTokens(WORDS, "", {}), { rows: [], total: 0 });
  assert.deepEqual(searchTokens(WORDS, "⏎").rows, [7]);
  assert.deepEqual(searchTokens(WORDS, "zebra"), { rows: [], total: 0 });
  assert.deepEqual(searchTokens(WORDS, "(?:[").total, 0); // no pattern, plain text
});

test("a word means the token with its space; quotes mean it exactly", () => {
  assert.equal(rowOfTyped(WORDS, "king"), 2);
  assert.equal(rowOfTyped(WORDS, "·king"), 2);
  assert.equal(rowOfTyped(WORDS, '"king"'), 0);
  assert.equal(rowOfTyped(WORDS, "asking"), 3);
  assert.equal(rowOfTyped(WORDS, "queen"), -1);
  assert.equal(rowOfTyped(WORDS, ""), -1);
  for (const row of [0, 1, 2, 3, 7, 8]) assert.equal(rowOfTyped(WORDS, typedOf(WORDS[row])), row);
  assert.equal(typedOf(" king"), "·king");
  assert.equal(typedText("a·b"), "a b");
});

test("colours of kinds stand out from the paper in both themes, and are all different", () => {
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

test("the first camera looks at the middle of the points, wherever their mean is", () => {
  const aside = cloudOf([...Array.from({ length: 8 }, () => [-1, 0, 0]), [1, 0.5, 0]], Array(9).fill("x"));
  const { x, y } = projectCloud(aside, startCamera(aside, 2), 150, 100, makeScreen(9));
  near(x[0] + x[8], 150, 0.01);
  near(y[0] + y[8], 100, 0.01);
  near(x[8] - x[0], 0.95 * 150, 0.05); // and fills the picture
});

test("a map may have places for rows that it does not draw", () => {
  const typed = Uint16Array.from([0, 0, 0, 65535, 0, 0, 0, 65535, 0]);
  const ends = Uint32Array.from([1, 2, 3]);
  const cloud = unpackCloud(
    unaligned(typed),
    unaligned(Uint8Array.from([97, 98, 99])),
    unaligned(ends),
    unaligned(Uint8Array.from([1, 0, 0])),
    2,
  );
  assert.deepEqual([...cloud.kinds], [1, 0, UNDRAWN]);
  assert.deepEqual([cloud.n, cloud.drawn, cloud.label(2)], [3, 2, "c"]);
  const counts = countKinds(cloud.kinds, 2);
  assert.deepEqual(counts, [1, 1]);
  assert.deepEqual([...drawingOrder(cloud.kinds, counts)], [1, 0]);
  const screen = projectCloud(cloud, flat, 100, 100, makeScreen(3));
  assert.equal(pick(screen, cloud.kinds, new Set([UNDRAWN]), screen.x[2], screen.y[2], 5), -1);
  assert.ok(Number.isFinite(startCamera(cloud, 2).zoom));
});

test("labels keep off the dots, and where there is no room stand farther away on a line", () => {
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
