import assert from "node:assert/strict";
import test from "node:test";

import {
  asJsonLines,
  choicesOf,
  hidden,
  nameOf,
  tallyInWords,
  turnsOf,
  unpackReadings,
  voteInWords,
  withReturned,
} from "../../../llmlib/widgets/chat/data.mjs";
import { linesOf } from "../../../llmlib/widgets/shared/walk.mjs";

const user = (content) => ({ role: "user", content });
const said = (content, speaker) =>
  speaker === undefined ? { role: "assistant", content } : { role: "assistant", content, speaker };

test("a message that comes back to the box does not replace what was typed meanwhile", () => {
  assert.equal(withReturned("too long", ""), "too long");
  assert.equal(withReturned("too long", "Hi"), "too long\nHi");
});

test("messages are grouped into turns, with the answers ordered from left to right", () => {
  const messages = [said("Hello"), user("one"), said("a", 0), said("b", 1), user("two")];
  assert.deepEqual(turnsOf(messages), [
    { question: null, answers: [0] },
    { question: 1, answers: [2, 3] },
    { question: 4, answers: [] },
  ]);
  assert.deepEqual(turnsOf(messages, [{}, { order: [1, 0], vote: 0 }])[1].answers, [3, 2]);
});

test("a letter stands for a model's name until the vote", () => {
  const note = { order: [1, 0], vote: null };
  const names = ["base", "tuned"];
  assert.ok(hidden(note));
  assert.equal(nameOf(1, names, note), "A");
  assert.equal(nameOf(1, names, { ...note, vote: 0 }), "tuned");
  assert.equal(nameOf(undefined, ["Model"], {}), "Model");
  assert.equal(nameOf(undefined, names, {}), "All");
  assert.ok(!hidden({}) && !hidden(undefined) && !hidden({ ...note, vote: "none" }));
});

test("votes are described in words", () => {
  assert.deepEqual(choicesOf([1, 0]), [
    [0, "A is better"],
    [1, "B is better"],
    ["tie", "Tie"],
    ["bad", "Both bad"],
  ]);
  assert.equal(choicesOf([2, 0, 1]).at(-1)[1], "All bad");
  const names = ["base", "tuned"];
  assert.equal(voteInWords({ order: [1, 0], vote: 0 }, names), "You chose B: A was tuned, B was base.");
  assert.equal(voteInWords({ order: [1, 0], vote: "bad" }, names), "You chose both bad: A was tuned, B was base.");
  assert.match(voteInWords({ order: [1, 0], vote: "none" }, names), /nothing to compare/);
  assert.equal(tallyInWords({ wins: [1, 3], tie: 0, bad: 2 }, names), "Votes: base 1 · tuned 3 · tie 0 · both bad 2");
  assert.equal(tallyInWords({ wins: [0, 0], tie: 0, bad: 0 }, names), "");
  assert.equal(tallyInWords({}, names), "");
});

test("probabilities of an answer's tokens are unpacked at any offset", () => {
  const bytes = new DataView(new ArrayBuffer(48 * 3 + 1), 1);
  for (let k = 0; k < 3; k++) {
    bytes.setUint32(48 * k, 10 + k, true);
    bytes.setFloat32(48 * k + 4, -0.5 - k, true);
    for (let j = 0; j < 5; j++) {
      bytes.setUint32(48 * k + 8 + 4 * j, j < 2 ? j : 0xffffffff, true);
      bytes.setFloat32(48 * k + 28 + 4 * j, -1 - j, true);
    }
  }
  const readings = unpackReadings(bytes, [{}, { tokens: 2 }, { writing: true }, { tokens: 1 }, { tokens: 5 }]);
  assert.deepEqual(
    readings.map((one) => one?.map(({ word }) => word) ?? null),
    [null, [10, 11], null, [12], null],
  );
  assert.deepEqual(readings[1][1], {
    word: 11,
    logProb: -1.5,
    likeliest: [
      { word: 0, logProb: -1 },
      { word: 1, logProb: -2 },
    ],
  });
});

test("each model's conversation is written as a line of JSON", () => {
  const messages = [user("one"), said("a\n", 0), said("", 1), user("two"), said("", 0), said("<b>", 1), user("open")];
  const lines = asJsonLines(messages, ["base", "tuned"], "Be brief.")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const system = { role: "system", content: "Be brief." };
  assert.deepEqual(lines, [
    { name: "base", messages: [system, user("one"), said("a\n")] },
    { name: "tuned", messages: [system, user("two"), said("<b>")] },
  ]);
  assert.deepEqual(JSON.parse(asJsonLines([said("Hello"), user("one"), said("a")], ["Model"], " ")), {
    name: "Model",
    messages: [said("Hello"), user("one"), said("a")],
  });
});

test("tokens are grouped into lines", () => {
  assert.deepEqual(linesOf(["a", "\n", "b", ".\n"]), [
    [0, 1],
    [2, 3],
  ]);
  assert.deepEqual(linesOf([]), [[]]);
});
