import assert from "node:assert/strict";
import test from "node:test";

import {
  count,
  mergePair,
  pairCounts,
  rankedPairs,
  replay,
  vocabulary,
} from "../../../llmlib/widgets/bpe_steps/merging.mjs";
import { guessKey, question, score, tied, verdict } from "../../../llmlib/widgets/bpe_steps/predict.mjs";
import { story } from "../../../llmlib/widgets/bpe_steps/story.mjs";
import { columns } from "../../../llmlib/widgets/bpe_steps/tokens.mjs";

const l = 108;
const o = 111;
const w = 119;
const e = 101;
const r = 114;
const merges = [
  [l, o],
  [256, w],
  [e, r],
];

test("each merge adds its token to the vocabulary", () => {
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

test("pairs are counted within words; in a tie, the pair with the smaller ids comes first", () => {
  assert.deepEqual(
    pairCounts([
      [1, 2, 1],
      [2, 1],
      [0, 5],
      [0, 5],
    ]),
    [
      { pair: [0, 5], count: 2 },
      { pair: [2, 1], count: 2 },
      { pair: [1, 2], count: 1 },
    ],
  );
  assert.deepEqual(pairCounts([[1], []]), []);
});

test("training has a step for every merge, but encoding only for merges that join something", () => {
  const training = replay(["low", " lower"], merges, true);
  assert.deepEqual(
    training.map((state) => count(state.words)),
    [9, 7, 5, 4],
  );
  assert.deepEqual(
    training.map((state) => state.places),
    [0, 2, 2, 1],
  );
  const encoding = replay(["owner"], merges, false);
  assert.deepEqual(
    encoding.map((state) => state.merge),
    [null, 2],
  );
  assert.deepEqual(replay([], merges, false), [{ words: [], merge: null, places: 0 }]);
});

test("each pair of a text to encode has the number of its merge, if it was learned", () => {
  assert.deepEqual(rankedPairs([[l, o, w]], merges), [
    { pair: [l, o], rank: 0 },
    { pair: [o, w], rank: null },
  ]);
});

test("the story of a step says what happened and what is next", () => {
  const training = replay(["low", " lower"], merges, true);
  assert.equal(
    story(training, 0, merges, "train"),
    [
      "Start: 9 bytes, each a token of its own. Next: “l” + “o”, seen twice.",
      "One other pair is just as frequent. In a tie, the smaller ids go first.",
    ].join(" "),
  );
  assert.match(
    story(training, 2, merges, "train"),
    /^Step 2: “lo” \+ “w” → “low”, id 257, twice. 7 tokens become 5. Next: “e” \+ “r”, seen once.$/,
  );
  assert.match(story(training, 3, merges, "train"), /This was the last merge.$/);
  const encoding = replay(["low"], merges, false);
  assert.equal(
    story(encoding, 0, merges, "encode"),
    "Start: the text as 3 bytes. Of the pairs now in the text, “l” + “o” was learned first.",
  );
  assert.match(story(encoding, 2, merges, "encode"), /merge number 2.*The text has no learned pairs left. Ids: 257.$/);
  assert.match(
    story(replay([], [], true), 0, [], "train"),
    /^Start: 0 bytes, each a token of its own. There is nothing to merge.$/,
  );
});

test("the byte view puts characters above the bytes that they are made of", () => {
  const smile = [...new TextEncoder().encode("a🙂")];
  const { above, below, width } = columns(smile, vocabulary([]));
  assert.equal(width, 5);
  assert.deepEqual(above, [
    { label: "a", from: 1, span: 1 },
    { label: "🙂", from: 2, span: 4 },
  ]);
  assert.deepEqual(
    below.map((cell) => cell.from),
    [1, 2, 3, 4, 5],
  );
  const merged = columns([256], vocabulary([[0xf0, 0x9f]])); // half a character
  assert.deepEqual(merged.above, [{ label: "⟨F0 9F⟩", from: 1, span: 2 }]);
  assert.deepEqual(merged.below, [{ id: 256, from: 1, span: 2 }]);
});

const SEEN = "abab cdcd ab";
const learned = [
  [97, 98],
  [99, 100],
];
const [start] = replay([SEEN], learned, true);

test("the choices of a question are in reading order and include the right pair", () => {
  const asked = question(replay([SEEN], learned, true), 0, learned, "train");
  assert.deepEqual(asked.right, [97, 98]);
  assert.deepEqual(asked.choices[0], { pair: [97, 98], count: 3 });
  const many = "zyxwvutsrqponm" + "ab".repeat(9);
  const asks = question(replay([many], learned, true), 0, learned, "train");
  assert.equal(asks.choices.length, 8);
  assert.ok(asks.choices.some(({ pair }) => pair.join() === "97,98"));
  assert.notEqual(asks.choices[0].pair.join(), "97,98"); // being first would give it away
});

test("nothing is asked at the end, or if the merges come from another text", () => {
  const states = replay([SEEN], learned, true);
  assert.equal(question(states, 2, learned, "train"), null);
  assert.equal(question(replay([SEEN], [[99, 100]], true), 0, [[99, 100]], "train"), null);
  assert.equal(question(replay([""], learned, true), 0, learned, "train"), null);
});

test("when encoding, the pair learned first is right, even among many unlearned ones", () => {
  const text = "abcdefghijklmnop";
  const asked = question(
    replay(
      [text],
      [
        [111, 112],
        [97, 98],
      ],
      false,
    ),
    0,
    [
      [111, 112],
      [97, 98],
    ],
    "encode",
  );
  assert.deepEqual(asked.right, [111, 112]);
  assert.equal(asked.choices.length, 8);
  assert.deepEqual(asked.choices.at(-1), { pair: [111, 112], rank: 0 });
});

test("the score counts only the predictions of the chosen mode", () => {
  const states = replay([SEEN], learned, true);
  const guesses = {
    [guessKey("train", 0)]: [97, 98],
    [guessKey("train", 1)]: [97, 98],
    [guessKey("train", 9)]: [1, 2],
    [guessKey("encode", 0)]: [97, 98],
  };
  assert.deepEqual(score(guesses, states, learned, "train"), { right: 1, of: 3 });
  assert.deepEqual(score({}, states, learned, "train"), { right: 0, of: 0 });
});

test("a verdict gives the reason, and a tie is explained by the pairs' ids", () => {
  const table = vocabulary(learned);
  const asked = question(replay([SEEN], learned, true), 0, learned, "train");
  assert.equal(
    verdict(asked, [97, 98], table),
    "Right: “a” + “b” occurs 3 times here, more often than any other pair.",
  );
  assert.match(
    verdict(asked, [99, 100], table),
    /^Not this pair: “c” \+ “d” occurs twice here, but “a” \+ “b” occurs 3 times.$/,
  );
  const even = [[97, 98]];
  const tie = question(replay(["cdab cdab"], even, true), 0, even, "train");
  assert.match(
    verdict(tie, [99, 100], table),
    /^A tie: .* both occur twice here. In a tie, the smaller ids go first: \(97, 98\) before \(99, 100\).$/,
  );
  assert.match(verdict(tie, [97, 98], table), /^Right: .*; so do 2 other pairs. In a tie,/);
  const encoding = question(replay(["abcd"], learned, false), 0, learned, "encode");
  assert.match(verdict(encoding, [97, 98], table), /^Right: .* was merge number 1/);
  assert.match(verdict(encoding, [99, 100], table), /merge number 2, but .* number 1, which came earlier.$/);
  assert.match(verdict(encoding, [98, 99], table), /was never learned/);
});

test("the story hides the next merge while it is to be predicted, and reports ties", () => {
  const states = replay([SEEN], learned, true);
  assert.equal(story(states, 0, learned, "train", true), "Start: 12 bytes, each a token of its own.");
  assert.match(
    story(replay(["cdab cdab"], [[97, 98]], true), 0, [[97, 98]], "train"),
    /seen twice. 2 other pairs are just as frequent. In a tie, the smaller ids go first.$/,
  );
  assert.deepEqual(tied(start.words, [97, 98]), []);
  // not the most frequent pair: the merge comes from another text
  assert.deepEqual(tied(replay(["cdab cdab xy"], [], true)[0].words, [120, 121]), []);
});
