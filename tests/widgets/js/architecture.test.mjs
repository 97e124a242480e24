import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BARS,
  counted,
  divided,
  fromSlider,
  index,
  inShort,
  layoutPanels,
  ratio,
  scaled,
  shapeInWords,
  share,
  span,
  toSlider,
  unpackFollowed,
  unpackOpened,
  unpackTokens,
} from "../../../llmlib/widgets/architecture/data.mjs";

import { inRows } from "../../../llmlib/widgets/architecture/map.mjs";
import { largestAddition, stations, strongestLayer } from "../../../llmlib/widgets/architecture/stations.mjs";

const view = (array) => new DataView(array.buffer, array.byteOffset, array.byteLength);

test("numbers are abbreviated", () => {
  assert.deepEqual(
    [576, 1000, 134_515_008, 999_999, 0].map((v) => inShort(v)),
    ["576", "1 k", "135 M", "1 M", "0"],
  );
  assert.equal(inShort(47_185_920, "B"), "47.2 MB");
  assert.equal(inShort(12, "B"), "12 B");
  assert.equal(counted(8_030_261_248), "8.03 B");
});

test("shares and ratios are written briefly", () => {
  assert.deepEqual(
    [
      [0, 9],
      [1, 3],
      [1, 30],
      [1, 20_000],
      [1, 0],
    ].map(([a, b]) => share(a, b)),
    ["0%", "33%", "3.3%", "0.005%", "0%"],
  );
  assert.deepEqual(
    [
      [4, 2],
      [2, 4],
      [3, 3],
      [1000, 1],
    ].map(([a, b]) => ratio(a, b)),
    ["×2", "÷2", "", "×1,000"],
  );
});

test("the index gives the number of copies of each box and the boxes that contain it", () => {
  const leaf = { id: "up", repeat: 1, boxes: [] };
  const tree = { id: "model", repeat: 1, boxes: [{ id: "layer", repeat: 30, boxes: [leaf] }] };
  const { copies, around } = index(tree).get("up");
  assert.equal(copies, 30);
  assert.deepEqual(
    around.map(({ id }) => id),
    ["model", "layer"],
  );
});

test("a shape in words names its axes, and gives the number of tokens if it is known", () => {
  const axes = [
    ["head", 9],
    ["seq", 8192],
    ["d_head", 64],
  ];
  assert.equal(shapeInWords(axes), "9 head × seq × 64 d_head");
  assert.equal(shapeInWords(axes, 14), "9 head × 14 seq × 64 d_head");
});

test("the values of an opened tensor are decoded", () => {
  const opened = unpackOpened({ panels: 1, rows: 1, columns: 3, scale: 4 }, view(Int8Array.from([127, -64, -128])));
  assert.equal(opened.at(0, 0, 0), 4);
  assert.ok(Math.abs(opened.at(0, 0, 1) + 1.016) < 1e-3);
  assert.ok(Number.isNaN(opened.at(0, 0, 2)));
  assert.equal(span(1, 2, 5), "2 to 4");
  assert.equal(span(3, 8, 8), "3");
});

test("facts about each token are unpacked", () => {
  assert.equal(unpackTokens(view(new Uint8Array(0))), null);
  assert.deepEqual(unpackTokens(view(Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8])))(1), {
    norm: 2,
    before: 4,
    cosine: 6,
    changed: 8,
  });
});

test("the paths of tokens are unpacked", () => {
  const path = unpackFollowed({ layers: 1, seq: 2 }, view(Float32Array.from({ length: 16 }, (_, k) => k)));
  assert.deepEqual(
    [path.norm, path.start, path.end, path.attention, path.mlp].map((part) => [...part]),
    [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9, 10, 11],
      [12, 13],
      [14, 15],
    ],
  );
  assert.deepEqual(
    [...scaled([1, 10, 100], true)].map((t) => Number(t.toFixed(3))),
    [0, 0.5, 1],
  );
  assert.deepEqual([...scaled([-1, 0.5], false)], [0, 0.5]);
});

test("panels fit within the available width", () => {
  for (const [panels, rows, columns] of [
    [1, 192, 288],
    [9, 5, 64],
    [9, 8, 8],
    [32, 60, 60],
    [1, 1, 288],
  ]) {
    const {
      across,
      gap,
      panel: [width, height],
      height: whole,
    } = layoutPanels(panels, rows, columns, 330);
    assert.ok(across * width + gap * (across - 1) <= 330.001);
    assert.ok(whole <= 266 && height >= 1, `${whole} ${height}`);
  }
});

test("sliders give only sizes that are compatible with the other sizes", () => {
  const sizes = { n_heads: 9 };
  for (let at = 0; at <= 1000; at += 50) {
    assert.equal(fromSlider("d_model", at, sizes) % 18, 0);
    assert.equal(9 % fromSlider("n_kv_heads", at, sizes), 0);
    assert.ok(Number.isInteger(Math.log2(fromSlider("max_seq_len", at, sizes))));
  }
  assert.ok(Math.abs(fromSlider("vocab_size", toSlider("vocab_size", 49_152), sizes) / 49_152 - 1) < 0.01);
});

const box = (id, kind, parameters, boxes = [], repeat = 1) => ({ id, kind, parameters, boxes, repeat });
const TREE = box("model", "group", 10 + 3 * 12 + 1, [
  box("embed", "embedding", 10),
  box(
    "layer",
    "group",
    12,
    [
      box("attention", "attention", 5, [
        box("attention_norm", "norm", 1),
        box("query", "attention", 4),
        box("odd", "attention", 0),
      ]),
      box("add_attention", "stream", 0),
      box("mlp", "mlp", 7, [box("up", "mlp", 7)]),
    ],
    3,
  ),
  box("final_norm", "norm", 1),
]);

test("the strip divides the whole of a measure among the kinds of boxes", () => {
  const parts = divided(TREE, BARS.parameters.of);
  assert.deepEqual(parts, [
    ["embedding", 10],
    ["attention", 12],
    ["mlp", 21],
    ["norm", 4],
    ["output", 0],
  ]);
  assert.equal(
    parts.reduce((sum, [, value]) => sum + value, 0),
    TREE.parameters,
  );
});

test("boxes are placed in rows, in the order of the flow, and none is left out", () => {
  const ids = (one) => inRows(one).map((row) => row.map((part) => part.id ?? part));
  assert.deepEqual(ids(TREE), [["embed"], ["layer"], ["final_norm"]], "each arrow leads to a box");
  assert.deepEqual(ids(TREE.boxes[1].boxes[0]), [["attention_norm", "→", "query"], ["odd"]]);
});

const LAYER = {
  before: 2,
  attention: 0.5,
  mid: 2.25,
  mlp: 1,
  after: 3,
  head: 1,
  key: 1,
  weight: 0.25,
  first: 0.5,
  unit: 7,
  activation: -1.5,
};
const TOUR = {
  ids: [5, 6, 7],
  sizes: { vocab: 1000, d_model: 8, heads: 2, layers: 2, d_mlp: 32 },
  characters: 9,
  norm: 2,
  numbers: [0.1234, -0.5],
  layers: [LAYER, { ...LAYER, weight: 0.75, mlp: 9, after: 11 }],
  final: 4,
  mean_logit: -1,
  next: [{ id: 3, token: " on", logit: 12.5, p: 0.625 }],
};

test("a tour has eight stations, with numbers from the text and from the chosen layer", () => {
  const all = stations(TOUR, ["the", " cat", " sat"], 1, true);
  const words = all.map((station) => station.words);
  assert.deepEqual(
    all.map((station) => station.box),
    ["text", "embed", "pattern", "add_attention", "mlp", "layer", "unembed", "next"],
  );
  assert.deepEqual(all[0].tokens, [
    ["the", 5],
    [" cat", 6],
    [" sat", 7],
  ]);
  assert.match(words[0], /9 characters into 3 tokens/);
  assert.match(
    words[1],
    /row of the token table \(1,000 rows of 8 numbers\).*position.*0\.123, −0\.5 … and has length 2\./,
  );
  assert.match(words[2], /Of all 2 heads, head 1 pays the most attention.*75%.*“·cat”/);
  assert.match(words[3], /length 0\.5 and adds it.*“·sat”, whose length goes from 2 to 2\.25/);
  assert.match(words[4], /32 hidden units\. Unit 7 .*−1\.5.*length 9 .*has length 11/);
  assert.match(
    words[5],
    /pass through all 2 layers.*from length 2 to 11; the MLP in layer 1 adds the longest vector \(9\)/,
  );
  assert.deepEqual(all[5].norms, [2, 3, 11]);
  assert.match(
    words[6],
    /length from 11 to 4.*1,000 rows.*“·on” gets the highest score, a logit of 12\.5; the mean of all logits is −1/,
  );
  assert.match(words[7], /“·on” a probability of 63%/);
  for (const said of words) assert.ok(said.split(/[.;:] /).length <= 5, said);
});

test("the tour of an unusual model skips what the model does not have", () => {
  const alone = {
    ...TOUR,
    ids: [5],
    sizes: { ...TOUR.sizes, d_mlp: 0, layers: 1 },
    layers: [{ ...LAYER, key: 0, mlp: null, activation: undefined }],
    norm: null,
  };
  const all = stations(alone, ["the"], 0, false);
  assert.equal(all.length, 7, "no MLP, no station");
  assert.match(all[1].words, /has length not a number/);
  assert.doesNotMatch(all[1].words, /position/);
  assert.match(all[2].words, /only one token/);
  assert.match(all[4].words, /single layer/);
});

test("the strongest layer and the largest addition in a tour are found", () => {
  assert.equal(strongestLayer(TOUR), 1);
  assert.deepEqual(largestAddition(TOUR), { layer: 1, part: "MLP", norm: 9 });
});
