import { element, follow } from "../../../widgets/shared/shared.mjs";
import { widget } from "../../../widgets/shared/view.mjs";

/** Map each answered question to its first choice. `opened` lists choices in the order in which they were opened. */
export function firstChoices(opened) {
  const first = new Map();
  for (const [question, choice] of opened) if (!first.has(question)) first.set(question, choice);
  return first;
}

/** Return the score in words; with `comesBack`, add that a later warm-up will repeat what the reader got wrong. */
export function score(questions, opened, comesBack) {
  const first = firstChoices(opened);
  const n = questions.length;
  const missing = n - first.size;
  if (!first.size) return "";
  const right = [...first].filter(([question, choice]) => questions[question].choices[choice].right).length;
  const later =
    comesBack && right < first.size ? ` What you missed will come up again in the warm-up of a later lesson.` : "";
  if (n === 1) return right ? "Right on the first try." : `Not right on the first try.${later}`;
  if (missing) return `${first.size} of ${n} answered.`;
  return `${right} of ${n} right on the first try.${right === n ? " Well done!" : later}`;
}

/** "a `b` *c*" -> [{text: "a "}, {text: "b", tag: "code"}, {text: " "}, {text: "c", tag: "em"}]. */
export function marked(text) {
  return text
    .split(/`([^`]+)`/)
    .flatMap((part, k) => (k % 2 ? { text: part, tag: "code" } : stressed(part)))
    .filter((part) => part.text);
}

const stressed = (text) =>
  text
    .split(/(?<![\w*])\*([^\s*](?:[^*]*[^\s*])?)\*(?![\w*])/)
    .map((part, k) => (k % 2 ? { text: part, tag: "em" } : { text: part }));

const prose = (words) => marked(words).map(({ text, tag }) => (tag ? element(tag, {}, text) : text));

export default widget("llm-questions", ({ model, hub, el }) => {
  const questions = model.get("questions");
  const several = questions.length > 1;
  const total = element("p", { class: "llm-score", role: "status" });

  const choose = (question, choice) => {
    const opened = model.get("opened");
    if (opened.some(([q, c]) => q === question && c === choice)) return;
    if (!firstChoices(opened).has(question)) hub.act("choose", { question, choice });
    hub.look({ opened: [...opened, [question, choice]] });
  };

  const choiceNode = ({ text, right, because }, question, choice) => {
    const sign = element("span", { class: "llm-sign", "aria-hidden": "true" });
    const details = element(
      "details",
      { class: right ? "llm-right" : "llm-wrong" },
      element("summary", {}, sign, ...prose(text)),
      element("p", {}, element("strong", {}, right ? "Right." : "Not quite."), " ", ...prose(because)),
    );
    details.addEventListener("toggle", () => {
      if (details.open) choose(question, choice);
      sign.textContent = details.open ? (right ? "✓ " : "✗ ") : "";
    });
    return details;
  };

  const nodes = questions.map(({ text, lead, choices }, question) => {
    const mine = choices.map((one, choice) => choiceNode(one, question, choice));
    const before = `${several ? `${question + 1}. ` : ""}`;
    const said = element("p", {}, before, lead ? element("em", {}, `${lead} `) : "", ...prose(text));
    el.append(
      element("div", { class: "llm-question", role: "group", "aria-label": text.replaceAll("`", "") }, said, ...mine),
    );
    return mine;
  });
  el.prepend(element("p", { class: "llm-title" }, element("strong", {}, model.get("title"))));
  el.append(total, hub.line);

  const show = () => {
    const opened = model.get("opened");
    const first = firstChoices(opened);
    for (const [question, choice] of opened) {
      const details = nodes[question][choice];
      if (!details.dataset.seen) {
        details.dataset.seen = "true";
        details.open = true; // a click opens it, but after a reload it is still closed
      }
      details.classList.toggle("llm-first", first.get(question) === choice);
    }
    total.textContent = score(questions, opened, hub.live && !hub.gone);
  };
  return follow(model, ["opened"], show);
});
