import assert from "node:assert/strict";
import { test } from "node:test";
import {
  counted, fromSlider, index, inShort, layoutPanels, ratio, scaled, shapeInWords, share, span, toSlider, unpackFollowed, unpackOpened, unpackTokens,
} from "../../../llmlib/widgets/architecture_explorer/data.mjs";

const view = (array) => new DataView(array.buffer, array.byteOffset, array.byteLength);

test("numbers are short", () => {
  assert.deepEqual([576, 1000, 134_515_008, 999_999, 0].map((v) => inShort(v)), ["576", "1 k", "135 M", "1 M", "0"]);
  assert.equal(inShort(47_185_920, "B"), "47.2 MB");
  assert.equal(inShort(12, "B"), "12 B");
  assert.equal(counted(8_030_261_248), "8.03 B");
});

test("shares and ratios", () => {
  assert.deepEqual([[0, 9], [1, 3], [1, 30], [1, 20_000], [1, 0]].map(([a, b]) => share(a, b)), ["0%", "33%", "3.3%", "0.005%", "0%"]);
  assert.deepEqual([[4, 2], [2, 4], [3, 3], [1000, 1]].map(([a, b]) => ratio(a, b)), ["×2", "÷2", "", "×1,000"]);
});

test("boxes know how often they are there", () => {
  const leaf = { id: "up", repeat: 1, boxes: [] }, tree = { id: "model", repeat: 1, boxes: [{ id: "layer", repeat: 30, boxes: [leaf] }] };
  const { copies, around } = index(tree).get("up");
  assert.equal(copies, 30);
  assert.deepEqual(around.map(({ id }) => id), ["model", "layer"]);
});

test("a shape names its axes, and counts tokens where there are some", () => {
  const axes = [["head", 9], ["seq", 8192], ["d_head", 64]];
  assert.equal(shapeInWords(axes), "9 head × seq × 64 d_head");
  assert.equal(shapeInWords(axes, 14), "9 head × 14 seq × 64 d_head");
});

test("opened values come back from their codes", () => {
  const opened = unpackOpened({ panels: 1, rows: 1, columns: 3, scale: 4 }, view(Int8Array.from([127, -64, -128])));
  assert.equal(opened.at(0, 0, 0), 4);
  assert.ok(Math.abs(opened.at(0, 0, 1) + 1.016) < 1e-3);
  assert.ok(Number.isNaN(opened.at(0, 0, 2)));
  assert.equal(span(1, 2, 5), "2 to 4");
  assert.equal(span(3, 8, 8), "3");
});

test("what is told of each token", () => {
  assert.equal(unpackTokens(view(new Uint8Array(0))), null);
  assert.deepEqual(unpackTokens(view(Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8])))(1), { norm: 2, before: 4, cosine: 6, changed: 8 });
});

test("the ways of tokens", () => {
  const way = unpackFollowed({ layers: 1, seq: 2 }, view(Float32Array.from({ length: 16 }, (_, k) => k)));
  assert.deepEqual([way.norm, way.start, way.end, way.attention, way.mlp].map((part) => [...part]), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13], [14, 15]]);
  assert.deepEqual([...scaled([1, 10, 100], true)].map((t) => Number(t.toFixed(3))), [0, 0.5, 1]);
  assert.deepEqual([...scaled([-1, 0.5], false)], [0, 0.5]);
});

test("panels fit into their width", () => {
  for (const [panels, rows, columns] of [[1, 192, 288], [9, 5, 64], [9, 8, 8], [32, 60, 60], [1, 1, 288]]) {
    const { across, gap, panel: [width, height], height: whole } = layoutPanels(panels, rows, columns, 330);
    assert.ok(across * width + gap * (across - 1) <= 330.001);
    assert.ok(whole <= 266 && height >= 1, `${whole} ${height}`);
  }
});

test("a slider gives sizes that go together", () => {
  const sizes = { n_heads: 9 };
  for (let at = 0; at <= 1000; at += 50) {
    assert.equal(fromSlider("d_model", at, sizes) % 18, 0);
    assert.equal(9 % fromSlider("n_kv_heads", at, sizes), 0);
    assert.ok(Number.isInteger(Math.log2(fromSlider("max_seq_len", at, sizes))));
  }
  assert.ok(Math.abs(fromSlider("vocab_size", toSlider("vocab_size", 49_152), sizes) / 49_152 - 1) < 0.01);
});
