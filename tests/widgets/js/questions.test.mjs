import assert from "node:assert/strict";
import test from "node:test";

import { firstChoices, marked, score } from "../../../llmlib/exercises/engine/asking_view/view.mjs";

const question = { text: "?", choices: [{ right: false }, { right: true }] };

test("only the first choice for each question counts", () => {
  assert.deepEqual(
    [
      ...firstChoices([
        [1, 0],
        [0, 1],
        [1, 1],
      ]),
    ],
    [
      [1, 0],
      [0, 1],
    ],
  );
});

test("the score comes at the end, and says what happens to missed questions", () => {
  const two = [question, question];
  assert.equal(score(two, [], true), "");
  assert.equal(score(two, [[0, 1]], true), "1 of 2 answered.");
  assert.equal(
    score(
      two,
      [
        [0, 1],
        [1, 1],
      ],
      true,
    ),
    "2 of 2 right on the first try. Well done!",
  );
  assert.match(
    score(
      two,
      [
        [0, 1],
        [1, 0],
        [1, 1],
      ],
      true,
    ),
    /^1 of 2 right on the first try. What you missed will come up again/,
  );
  assert.equal(
    score(
      two,
      [
        [0, 1],
        [1, 0],
      ],
      false,
    ),
    "1 of 2 right on the first try.",
  );
  assert.equal(
    score(
      [question],
      [
        [0, 1],
        [0, 0],
      ],
      true,
    ),
    "Right on the first try.",
  );
  assert.match(score([question], [[0, 0]], true), /^Not right on the first try. What you missed/);
});

test("code in backticks and words between asterisks are marked up", () => {
  assert.deepEqual(marked("`a < b` holds"), [{ text: "a < b", tag: "code" }, { text: " holds" }]);
  assert.deepEqual(marked("*all* of 2 * 3 * 4"), [{ text: "all", tag: "em" }, { text: " of 2 * 3 * 4" }]);
  assert.deepEqual(marked("plain"), [{ text: "plain" }]);
});
