// Shows a group of answers to one prompt with their rewards and advantages, and a slider for going back to earlier
// steps.

import { element } from "../shared/shared.mjs";
import { choice, renew } from "../shared/controls.mjs";
import {
  barsOf,
  brief,
  groupInWords,
  isEqual,
  merged,
  signed,
  stepOnShow,
  stepsOfGroups,
  telling,
  whenInWords,
} from "./data.mjs";

/** Make the panel for groups of answers. `ctx` holds the runs and what the user is looking at (see board.mjs);
 * `groups()` returns the saved groups. */
export function groupPanel(ctx, groups) {
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Training step to show" });
  const when = element("span", { class: "llm-note" });
  const newest = element("button", { type: "button", onclick: () => ctx.go({ at: null }) }, "Newest");
  const ways = element("span", { class: "llm-row llm-ways" });
  const prompt = element("div", {
    class: "llm-prompt",
    tabindex: 0,
    role: "group",
    "aria-label": "Prompt",
    dir: "auto",
  });
  const says = element("p", { class: "llm-says" });
  const body = element("tbody", {});
  const head = ["Advantage", "Reward", "Answer"].map((words) => element("th", { scope: "col" }, words));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)), body);
  const answers = element("div", { class: "llm-answers", tabindex: 0, role: "group", "aria-label": "Answers" }, table);
  const title = element("span", { class: "llm-title" }, "Answers to one prompt");
  const lead = element(
    "p",
    { class: "llm-note llm-why" },
    "The model answers the same prompt several times. An answer that is better than the others has a positive " +
      "advantage and becomes more likely; a worse answer becomes less likely.",
  );
  const node = element(
    "div",
    { class: "llm-group", role: "group", "aria-label": "Answers to one prompt" },
    element("div", { class: "llm-row" }, title, slider, when, newest),
    lead,
    ways,
    prompt,
    says,
    answers,
  );
  let level = "";
  let shown = "";
  slider.addEventListener("input", () => {
    const all = steps();
    const at = Number(slider.value);
    ctx.go({ at: at === all.length - 1 ? null : all[at] });
  });

  const having = () => ctx.shownRuns().filter(({ number }) => stepsOfGroups(groups(), number).length);
  const run = () => having().find(({ number }) => number === ctx.state.of) ?? having()[0];
  const steps = () => (run() ? stepsOfGroups(groups(), run().number) : []);
  const step = () => stepOnShow(steps(), ctx.state.at);

  /** Draw the controls for choosing a run and a prompt. */
  function drawWays(found, which) {
    const runs = having();
    const now = JSON.stringify([runs.map(({ about }) => about.name), run().number, found.map(isEqual), which]);
    if (now === level) return;
    level = now;
    const names = runs.map(({ number, about }) => [number, about.name]);
    const prompts = found.map((group, k) => [k, isEqual(group) ? `${k + 1} =` : `${k + 1}`]);
    renew(ways, [
      ...(runs.length > 1 ? [choice("Which run", names, run().number, (of) => ctx.go({ of, prompt: null }))] : []),
      ...(found.length > 1
        ? [
            element("span", { class: "llm-note" }, "prompt"),
            choice("Which prompt", prompts, which, (prompt_) => ctx.go({ prompt: prompt_ })),
            element(
              "span",
              { class: "llm-note" },
              found.some(isEqual) ? "“=” means that all answers got the same reward" : "",
            ),
          ]
        : []),
    ]);
  }

  function row({ text, reward, advantage, count }, part) {
    const bar = element("span", { class: part < 0 ? "llm-half llm-worse" : "llm-half llm-better" });
    bar.style.width = `${50 * Math.abs(part)}%`;
    const words = text === "" ? element("em", {}, "(empty)") : element("bdi", {}, text);
    const many = count > 1 ? [element("span", { class: "llm-many" }, `× ${count}`)] : [];
    return element(
      "tr",
      {},
      element(
        "td",
        { class: "llm-advantage" },
        element("span", { class: "llm-axis", "aria-hidden": "true" }, bar),
        element("span", {}, signed(advantage)),
      ),
      element("td", { class: reward === null ? "llm-odd" : null }, brief(reward)),
      element("td", { class: "llm-answer", dir: "auto" }, words, ...many),
    );
  }

  function draw() {
    const all = steps();
    node.hidden = !all.length;
    if (node.hidden) return;
    const now = step();
    const [, , found] = groups().find(([whose, when_]) => whose === run().number && when_ === now);
    const which = ctx.state.prompt === null || ctx.state.prompt >= found.length ? telling(found) : ctx.state.prompt;
    slider.max = all.length - 1;
    slider.value = all.indexOf(now);
    slider.disabled = all.length < 2;
    when.textContent = whenInWords(all, now, ctx.state.at === null);
    slider.setAttribute("aria-valuetext", when.textContent);
    newest.setAttribute("aria-pressed", String(ctx.state.at === null));
    drawWays(found, which);
    const group = found[which];
    const key = JSON.stringify(group);
    if (key === shown) return; // keep the user's selection and scroll position
    shown = key;
    prompt.textContent = group.prompt;
    prompt.scrollTop = prompt.scrollHeight; // show the end, where the question is
    says.textContent = groupInWords(group);
    says.classList.toggle("llm-odd", group.missing > 0);
    const rows = merged(group);
    const bars = barsOf(rows);
    body.replaceChildren(...rows.map((one, k) => row(one, bars[k])));
  }
  return { node, draw, run, step, steps };
}
