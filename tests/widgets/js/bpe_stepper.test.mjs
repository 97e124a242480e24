import assert from "node:assert/strict";
import test from "node:test";

import { columns, count, mergePair, pairCounts, rankedPairs, replay, story, vocabulary } from "../../../llmlib/widgets/bpe_stepper/view.mjs";

const l = 108, o = 111, w = 119, e = 101, r = 114;
const merges = [[l, o], [256, w], [e, r]];

test("the vocabulary grows by what each merge makes", () => {
  const table = vocabulary(merges);
  assert.equal(table.length, 259);
  assert.equal(new TextDecoder().decode(table[257]), "low");
});

test("pairs are joined from left to right without overlap", () => {
  assert.deepEqual(mergePair([1, 1, 1], [1, 1], 9), [9, 1]);
  assert.deepEqual(mergePair([1, 2, 1, 2], [1, 2], 9), [9, 9]);
  assert.deepEqual(mergePair([1], [1, 2], 9), [1]);
  assert.deepEqual(mergePair([], [1, 2], 9), []);
});

test("pairs are counted within words, ties go to the smaller ids", () => {
  assert.deepEqual(pairCounts([[1, 2, 1], [2, 1], [0, 5], [0, 5]]), [
    { pair: [0, 5], count: 2 }, { pair: [2, 1], count: 2 }, { pair: [1, 2], count: 1 },
  ]);
  assert.deepEqual(pairCounts([[1], []]), []);
});

test("training keeps every merge as a step, encoding only those that join something", () => {
  const training = replay(["low", " lower"], merges, true);
  assert.deepEqual(training.map((state) => count(state.words)), [9, 7, 5, 4]);
  assert.deepEqual(training.map((state) => state.places), [0, 2, 2, 1]);
  const encoding = replay(["owner"], merges, false);
  assert.deepEqual(encoding.map((state) => state.merge), [null, 2]);
  assert.deepEqual(replay([], merges, false), [{ words: [], merge: null, places: 0 }]);
});

test("pairs of a text to encode carry the number of their merge", () => {
  assert.deepEqual(rankedPairs([[l, o, w]], merges), [{ pair: [l, o], rank: 0 }, { pair: [o, w], rank: null }]);
});

test("the story says what happened and what is next", () => {
  const training = replay(["low", " lower"], merges, true);
  assert.equal(story(training, 0, merges, "train"), "Start: 9 bytes, each a token of its own. Next: “l” + “o”, seen twice.");
  assert.match(story(training, 2, merges, "train"), /^Step 2: “lo” \+ “w” → “low”, id 257, twice. 7 tokens become 5. Next: “e” \+ “r”, seen once.$/);
  assert.match(story(training, 3, merges, "train"), /This was the last merge.$/);
  const encoding = replay(["low"], merges, false);
  assert.equal(story(encoding, 0, merges, "encode"), "Start: the text as 3 bytes. Of the pairs now, “l” + “o” was learned first.");
  assert.match(story(encoding, 2, merges, "encode"), /learned as number 2.*No pair that was learned is left. Ids: 257.$/);
  assert.match(story(replay([], [], true), 0, [], "train"), /^Start: 0 bytes, each a token of its own. There is nothing to merge.$/);
});

test("the byte view puts characters above the bytes that they are made of", () => {
  const smile = [...new TextEncoder().encode("a🙂")];
  const { above, below, width } = columns(smile, vocabulary([]));
  assert.equal(width, 5);
  assert.deepEqual(above, [{ label: "a", from: 1, span: 1 }, { label: "🙂", from: 2, span: 4 }]);
  assert.deepEqual(below.map((cell) => cell.from), [1, 2, 3, 4, 5]);
  const merged = columns([256], vocabulary([[0xf0, 0x9f]])); // half a character
  assert.deepEqual(merged.above, [{ label: "⟨F0 9F⟩", from: 1, span: 2 }]);
  assert.deepEqual(merged.below, [{ id: 256, from: 1, span: 2 }]);
});
