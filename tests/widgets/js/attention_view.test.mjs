import assert from "node:assert/strict";
import test from "node:test";

import * as d from "../../../llmlib/widgets/attention/data.mjs";
import { movesOf, readout } from "../../../llmlib/widgets/attention/moves.mjs";
import { goTo, placeOf, settle, stateOf } from "../../../llmlib/widgets/attention/state.mjs";
import * as words from "../../../llmlib/widgets/attention/words.mjs";
import { pattern } from "./attention_patterns.mjs";

test("the queries that a score is based on are counted, and the number is put into words", () => {
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
  assert.match(words.orderInWords(words.SCORES.induction, 2), /is based on only 2 queries in this text, too few/);
  assert.match(words.orderInWords(words.SCORES.induction, 1), /only 1 query in/);
  assert.match(words.orderInWords(words.SCORES.induction, 0), /nothing to sort by/);
  assert.match(words.orderInWords(words.SCORES.entropy, 40), /the mean over 40 queries/);
});

test("titles say which heads of which model are shown, and for which text", () => {
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

test("what the reader is looking at is saved and restored", () => {
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

test("choices that the texts no longer allow are reset", () => {
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

test("cells and pinned tokens are read out, and nothing is redrawn without a change", () => {
  const state = stateOf({ layer: 0, head: 0 });
  const text = { tokens: ["The", " cat"], title: "text A", n: 2 };
  const patterns = {
    pattern: () => pattern([[1], [0.25, 0.75]]),
    texts: () => ({ a: text }),
    shownText: () => text,
    sideShown: () => "a",
    comparable: () => false,
  };
  const done = [];
  const moves = movesOf(
    state,
    patterns,
    { look: ({ place }) => done.push(`look ${place.token}`) },
    { draw: () => done.push("draw"), point: () => done.push("point"), speak: (said) => done.push(said) },
  );
  const since = () => done.splice(0);
  moves.previewCell([1, 0], true);
  assert.deepEqual(since(), ["space, cat (1) looks at The (0): 25%", "point"]);
  assert.equal(readout(patterns, state), "·cat (1) looks at The (0): 25%");
  assert.equal(moves.focus(), 1);
  moves.previewCell([1, 0], true);
  assert.deepEqual(since(), [], "the same cell once more");
  moves.lock(1);
  assert.deepEqual([state.token, since()], [1, ["look 1", "draw", "Pinned space, cat"]]);
  moves.lock(1);
  assert.deepEqual([state.token, since()], [null, ["look undefined", "draw", "No token is pinned"]]);
  moves.previewToken(0, "to");
  assert.deepEqual([moves.focus(), moves.wayShown(), state.cell, since()], [0, "to", null, ["point"]]);
});
