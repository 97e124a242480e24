import assert from "node:assert/strict";
import { test } from "node:test";

import { readAnswers, standing, withAnswer } from "../../../docs/edition/static/site.js";
import { nextTheme } from "../../../docs/playground/theme.mjs";

test("only the first choice of a question counts", () => {
  const once = withAnswer({}, "What?", 2);
  assert.deepEqual(withAnswer(once, "What?", 0), { "What?": 2 });
  assert.deepEqual(withAnswer(once, "Why?", 0), { "What?": 2, "Why?": 0 });
});

test("the score counts answers and, once all are given, those that were right on the first try", () => {
  const questions = [
    { name: "a", right: 0 },
    { name: "b", right: 1 },
  ];
  assert.equal(standing(questions, {}), "");
  assert.equal(standing(questions, { a: 0, other: 3 }), "1 of 2 answered.");
  assert.equal(standing(questions, { a: 0, b: 0 }), "1 of 2 right on the first try.");
  assert.equal(standing(questions, { a: 0, b: 1 }), "2 of 2 right on the first try. Well done!");
  assert.equal(standing(questions.slice(0, 1), { a: 0 }), "Right on the first try.");
  assert.equal(standing(questions.slice(0, 1), { a: 1 }), "Not right on the first try.");
});

test("anything stored that is not an answer is ignored", () => {
  assert.deepEqual(readAnswers('{"a": 1, "b": "x", "c": null}'), { a: 1 });
  for (const odd of ["", "null", "7", "not JSON", "[]"]) assert.deepEqual(readAnswers(odd), {});
});

test("the playground's switch goes through all themes, starting with the opposite of the system's", () => {
  const sequence = (system) => ["auto", nextTheme("auto", system), nextTheme(nextTheme("auto", system), system)];
  assert.deepEqual(sequence("light"), ["auto", "dark", "light"]);
  assert.deepEqual(sequence("dark"), ["auto", "light", "dark"]);
  for (const system of ["light", "dark"]) assert.equal(nextTheme(system, system), "auto");
});
