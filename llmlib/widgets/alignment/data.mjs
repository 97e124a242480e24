// Turns the runs of an alignment view into numbers and words. This code does not touch the page, so it can be tested in
// Node.

import { howMany, shorten } from "../shared/shared.mjs";
import { fixed, whole } from "../shared/runs/curves.mjs";

/** The measurements at each step, in the order in which a curve stores its values. */
export const METRICS = [
  { name: "reward", title: "Reward", unit: "mean over the sampled answers", write: (value) => fixed(value, 3) },
  { name: "KL", title: "KL to the reference", unit: "nats", write: (value) => fixed(value, 3), fromZero: true },
  { name: "entropy", title: "Entropy", unit: "nats per token", write: (value) => fixed(value, 3), fromZero: true },
  { name: "length", title: "Length", unit: "tokens", write: (value) => fixed(value, 1), fromZero: true },
];

/** Write a reward with up to three decimals: "−0.5", "1", "0.123". */
export function brief(value) {
  if (value === null) return "not a number";
  return String(Number(value.toFixed(3)) + 0).replace("-", "−");
}

/** Write an advantage with its sign and two decimals: "+1.25", "−0.50", "0". */
export function signed(value) {
  if (value === null) return "not a number";
  const size = Math.abs(value).toFixed(2);
  return Number(size) ? `${value > 0 ? "+" : "−"}${size}` : "0";
}

const share = (part) => `${Math.round(100 * part)}%`;

/** Describe the measurements at a run's last step in words. */
export function numbersOf(run) {
  const parts = [];
  const put = (value, words) => {
    if (value !== undefined && value !== null) parts.push(words(value));
  };
  put(run.reward, (value) => `reward ${brief(value)}`);
  for (const name of run.measures) put(run[`measure ${name}`], (value) => `${name} ${brief(value)}`);
  put(run.kl, (value) => `KL ${brief(value)} nats`);
  put(run.entropy, (value) => `entropy ${brief(value)}`);
  put(run.length, (value) => `${METRICS[3].write(value)} tokens`);
  put(run.cut_off, (value) => `${share(value)} of answers cut off`);
  put(run.equal_groups, (value) => {
    const groups = run.groups ? `${value} of ${howMany(run.groups, "group")}` : howMany(value, "group");
    return `all rewards equal in ${groups}`;
  });
  return parts.join(" · ");
}

/** Return the steps of a run for which the answers are stored. */
export const stepsOfGroups = (groups, run) => groups.filter(([whose]) => whose === run).map(([, step]) => step);

/** Return the step to show: the newest saved step or, if the user chose step `at`, the last saved step up to `at` (the
 * first saved step if there is none). */
export function stepOnShow(steps, at) {
  return at === null ? steps.at(-1) : (steps.findLast((step) => step <= at) ?? steps[0]);
}

/** Return the saved step that is nearest to x. */
export const nearestStep = (steps, x) =>
  steps.reduce((best, step) => (Math.abs(step - x) < Math.abs(best - x) ? step : best), steps[0]);

/** Return a short name for a prompt: its last line, which is usually the question. */
export function gist(prompt, longest = 80) {
  const lines = prompt.split("\n").filter((line) => line.trim());
  return lines.length ? shorten(lines.at(-1).trim(), longest) : "(empty)";
}

/** Return the number of the group to show first: the first group whose rewards are not all equal, or else 0. */
export const telling = (groups) =>
  Math.max(
    0,
    groups.findIndex(({ spread }) => spread > 0),
  );

/**
 * List a group's answers as [{ text, reward, advantage, count }, …]. The largest advantage comes first, and equal
 * answers are merged.
 */
export function merged({ answers, rewards, advantages }) {
  const rows = [];
  answers.forEach((text, k) => {
    const [reward, advantage] = [rewards[k], advantages[k]];
    const same = rows.find((row) => row.text === text && row.reward === reward && row.advantage === advantage);
    if (same) same.count++;
    else rows.push({ text, reward, advantage, count: 1 });
  });
  const rank = ({ advantage }) => (advantage === null ? -Infinity : advantage);
  return rows.sort((a, b) => (rank(a) === rank(b) ? 0 : rank(b) - rank(a)));
}

/** Return whether all answers of a group got the same reward. */
export const isEqual = ({ n, missing, spread }) => n > 1 && !missing && spread === 0;

/** Say in one sentence what the model can learn from a group. */
export function groupInWords(group) {
  const { n, missing, mean, rewards, advantages } = group;
  if (!n) return "This group has no answers.";
  if (missing) {
    const bad = missing === 1 ? "1 reward is not a number" : `${missing} rewards are not numbers`;
    return `${bad}: check the reward function.`;
  }
  if (n === 1) return "Only one answer: there is nothing to compare it with.";
  if (isEqual(group)) {
    const learned = advantages.some(Boolean) ? "" : ", so the model learns nothing from this group";
    return `All ${n} rewards are equal (${brief(mean)}): no answer is better than any other${learned}.`;
  }
  const fewer = rewards.length < n ? ` Only the first ${rewards.length} answers are shown.` : "";
  return `${n} answers, mean reward ${brief(mean)}.${fewer}`;
}

/** Return the length of each advantage's bar, from −1 to 1, relative to the largest absolute advantage. */
export function barsOf(rows) {
  const sizes = rows.map(({ advantage }) => Math.abs(advantage ?? 0));
  const most = Math.max(1e-9, ...sizes);
  return rows.map(({ advantage }) => (advantage ?? 0) / most);
}

/** Say in words which of the saved steps the view shows. */
export const whenInWords = (steps, step, newest) =>
  newest
    ? `after step ${whole(step)}, the newest of ${steps.length} saved steps`
    : `after step ${whole(step)}, number ${steps.indexOf(step) + 1} of ${steps.length} saved steps`;
