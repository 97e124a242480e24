import assert from "node:assert/strict";
import { test } from "node:test";
import {
  answerId,
  cellInWords,
  MEASURES,
  ordinal,
  partsOf,
  ranked,
  rankShade,
  settledAt,
  shortNumber,
  unpack,
  unpackPinned,
  windowOf,
  wordAt,
  probabilityAt,
} from "../../../llmlib/widgets/logit_lens/data.mjs";
import { shades } from "../../../llmlib/widgets/shared/canvas.mjs";

/** Cells for two rows, two positions and two candidates, as `Cells.pack` writes them, at an odd offset. */
function packed() {
  const buffer = new ArrayBuffer(2 * 2 * (2 * 4 + 4 + 4 + 2 * 2));
  const bytes = new DataView(buffer);
  [1, 2, 2, 1, 3, 1, 1, 3].forEach((id, k) => bytes.setUint32(4 * k, id, true));
  [5, 0, 0, 0].forEach((rank, k) => bytes.setUint32(32 + 4 * k, rank, true));
  [1.5, 0.5, 0.25, 0].forEach((nats, k) => bytes.setFloat32(48 + 4 * k, nats, true));
  [0.5, 0.1, 0.9, 0.05, 0.64, 0.3, 1, 0].forEach((p, k) =>
    bytes.setUint16(64 + 2 * k, Math.round(65535 * Math.sqrt(p)), true),
  );
  const moved = new Uint8Array(buffer.byteLength + 1);
  moved.set(new Uint8Array(buffer), 1);
  return new DataView(moved.buffer, 1);
}
const meta = {
  tokens: ["a", "b"],
  layers: 2,
  shown: 2,
  most: 2,
  title: "A",
  words: { 1: "one", 2: " two", 3: "three" },
};
const side = unpack(meta, packed());

test("cells are unpacked from their bytes", () => {
  assert.equal(wordAt(side, 0, 1), " two");
  assert.equal(wordAt(side, 1, 0, 1), "one");
  assert.ok(Math.abs(probabilityAt(side, 1, 0) - 0.64) < 1e-4);
  assert.equal(answerId(side, 1), 1);
  assert.deepEqual([...side.rank], [5, 0, 0, 0]);
});

test("settledAt finds the layer from which an answer stays the same", () => {
  assert.equal(settledAt(side, 0), 1);
  assert.equal(settledAt(side, 1), 0);
});

test("each measure gives the shade and the label of a cell", () => {
  assert.ok(Math.abs(MEASURES.probability.shade(side, 2) - 0.8) < 1e-4);
  assert.equal(MEASURES.rank.label(side, 0), "6");
  assert.equal(MEASURES.entropy.shade(side, 0), 0.75);
  assert.equal(MEASURES.pinned.label(side, 0), "");
});

test("ranks get shades, numbers are shortened, and ordinals get their endings", () => {
  assert.deepEqual(
    [0, 9, 9999, 50_000].map(rankShade).map((t) => Number(t.toFixed(2))),
    [1, 0.75, 0, 0],
  );
  assert.deepEqual([7, 999, 1234, 9999, 49151].map(shortNumber), ["7", "999", "1.2k", "10k", "49k"]);
  assert.deepEqual([1, 2, 3, 4, 11, 12, 21, 1203].map(ordinal), [
    "1st",
    "2nd",
    "3rd",
    "4th",
    "11th",
    "12th",
    "21st",
    "1,203rd",
  ]);
});

test("a cell is described in words", () => {
  assert.equal(
    cellInWords(side, 0, 0, (token) => `“${token}”`),
    "Before any layer, at “a”: “one” 50%. The final answer, “three”, ranks 6th.",
  );
});

test("ranks of a pinned token are used only if there is one for each cell", () => {
  const buffer = new ArrayBuffer(32);
  new Uint32Array(buffer, 0, 4).set([4, 3, 2, 1]);
  assert.deepEqual([...unpackPinned(new DataView(buffer), 4).rank], [4, 3, 2, 1]);
  assert.equal(unpackPinned(new DataView(buffer), 5), null);
});

test("the parts of a logit add up, split by heads or by layers", () => {
  const who = { layers: 2, heads: 2, embedding: 0.5, norm_bias: -0.25 };
  const values = new DataView(Float32Array.from([1, -2, 3, 4, 0.5, 0, 0.125, 0]).buffer); // heads, MLPs, biases
  const sum = (parts) => parts.reduce((total, part) => total + part.value, 0);
  const each = partsOf(who, values, false);
  const whole = partsOf(who, values, true);
  assert.equal(sum(each), 6.875);
  assert.equal(sum(whole), 6.875);
  assert.deepEqual(
    each.map(({ name }) => name),
    ["embedding", "head 0.0", "head 0.1", "attention bias 0", "MLP 0", "head 1.0", "head 1.1", "final norm’s bias"],
  );
  assert.deepEqual(
    whole.map(({ name, value }) => [name, value]),
    [
      ["embedding", 0.5],
      ["attention 0", -0.875],
      ["MLP 0", 0.5],
      ["attention 1", 7],
      ["final norm’s bias", -0.25],
    ],
  );
  const { shown, others } = ranked(each, 2);
  assert.deepEqual(
    shown.map(({ name }) => name),
    ["head 1.1", "head 1.0"],
  );
  assert.equal(sum(shown) + others.value, 6.875);
  assert.equal(others.name, "6 others");
});

test("a long text is shown in a window that scrolls, and a short one in full", () => {
  assert.deepEqual(windowOf(4, 400, 0, 60, 120), { cell: 100, width: 400, from: 0, to: 4, scrolls: false });
  assert.deepEqual(windowOf(100, 400, 130, 60, 120), { cell: 60, width: 6000, from: 2, to: 9, scrolls: true });
});

test("text can be read on every shade", () => {
  const luminance = (colour) => {
    const [r, g, b] = colour.map((c) => c / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parse = (ink) => [1, 3, 5].map((at) => parseInt(ink.slice(at, at + 2), 16));
  for (const stops of [
    ["rgb(255, 255, 255)", "#cfe3f7", "#6aa5dc", "#0b5cad", "#06264d"],
    ["rgb(20, 24, 29)", "#17395e", "#2f6fb0", "#79b8ff", "#e3f1ff"],
  ])
    for (const shade of shades(stops)) {
      const [a, b] = [luminance(shade.rgb), luminance(parse(shade.ink))];
      assert.ok((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) > 4.5, `${shade.fill} ${shade.ink}`);
    }
});
