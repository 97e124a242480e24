import assert from "node:assert/strict";
import test from "node:test";

import * as d from "../../../llmlib/widgets/attention/layout.mjs";

test("labels are thinned out, never overlap, and include the required ones", () => {
  const centres = Array.from({ length: 100 }, (_, i) => 3 * i);
  const kept = d.thinLabels(centres, 14, [41]);
  assert.ok(kept.includes(41) && kept.includes(0));
  for (let k = 1; k < kept.length; k++) assert.ok(centres[kept[k]] - centres[kept[k - 1]] >= 14);
  assert.deepEqual(d.thinLabels([5, 25, 45], 14), [0, 1, 2]);
  assert.deepEqual(d.thinLabels([5], 14), [0]);
  assert.deepEqual(d.thinLabels([], 14), []);
});

test("zooming keeps the point under the pointer in place, and stays within the map", () => {
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

test("the cell or row under a point is found", () => {
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

test("a table of thumbnails fits in its space, and no thumbnail is too small", () => {
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
  assert.equal(d.tableLayout(80, 64, 500, 600).place(0).thumb, 12, "too many to fit, but still large enough to click");
});

test("if heads are sorted by a score, the first thumbnails are large, and all fit", () => {
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

test("arrow keys move to the nearest thumbnail, even between rows of different sizes", () => {
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

test("the tokens shown in part of a heat map are found", () => {
  assert.deepEqual(d.seenTokens(0, 10), [0, 9]);
  assert.deepEqual(d.seenTokens(3.6, 4), [4, 7]);
});

test("maps and lines fit side by side within the width", () => {
  for (const width of [300, 500, 719, 720, 840, 930, 1200, 1500])
    for (const board of [false, true])
      for (const screen of [600, 800, 1080]) {
        for (const maps of [1, 2, 3]) {
          const { heat, lines, room, side } = d.headLayout(width, screen, { maps, board, left: 74 });
          const sizes = `${width} ${maps}: ${heat}, ${lines}`;
          assert.ok(heat >= 140 && heat <= 620, sizes);
          assert.ok(room + (side ? 368 : 0) <= width, sizes);
          assert.ok(!side || board, "only a board gets its own column");
          if (width >= 720) assert.ok(maps * (heat + 72) + 12 * (maps - 1) + (lines && 12 + lines) <= room + 2, sizes);
        }
      }
  const laptop = d.headLayout(840, 800, { board: true, left: 74 });
  assert.ok(laptop.side && laptop.heat <= 360, "the board is beside a head that fits the screen");
});

test("the board is placed where it makes the whole view shorter", () => {
  assert.equal(d.boardUnder({ width: 484, height: 240 }, 840), true, "under a short grid");
  assert.equal(d.boardUnder({ width: 300, height: 560 }, 840), false, "beside a tall one");
  assert.equal(d.boardUnder({ width: 300, height: 240 }, 560), false, "in one column it follows the head");
  assert.equal(d.boardUnder({ width: 700, height: 300 }, 1500), false, "with room for both beside the grid");
});
