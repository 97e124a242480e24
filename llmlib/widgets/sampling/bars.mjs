// The tokens that may come next: their probabilities before and after the settings, or how often they were drawn.

import {
  element,
  equalTokens,
  howMany,
  isolated,
  percent,
  shorten,
  spokenToken,
  visibleToken,
} from "../shared/shared.mjs";
import { cutAt, mostDrawn, scaleFor, stageInWords, straying, within } from "./data.mjs";

const times = (n) => (n === 1 ? "once" : `${n.toLocaleString("en")} times`);
const across = (share, end) => `${(100 * Math.min(1, share / end)).toFixed(2)}%`;

export function barsPanel(ctx) {
  const facts = element("p", { class: "llm-facts" });
  const legend = element("div", { class: "llm-legend" });
  const ticks = element("span", { class: "llm-ticks", "aria-hidden": "true" });
  const heads = [element("span", {}), element("span", {})];
  const list = element("ol", { "aria-label": "Tokens that may come next" });
  const rest = element("p", { class: "llm-note llm-rest" });
  const again = element("button", {
    type: "button",
    "data-acts": true,
    onclick: () => ctx.act("draws", { times: 200 }),
  });
  const drawing = element("div", { class: "llm-row" }, again);
  const node = element(
    "div",
    { class: "llm-next", role: "group", "aria-label": "The next token" },
    facts,
    drawing,
    legend,
    element(
      "div",
      { class: "llm-line llm-scale", "aria-hidden": "true" },
      element("span", {}),
      ticks,
      ...heads,
      element("span", {}),
    ),
    list,
    rest,
  );
  const rows = [];

  function row() {
    const said = element("span", { class: "llm-hidden" });
    const word = element("code", { "aria-hidden": "true" });
    const before = element("span", { class: "llm-bar llm-before" });
    const after = element("span", { class: "llm-bar llm-after" });
    const theory = element("span", { class: "llm-theory" });
    const stray = element("span", { class: "llm-stray" });
    const values = ["llm-value", "llm-value"].map((name) => element("span", { class: name, "aria-hidden": "true" }));
    const cut = element("span", { class: "llm-why", "aria-hidden": "true" });
    const track = element("span", { class: "llm-track", "aria-hidden": "true" }, before, after, stray, theory);
    const take = element(
      "button",
      { type: "button", "data-acts": true, class: "llm-line", onclick: () => ctx.act("take", { id: one.id }) },
      said,
      word,
      track,
      ...values,
      cut,
    );
    const ban = element("button", {
      type: "button",
      "data-acts": true,
      class: "llm-ban",
      onclick: () => ctx.act("ban", { id: one.id }),
    });
    const one = {
      id: 0,
      item: element("li", {}, take, ban),
      said,
      word,
      before,
      after,
      theory,
      stray,
      values,
      cut,
      take,
      ban,
    };
    return one;
  }

  function draw(draws) {
    const tokens = ctx.tokens();
    const stages = ctx.stages();
    const [before, after] = draws ? [stages[0], stages.at(-1)] : ctx.compared();
    const banned = new Set(ctx.banned());
    if (!before) return;
    const counted = draws ? ctx.draws() : {};
    const { n = 0 } = counted;
    const shares = n ? counted.counts.map((count) => count / n) : tokens.map(() => 0);
    const { end, ticks: marks } = scaleFor(
      draws ? mostDrawn(after.p, shares, n) : Math.max(...before.p, ...after.p, 0),
    );
    const same = before === after;
    ticks.replaceChildren(
      ...marks.map((share, k) =>
        element("span", { style: `left: ${25 * k}%` }, `${Number((100 * share).toFixed(2))}%`),
      ),
    );
    heads[0].textContent = draws ? "theory" : same ? "" : "before";
    heads[1].textContent = draws ? "drawn" : same ? "model" : "after";
    while (rows.length < tokens.length) rows.push(row());
    if (list.children.length !== tokens.length)
      list.replaceChildren(...rows.slice(0, tokens.length).map(({ item }) => item));
    tokens.forEach(({ id, cut }, k) => {
      const one = rows[k];
      const text = ctx.word(id);
      const by = draws ? cut : cutAt(cut, stages, ctx.stage());
      const why = by === "logit_bias" ? "banned" : by && stageInWords(by, {});
      const was = before.p[k];
      const now = after.p[k];
      one.id = id;
      one.item.classList.toggle("llm-cut", Boolean(by));
      one.word.textContent = isolated(shorten(visibleToken(text), 15));
      one.before.style.width = draws || same ? "0" : across(was, end);
      one.after.style.width = across(draws ? shares[k] : now, end);
      one.after.classList.toggle("llm-drawn", draws);
      one.theory.hidden = one.stray.hidden = !draws || !now;
      one.theory.style.left = across(now, end);
      const stray = n ? straying(now, n) : 0;
      one.stray.style.left = across(Math.max(0, now - stray), end);
      one.stray.style.width = across(Math.min(end, now + stray) - Math.max(0, now - stray), end);
      one.values[0].textContent = draws ? percent(now) : same ? "" : percent(was);
      one.values[1].textContent = draws ? (n ? String(counted.counts[k]) : "–") : percent(now);
      one.cut.textContent = why && `cut: ${why}`;
      const drawn = n ? `, drawn ${times(counted.counts[k])} in ${n}` : "";
      const changed = same ? percent(now) : `${percent(was)} before, ${percent(now)} after`;
      const figures = draws ? `${percent(now)} in theory${drawn}` : changed;
      one.said.textContent = `Take ${spokenToken(text)}: ${figures}${why && `, cut by ${why}`}`;
      one.ban.hidden = !ctx.bans();
      one.ban.textContent = banned.has(id) ? "allow" : "ban";
      one.ban.setAttribute("aria-label", `${banned.has(id) ? "Allow" : "Ban"} ${spokenToken(text)}`);
    });
    const left = ctx.vocabulary() - tokens.length;
    const others = howMany(left, "other token");
    const share = left === 1 ? "has" : "share";
    rest.textContent = draws
      ? n
        ? `${others}: ${percent(after.rest)} in theory, drawn ${times(counted.rest)}.`
        : ""
      : same
        ? `${others} ${share} ${percent(after.rest)}.`
        : `${others} ${share} ${percent(before.rest)} before, ${percent(after.rest)} after.`;
    drawFacts(draws, before, after, same, n, counted);
  }

  function drawFacts(draws, before, after, same, n, counted) {
    drawing.hidden = !draws;
    again.textContent = n ? "Draw 200 more" : "Draw 200 times";
    const key = (kind, words) =>
      element("span", {}, element("span", { class: `llm-key ${kind}`, "aria-hidden": "true" }), words);
    if (draws) {
      const { inside, of } = n ? within(counted.counts, after.p, n) : {};
      const end = of === 1 ? "ends" : "end";
      facts.replaceChildren(
        n ? element("strong", {}, `${n.toLocaleString("en")} draws. `) : "",
        n
          ? `${inside} of ${howMany(of, "bar")} ${end} within the range where 95% of them should.`
          : "We draw the next token 200 times, and count each token. How close will the counts be to the theory?",
      );
      legend.replaceChildren(
        key("llm-drawn", "share of the draws"),
        key("llm-theory", "theory: the probability"),
        key("llm-stray", "where 95% of these bars should end"),
      );
      return;
    }
    const whole = ctx.stage() === null;
    const mass = whole ? after.mass_of_first : after.mass;
    facts.replaceChildren(
      ...(same
        ? [
            element("strong", {}, `Entropy ${after.entropy.toFixed(2)} nats`),
            ": as open as a choice among ",
            `${equalTokens(after.entropy)}. No setting changes anything yet.`,
          ]
        : [
            element(
              "strong",
              {},
              `Entropy ${before.entropy.toFixed(2)} → ${after.kept ? after.entropy.toFixed(2) : "–"} nats`,
            ),
            ` · ${after.kept.toLocaleString("en")} of ${howMany(before.kept, "token")} left, `,
            `which had ${percent(mass)} of the probability`,
          ]),
    );
    legend.replaceChildren(
      ...(same
        ? []
        : [
            key("llm-before", whole ? "before: the model" : "before this setting"),
            key("llm-after", whole ? "after all settings" : "after this setting"),
            element(
              "span",
              {},
              whole ? "grey: cut, so it cannot be drawn" : "grey: cut by this setting or an earlier one",
            ),
          ]),
    );
  }
  return { node, draw };
}

/** Make a table that shows what the settings do one after another. The bars compare the chosen row with the row above
 * it. */
export function stagesPanel(ctx) {
  const body = element("tbody", {});
  const table = element(
    "table",
    {},
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        ...["step", "entropy", "tokens", "mass kept"].map((words) => element("th", { scope: "col" }, words)),
      ),
    ),
    body,
  );
  const node = element(
    "div",
    { class: "llm-stages", role: "group", "aria-label": "What each setting does" },
    element("div", { class: "llm-title" }, "One setting after another"),
    table,
  );
  function draw() {
    const stages = ctx.stages();
    const chosen = ctx.stage();
    const held = [...body.querySelectorAll("button")].indexOf(document.activeElement);
    node.hidden = stages.length < 2;
    const line = (k, words, { entropy, kept }, mass) =>
      element(
        "tr",
        { class: chosen === k ? "llm-chosen" : null },
        element(
          "th",
          { scope: "row" },
          k === 0
            ? words
            : element(
                "button",
                {
                  type: "button",
                  "aria-pressed": String(chosen === k),
                  onclick: () => ctx.go({ stage: k === null ? null : stages[k].name }),
                },
                words,
              ),
        ),
        element("td", {}, kept ? entropy.toFixed(2) : "–"),
        element("td", {}, kept.toLocaleString("en")),
        element("td", {}, mass),
      );
    body.replaceChildren(
      ...stages.map((stage, k) =>
        line(k, stageInWords(stage.name, ctx.settings()), stage, k ? percent(stage.mass) : ""),
      ),
      ...(stages.length > 2 ? [line(null, "all together", stages.at(-1), percent(stages.at(-1).mass_of_first))] : []),
    );
    if (held >= 0)
      [...body.querySelectorAll("button")][Math.min(held, body.querySelectorAll("button").length - 1)]?.focus();
  }
  return { node, draw };
}
