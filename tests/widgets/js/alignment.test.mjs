import assert from "node:assert/strict";
import { test } from "node:test";
import {
  barsOf,
  brief,
  gist,
  isEqual,
  groupInWords,
  merged,
  nearestStep,
  numbersOf,
  signed,
  stepOnShow,
  stepsOfGroups,
  telling,
  whenInWords,
} from "../../../llmlib/widgets/alignment/data.mjs";

const group = (rewards, more = {}) => ({
  n: rewards.length,
  mean: 0.5,
  spread: 1,
  missing: rewards.filter((reward) => reward === null).length,
  answers: rewards.map((_, k) => `answer ${k}`),
  rewards,
  advantages: rewards.map(() => 0),
  ...more,
});

test("numbers are written briefly", () => {
  assert.equal(brief(-0.5), "−0.5");
  assert.equal(brief(0.12345), "0.123");
  assert.equal(brief(-0.0001), "0");
  assert.equal(brief(null), "not a number");
  assert.deepEqual([1.254, -0.5, -0.001, 0, null].map(signed), ["+1.25", "−0.50", "0", "0", "not a number"]);
});

test("the last step of a run is described in words", () => {
  const run = { measures: ["true reward"], reward: 0.75, "measure true reward": 0.5, kl: 0.2, length: 9.25 };
  assert.equal(numbersOf(run), "reward 0.75 · true reward 0.5 · KL 0.2 nats · 9.3 tokens");
  const rest = { measures: [], cut_off: 0.021, equal_groups: 3, groups: 8 };
  assert.equal(numbersOf(rest), "2% of answers cut off · all rewards equal in 3 of 8 groups");
  assert.equal(numbersOf({ measures: [], cut_off: null, equal_groups: 1, groups: 0 }), "all rewards equal in 1 group");
});

test("answers are sorted by their advantages, and equal ones are merged", () => {
  const rows = merged({
    answers: ["a", "b", "a", "a", "c"],
    rewards: [0, 1, 0, 1, null],
    advantages: [-1, 2, -1, 2, null],
  });
  assert.deepEqual(
    rows.map(({ text, count }) => [text, count]),
    [
      ["b", 1],
      ["a", 1],
      ["a", 2],
      ["c", 1],
    ],
  );
  assert.deepEqual(barsOf(rows), [1, 1, -0.5, 0]);
  assert.deepEqual(barsOf([{ advantage: 0 }]), [0]);
});

test("the summary of a group says whether the model can learn from it", () => {
  assert.equal(groupInWords(group([1, 0])), "2 answers, mean reward 0.5.");
  assert.equal(
    groupInWords(group([1, 0], { n: 64 })),
    "64 answers, mean reward 0.5. Only the first 2 answers are shown.",
  );
  assert.match(groupInWords(group([1])), /^Only one answer/);
  assert.match(groupInWords(group([0, 0], { spread: 0 })), /equal \(0.5\): no answer is .* learns nothing/);
  const other = groupInWords(group([0, 0], { spread: 0, advantages: [0.5, 0.5] }));
  assert.equal(other, "All 2 rewards are equal (0.5): no answer is better than any other.");
  assert.match(groupInWords(group([null, 1])), /^1 reward is not a number/);
  assert.match(groupInWords(group([null, null])), /^2 rewards are not numbers/);
  assert.deepEqual(
    [group([1]), group([null, null]), group([0, 0])].map((one) => isEqual({ ...one, spread: 0 })),
    [false, false, true],
  );
  assert.equal(groupInWords(group([])), "This group has no answers.");
});

test("the first group whose rewards differ is shown, at the step that the reader chose", () => {
  assert.equal(telling([{ spread: 0 }, { spread: null }, { spread: 1 }]), 2);
  assert.equal(telling([{ spread: 0 }]), 0);
  const groups = [
    [0, 1, []],
    [1, 2, []],
    [0, 9, []],
  ];
  const steps = stepsOfGroups(groups, 0);
  assert.deepEqual(steps, [1, 9]);
  assert.equal(stepOnShow(steps, null), 9);
  assert.equal(stepOnShow(steps, 8), 1);
  assert.equal(stepOnShow(steps, 0), 1, "a step that is no longer stored");
  assert.equal(nearestStep(steps, 6), 9);
  assert.equal(whenInWords(steps, 9, true), "after step 9, the newest of 2 saved steps");
  assert.equal(whenInWords(steps, 1, false), "after step 1, number 1 of 2 saved steps");
});

test("the short name of a prompt is its last line", () => {
  assert.equal(gist("A story.\n\n Who? \n"), "Who?");
  assert.equal(gist(" \n"), "(empty)");
  assert.equal(gist("x".repeat(99), 5), "xxxx…");
});
