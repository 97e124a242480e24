import assert from "node:assert/strict";
import test from "node:test";

import * as data from "../../../llmlib/widgets/attention_explorer/data.mjs";
import * as layout from "../../../llmlib/widgets/attention_explorer/layout.mjs";
import { headStyle, looksOf, turned, visibleHeads } from "../../../llmlib/widgets/attention_explorer/overlay.mjs";
import { goTo, placeOf, settle, stateOf } from "../../../llmlib/widgets/attention_explorer/state.mjs";
import * as words from "../../../llmlib/widgets/attention_explorer/words.mjs";
import { parseColour } from "../../../llmlib/widgets/shared/canvas.mjs";
import { shorten } from "../../../llmlib/widgets/shared/shared.mjs";

const d = { ...data, ...layout };

/** A pattern from rows of weights. */
function pattern(rows, causal = true, signed = false, scale = 1) {
  const n = rows.length;
  const codes = new Uint8Array(d.headSize(n, causal));
  rows.forEach((row, i) =>
    row.forEach((w, j) => {
      const k = d.cellIndex({ n, causal }, i, j);
      if (k >= 0) codes[k] = d.encode(w, scale, signed);
    }),
  );
  return { n, causal, scale, signed, codes };
}

/** n rows of n values. */
const square = (n, value) =>
  Array.from({ length: n }, (_row, i) => Array.from({ length: n }, (_value, j) => value(i, j)));

const close = (a, b, tolerance = 0.005) => assert.ok(Math.abs(a - b) <= tolerance, `${a} is not near ${b}`);

test("codes keep faint weights and never err by more than half a step", () => {
  for (let w = 0; w <= 1; w += 1 / 4096) {
    const found = d.decode(d.encode(w));
    assert.ok(Math.abs(found - w) <= Math.sqrt(w) / 254 + 1e-5, `${w} became ${found}`);
  }
  close(d.decode(d.encode(1 / 512)), 1 / 512, 1e-4);
  assert.equal(d.decode(d.encode(1)), 1);
  assert.equal(d.decode(d.encode(3, 4), 4) > 2.9, true);
  assert.ok(Number.isNaN(d.decode(d.encode(NaN))));
  for (const w of [-1, -0.3, -0.001, 0, 0.2, 1]) close(d.decode(d.encode(w, 1, true), 1, true), w, 0.01);
});

test("cells of a triangle and of a square", () => {
  assert.equal(d.headSize(4, true), 10);
  assert.equal(d.headSize(4, false), 16);
  assert.deepEqual(
    [0, 1, 2].map((i) => d.cellIndex({ n: 3, causal: true }, i, 1)),
    [-1, 2, 4],
  );
  assert.equal(d.cellIndex({ n: 3, causal: false }, 1, 2), 5);
});

test("bytes are read at any offset, and a wrong number of them is refused", () => {
  const buffer = Uint8Array.from([9, 9, 9, 254, 0, 254, 254, 127, 127]).buffer;
  const meta = { tokens: ["a", "b"], layers: 2, heads: 1, causal: true, scale: 1 };
  const text = d.unpack(meta, new DataView(buffer, 3, 6));
  assert.deepEqual([...d.headPattern(text, 1, 0).codes], [254, 127, 127]);
  assert.throws(() => d.unpack(meta, new DataView(buffer, 3, 5)), /Expected 6 bytes of attention, got 5/);
});

test("mean and maximum of the heads of a layer", () => {
  const meta = { tokens: ["a", "b"], layers: 1, heads: 2, causal: true, scale: 1 };
  const codes = [1, 0.2, 0.8, 1, 0.6, 0.4].map((w) => d.encode(w));
  const text = d.unpack(meta, new DataView(Uint8Array.from(codes).buffer));
  close(d.weightAt(d.headPattern(text, 0, "mean"), 1, 0), 0.4);
  close(d.weightAt(d.headPattern(text, 0, "max"), 1, 0), 0.6);
  codes[4] = d.NAN_CODE;
  const broken = d.unpack(meta, new DataView(Uint8Array.from(codes).buffer));
  for (const how of ["mean", "max"]) assert.ok(Number.isNaN(d.weightAt(d.headPattern(broken, 0, how), 1, 0)));
});

test("differences are signed and mix causal with full patterns", () => {
  const a = pattern([
    [1, 0],
    [0.3, 0.7],
  ]);
  const b = pattern(
    [
      [0.6, 0.4],
      [0.9, 0.1],
    ],
    false,
  );
  const found = d.difference(a, b);
  assert.equal(found.causal, false);
  const expected = [
    [-0.4, 0.4],
    [0.6, -0.6],
  ];
  for (const i of [0, 1]) for (const j of [0, 1]) close(d.weightAt(found, i, j), expected[i][j], 0.015);
  const same = d.difference(a, a);
  assert.equal(same.causal, true);
  assert.ok(same.codes.every((code) => code === d.MIDDLE));
});

test("rows and columns, and the strongest of them", () => {
  const p = pattern([
    [1, 0, 0],
    [0.25, 0.75, 0],
    [0.1, 0.6, 0.3],
  ]);
  d.weightsOf(p, 2, "from").forEach((w, j) => close(w, [0.1, 0.6, 0.3][j]));
  d.weightsOf(p, 1, "to").forEach((w, i) => close(w, [0, 0.75, 0.6][i]));
  assert.deepEqual(d.strongest(d.weightsOf(p, 2, "from"), 2), [1, 2]);
  assert.deepEqual(d.strongest(Float32Array.from([0, NaN, 0.5, -0.7]), 5), [1, 3, 2]);
  assert.deepEqual(d.strongestPairs(p, 2), [
    [0, 0],
    [1, 1],
  ]);
  assert.equal(d.strongestPairs(p, 100).length, 6);
  assert.equal(d.strongestPairs(p, 100, 0.5).length, 3);
});

test("an image of a pattern: big cells, small cells, outside, NaN", () => {
  const p = pattern([
    [1, 0],
    [0, 1],
  ]);
  assert.deepEqual([...d.pool(p, { x: 0, y: 0, w: 2, h: 2 }, 4, 2)], [255, 255, 0, 0, 1, 1, 255, 255]);
  assert.deepEqual([...d.pool(p, { x: 1, y: 0, w: 1, h: 2 }, 1, 2)], [0, 255]);
  const n = 100;
  const thin = pattern(square(n, (i, j) => (j === i - 1 ? 1 : 0)));
  const small = d.pool(thin, { x: 0, y: 0, w: n, h: n }, 10, 10);
  for (let i = 0; i < 10; i++) assert.equal(small[i * 10 + i], 255, "a thin diagonal survives");
  assert.equal(small[9], 0);
  const broken = pattern([
    [1, 0],
    [NaN, 1],
  ]);
  assert.equal(d.pool(broken, { x: 0, y: 0, w: 2, h: 2 }, 1, 1)[0], d.NAN_CODE + 1);
  const signed = pattern(
    [
      [0.1, 0],
      [-0.9, 0.2],
    ],
    true,
    true,
  );
  assert.equal(d.pool(signed, { x: 0, y: 0, w: 2, h: 2 }, 1, 1)[0], d.encode(-0.9, 1, true) + 1);
});

test("scores of heads that do one thing only", () => {
  const tokens = ["a", "b", "c", "a", "b", "c"];
  const same = d.earlierSame(tokens);
  assert.deepEqual(same, [[], [], [], [0], [1], [2]]);
  const looks = (keys) => pattern(keys.map((key) => tokens.map((_, j) => (j === key ? 1 : 0))));
  close(d.headScores(looks([0, 0, 1, 2, 3, 4]), same).previous, 1);
  close(d.headScores(looks([0, 0, 0, 0, 0, 0]), same).first, 1);
  close(d.headScores(looks([0, 1, 2, 0, 1, 2]), same).duplicate, 1);
  close(d.headScores(looks([0, 1, 2, 1, 2, 3]), same).induction, 1);
  close(d.headScores(looks([0, 0, 1, 2, 3, 4]), same).distance, 5 / 6);
  const even = d.headScores(pattern(square(tokens.length, (i, j) => (j <= i ? 1 / (i + 1) : 0))), same);
  close(even.entropy, [1, 2, 3, 4, 5, 6].reduce((sum, k) => sum + Math.log(k), 0) / 6, 0.01);
  const twice = d.earlierSame(["a", "a"]);
  close(
    d.headScores(
      pattern([
        [1, 0],
        [0, 1],
      ]),
      twice,
    ).induction,
    0,
  ); // to look at oneself is no induction
  const alone = d.headScores(pattern([[1]]), [[]]);
  assert.deepEqual(alone, { entropy: 0, distance: 0, previous: 0, first: 0, duplicate: 0, induction: 0 });
});

test("labels thin out, never overlap, and keep what matters", () => {
  const centres = Array.from({ length: 100 }, (_, i) => 3 * i);
  const kept = d.thinLabels(centres, 14, [41]);
  assert.ok(kept.includes(41) && kept.includes(0));
  for (let k = 1; k < kept.length; k++) assert.ok(centres[kept[k]] - centres[kept[k - 1]] >= 14);
  assert.deepEqual(d.thinLabels([5, 25, 45], 14), [0, 1, 2]);
  assert.deepEqual(d.thinLabels([5], 14), [0]);
  assert.deepEqual(d.thinLabels([], 14), []);
});

test("tokens are shortened by characters", () => {
  assert.equal(shorten("·understanding", 6), "·unde…");
  assert.equal(shorten("🙂🙂", 2), "🙂🙂");
  assert.equal(shorten("🙂🙂🙂", 2), "🙂…");
});

test("zoom keeps the point under the pointer and stays inside", () => {
  const n = 100;
  const view = d.wholeView(n);
  const near = d.zoomView(view, 4, 0.5, 0.25, n);
  assert.deepEqual(near, { x: 37.5, y: 18.75, span: 25 });
  assert.equal(near.x + 0.5 * near.span, 50);
  assert.deepEqual(d.zoomView(near, 0.01, 0.9, 0.9, n), view);
  assert.equal(d.zoomView(view, 1e9, 0, 0, n).span, 4);
  assert.equal(d.zoomView(d.wholeView(2), 8, 0, 0, 2).span, 2);
  assert.deepEqual(d.panView(near, -1000, 1000, n), { x: 0, y: 75, span: 25 });
  assert.deepEqual(d.revealCell(near, 99, 40, n), { x: 37.5, y: 75, span: 25 });
  assert.deepEqual(d.revealCell(near, 20, 10, n), { x: 10, y: 18.75, span: 25 });
});

test("what lies under a point", () => {
  const view = { x: 10, y: 20, span: 10 };
  assert.deepEqual(d.cellAt(view, 0, 0, 100, 50), [20, 10]);
  assert.deepEqual(d.cellAt(view, 99, 55, 100, 50), [25, 19]);
  assert.equal(d.cellAt(view, 100, 0, 100, 50), null);
  assert.equal(d.cellAt({ x: 0, y: 0, span: 10 }, 99, 0, 100, 5), null);
  assert.equal(d.rowAt(0, 4, 100), 0);
  assert.equal(d.rowAt(99, 4, 100), 3);
  assert.equal(d.rowAt(100, 4, 100), null);
});

const all = (grid, count) => Array.from({ length: count }, (_, k) => grid.place(k));
const apart = (places) =>
  places.every((p, k) =>
    places
      .slice(k + 1)
      .every((q) => p.x + p.thumb <= q.x || q.x + q.thumb <= p.x || p.y + p.thumb <= q.y || q.y + q.thumb <= p.y),
  );

test("a table of thumbnails fits, and each can be seen", () => {
  for (const [layers, heads, width, height] of [
    [12, 12, 520, 600],
    [30, 9, 516, 625],
    [1, 1, 300, 400],
    [4, 1, 500, 600],
    [2, 4, 500, 600],
    [30, 9, 166, 625],
  ]) {
    const grid = d.tableLayout(layers, heads, width, height);
    const places = all(grid, layers * heads);
    assert.ok(grid.width <= width && grid.height <= height, `${layers} × ${heads}: ${grid.width} × ${grid.height}`);
    assert.ok(apart(places));
    assert.ok(places.every(({ x, y, thumb }) => x + thumb <= grid.width && y + thumb <= grid.height && thumb >= 12));
    assert.ok(places.every(({ y }, k) => y === places[Math.floor(k / heads) * heads].y));
  }
  assert.ok(d.tableLayout(30, 9, 516, 625).place(0).thumb >= 18, "SmolLM2's heads on a small screen");
  assert.equal(d.tableLayout(80, 64, 500, 600).place(0).thumb, 12, "too many to fit: still as large as can be clicked");
});

test("in the order of a score the first ones are large, and all fit", () => {
  for (const [total, width, height] of [
    [270, 404, 625],
    [270, 236, 625],
    [144, 404, 625],
    [8, 404, 625],
    [1, 300, 400],
    [30, 404, 625],
  ]) {
    const grid = d.rankLayout(total, width, height);
    const places = all(grid, total);
    assert.ok(apart(places), `${total}`);
    assert.ok(
      grid.height <= height && places.every(({ x, y, thumb }) => x + thumb <= width && y + thumb <= grid.height),
      `${total}: ${grid.height}`,
    );
    assert.ok(grid.large >= Math.min(total, 4));
    assert.ok(places.every(({ thumb }, k) => (k < grid.large ? thumb === places[0].thumb : thumb < 44 && thumb >= 12)));
    assert.equal(grid.others === null, grid.large === total);
  }
  assert.equal(d.rankLayout(8, 404, 625).large, 8, "few heads are all large");
});

test("arrow keys lead to the nearest thumbnail, also between rows of different sizes", () => {
  const table = d.tableLayout(3, 4, 400, 400);
  assert.deepEqual(
    ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End", "a"].map((key) => d.stepInGrid(table, 5, key)),
    [6, 4, 1, 9, 0, 11, null],
  );
  assert.deepEqual(
    [
      d.stepInGrid(table, 0, "ArrowLeft"),
      d.stepInGrid(table, 0, "ArrowUp"),
      d.stepInGrid(table, 11, "ArrowRight"),
      d.stepInGrid(table, 9, "ArrowDown"),
    ],
    [null, null, null, null],
  );
  const ranked = d.rankLayout(270, 404, 625);
  const middle = ({ x, thumb }) => x + thumb / 2;
  for (let k = 0; k < 270; k++) {
    for (const key of ["ArrowUp", "ArrowDown"]) {
      const next = d.stepInGrid(ranked, k, key);
      if (next === null) continue;
      const row = ranked.rowOf(next);
      const far = Math.abs(middle(ranked.place(next)) - middle(ranked.place(k)));
      assert.ok(
        key === "ArrowUp" ? ranked.place(next).y < ranked.place(k).y : ranked.place(next).y > ranked.place(k).y,
      );
      for (let other = row.from; other < row.to; other++)
        assert.ok(far <= Math.abs(middle(ranked.place(other)) - middle(ranked.place(k))) + 1e-9, `${k} ${key}`);
    }
  }
});

test("how far two patterns are apart, and a scale on which it can be seen", () => {
  const a = pattern([
    [1, 0, 0],
    [0.3, 0.7, 0],
    [0.2, 0.3, 0.5],
  ]);
  const b = pattern([
    [1, 0, 0],
    [0.5, 0.5, 0],
    [0.2, 0.5, 0.3],
  ]);
  const { largest, moved, rows } = d.compare(a, b);
  close(largest, 0.2, 0.01);
  close(moved, 0.4 / 3, 0.01);
  close(rows, 0.4 / 3, 0.01);
  assert.deepEqual(d.compare(a, a), { largest: 0, moved: 0, rows: 0 });
  assert.deepEqual(
    [0, 0.004, 0.02, 0.03, 0.06, 0.2, 0.21, 0.6, 1, 1.5].map((w) => Number(d.changeScale(w).toFixed(3))),
    [0.02, 0.02, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 1, 2],
  );
  const scaled = d.difference(a, b, 0.2);
  const strongest = Math.max(...scaled.codes);
  assert.ok(strongest >= 250, `the largest change has nearly the strongest colour: ${strongest}`);
  for (const [i, j, change] of [
    [1, 0, 0.2],
    [1, 1, -0.2],
    [2, 1, 0.2],
    [0, 0, 0],
  ])
    close(d.weightAt(scaled, i, j), change, 0.01);
  const broken = pattern([
    [1, 0, 0],
    [NaN, 0.7, 0],
    [0.2, 0.3, 0.5],
  ]);
  assert.ok(Number.isFinite(d.compare(a, broken).moved));
  assert.ok(Number.isNaN(d.weightAt(d.difference(a, broken), 1, 0)));
});

test("on how many queries a score rests", () => {
  const counted = (text) => {
    const tokens = [...text];
    const same = d.earlierSame(tokens);
    return [
      same.filter((before) => before.length).length,
      same.filter((before, i) => before.some((j) => j + 1 < i)).length,
    ];
  };
  for (const text of ["a", "aa", "aaa", "abcabc", "abab", "aabb", "mississippi", "the cat sat"]) {
    const { duplicate, induction, previous, first, entropy, distance } = d.queryCounts([...text]);
    assert.deepEqual([duplicate, induction], counted(text), text);
    assert.deepEqual(
      [previous, first, entropy, distance],
      [text.length - 1, text.length - 1, text.length, text.length],
    );
  }
  assert.equal(words.countInWords(0), "none");
  assert.equal(words.countInWords(7), "only 7");
  assert.equal(words.countInWords(1234), "1,234");
  assert.match(words.orderInWords(words.SCORES.induction, 2), /rests on only 2 queries of this text: too few/);
  assert.match(words.orderInWords(words.SCORES.induction, 1), /only 1 query of/);
  assert.match(words.orderInWords(words.SCORES.induction, 0), /nothing to order by/);
  assert.match(words.orderInWords(words.SCORES.entropy, 40), /the mean over 40 queries/);
});

test("titles say which heads, of which model, on which text", () => {
  const text = (written, title) => ({ tokens: written.split(/(?= )/), title, layers: 30, heads: 9 });
  const a = text("a cat", "text A");
  const b = text("a dog", "text B");
  const at = { layer: null, head: null, token: null, show: "a" };
  assert.deepEqual(words.titleLines(at, { a }, "SmolLM2"), ["Attention of all 30 × 9 heads · SmolLM2", "“a cat”"]);
  assert.deepEqual(words.titleLines({ ...at, layer: 3, head: 2 }, { a }, ""), [
    "Attention of layer 3, head 2",
    "“a cat”",
  ]);
  assert.deepEqual(words.titleLines({ ...at, show: "b" }, { a, b }, ""), [
    "Attention of all 30 × 9 heads · text B",
    "“a dog”",
  ]);
  assert.deepEqual(words.titleLines({ ...at, show: "difference" }, { a, b }, ""), [
    "Attention of all 30 × 9 heads · text B − text A",
    "text A: “a cat”",
    "text B: “a dog”",
  ]);
  assert.deepEqual(words.titleLines({ ...at, show: "both" }, { a, b: { ...a, title: "without" } }, ""), [
    "Attention of all 30 × 9 heads · text A, without",
    "“a cat”",
  ]);
});

test("what a part of a heat map shows", () => {
  assert.deepEqual(d.seenTokens(0, 10), [0, 9]);
  assert.deepEqual(d.seenTokens(3.6, 4), [4, 7]);
});

test("what stands side by side fits", () => {
  for (const width of [300, 500, 719, 720, 840, 930, 1200, 1500])
    for (const board of [false, true])
      for (const screen of [600, 800, 1080]) {
        for (const maps of [1, 2, 3]) {
          const { heat, lines, room, side } = d.headLayout(width, screen, { maps, board, left: 74 });
          const told = `${width} ${maps}: ${heat}, ${lines}`;
          assert.ok(heat >= 140 && heat <= 620, told);
          assert.ok(room + (side ? 368 : 0) <= width, told);
          assert.ok(!side || board, "a column of its own only for a board");
          if (width >= 720) assert.ok(maps * (heat + 72) + 12 * (maps - 1) + (lines && 12 + lines) <= room + 2, told);
        }
      }
  const laptop = d.headLayout(840, 800, { board: true, left: 74 });
  assert.ok(laptop.side && laptop.heat <= 360, "the board stands beside a head that fits the screen");
});

test("the board stands where all of it ends higher up", () => {
  assert.equal(d.boardUnder({ width: 484, height: 240 }, 840), true, "under a short grid");
  assert.equal(d.boardUnder({ width: 300, height: 560 }, 840), false, "beside a tall one");
  assert.equal(d.boardUnder({ width: 300, height: 240 }, 560), false, "in one column it follows the head");
  assert.equal(d.boardUnder({ width: 700, height: 300 }, 1500), false, "with room for both beside the grid");
});

test("a place is kept and found again", () => {
  const state = { ...stateOf({ layer: 2, head: 1, drawn: "layer", hidden: [3] }), token: 4 };
  assert.deepEqual(placeOf(state), {
    way: "from",
    heads: "each",
    sort: "layer",
    show: "a",
    drawn: "layer",
    hidden: [3],
    layer: 2,
    head: 1,
    token: 4,
  });
  assert.equal(goTo(state, placeOf(state)), false);
  assert.equal(goTo(state, { layer: 0, head: 0 }), true);
  assert.deepEqual([state.layer, state.token, state.drawn, state.hidden], [0, null, "head", []]);
  assert.deepEqual(placeOf(stateOf({})), { way: "from", heads: "each", sort: "layer", show: "a" });
});

test("choices that the texts no longer allow fall back", () => {
  const text = { layers: 2, heads: 3, n: 4, long: false };
  const state = {
    ...stateOf({ layer: 1, head: 2, token: 9, show: "both", sort: "difference", drawn: "layer", hidden: [1, 7] }),
    cell: [0, 5],
  };
  settle(state, { a: text }, false);
  assert.deepEqual(
    [state.show, state.sort, state.token, state.cell, state.hidden, state.drawn],
    ["a", "layer", null, null, [1], "layer"],
  );
  settle(state, { a: { ...text, layers: 1, long: true } }, false);
  assert.deepEqual([state.layer, state.head, state.drawn], [null, null, "head"]);
});

test("looks of all heads of a layer", () => {
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
    "the strongest last, faint ones not",
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

// What is left of red, green and blue with all cones, without those for green, for red (Machado, Oliveira and Fernandes, 2009).
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

/** How light a colour is, and what it is in the space L*a*b*, where distances are as large as they look. */
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

test("heads have colours that stand out from the paper and from each other, for colour-blind eyes too", () => {
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
  assert.equal(new Set(styles).size, 32, "colours come again with other dashes");
  assert.deepEqual(headStyle(32, false), headStyle(0, false));
});

test("heads in the order of a score", () => {
  assert.deepEqual(d.orderHeads([0.1, 0.9, 0.5, 0.9]), [1, 3, 2, 0]);
});

test("colours run from the paper to the strongest, with colours of their own for outside and NaN", () => {
  assert.deepEqual(parseColour("#0b5cad"), [11, 92, 173]);
  assert.deepEqual(parseColour("rgb(1, 2, 3)"), [1, 2, 3]);
  const table = d.colourTable(["#ffffff", "#000000"], "#111111", "#ff0000");
  assert.equal(table[1], 0xffffffff);
  assert.equal(table[255], 0xff000000);
  assert.equal(table[0], 0xff111111);
  assert.equal(table[256], 0xff0000ff);
});

test("weights in words", () => {
  assert.equal(d.inWords(0.43), "43%");
  assert.equal(d.inWords(NaN), "not a number");
  assert.equal(d.inWords(2.5), "2.50");
  assert.equal(d.inWords(-0.314, true), "−31 points");
  assert.equal(d.inWords(0.0213, true), "+2.1 points");
  assert.equal(d.inWords(0, true), "±0 points");
});
