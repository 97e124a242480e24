// The panels beside and below the chart: the model and its loss, the cost of its training, its use, and the sources of
// all figures.

import { element } from "../shared/shared.mjs";
import { svg } from "../shared/canvas.mjs";
import { billOf, lossOf, outside, trainingFlops } from "./laws.mjs";
import { amount, energy, money, nats, power, time } from "./words.mjs";
import { amountField, listField, numberField } from "./fields.mjs";
import { drawScene, sample } from "./chart.mjs";
import { bowlOf } from "./scene.mjs";

export const SIZES_OF = { parameters: [1e3, 1e13], tokens: [1e3, 1e15], answers: [1e4, 1e15] };

const term = (name, node) => [element("dt", {}, name), node];
const fact = () => element("dd", { "data-text": true });
const panel = (title, ...children) =>
  element("div", { class: "llm-panel", role: "group", "aria-label": title }, element("h3", {}, title), ...children);

/**
 * Make the panel about the user's model: users choose a model from a list, or set parameters and tokens, and the law
 * predicts the loss.
 */
export function modelPanel(ctx) {
  const list = listField({
    label: "Use the figures of",
    change(k) {
      const { parameters, tokens } = ctx.get("models")[k - 1] ?? ctx.place();
      ctx.go({ parameters, tokens });
    },
  });
  const size = (name, label) =>
    amountField({ label, range: SIZES_OF[name], change: (value) => ctx.go({ [name]: value }) });
  const parameters = size("parameters", "Parameters");
  const tokens = size("tokens", "Tokens");
  const [loss, bill, each, best] = [fact(), fact(), fact(), fact()];
  const bar = element("div", { class: "llm-parts", role: "img" });
  const parts = element("p", { class: "llm-note llm-said" });
  const warned = element("p", { class: "llm-warned" });
  const node = panel(
    "Your model",
    list.node,
    parameters.node,
    tokens.node,
    element(
      "dl",
      {},
      ...term("Loss under this law", loss),
      ...term("Tokens per parameter", each),
      ...term("Training", bill),
      ...term("Best for this compute", best),
    ),
    bar,
    parts,
    warned,
  );
  return {
    node,
    draw({ law, you, best: ideal }) {
      const models = ctx.get("models");
      const same = models.findIndex((one) => one.parameters === you.n && one.tokens === you.d);
      list.node.hidden = !models.length;
      list.draw(["(none: set them below)", ...models.map(({ name }) => name)], same + 1);
      parameters.draw(you.n);
      tokens.draw(you.d);
      const value = lossOf(law, you.n, you.d);
      loss.textContent = `${nats(value)} nats`;
      each.textContent = amount(you.d / you.n);
      bill.textContent = `${power(trainingFlops(you.n, you.d))} FLOPs`;
      const there = nats(lossOf(law, ideal.n, ideal.d));
      best.textContent = `${amount(ideal.n)}, ${amount(ideal.d)} tokens: ${there} nats`;
      drawParts(law, you, value);
      const far = outside(law, you.n, you.d);
      warned.textContent = far.length ? `Outside the range that this law was fitted to: ${far.join(", ")}.` : "";
    },
  };

  function drawParts(law, { n, d }, value) {
    bar.hidden = law.power !== 1;
    parts.textContent =
      "This formula has no irreducible loss (the part that nobody can predict), and it does not split into separate " +
      "terms for size and data.";
    if (bar.hidden) return;
    const all = [
      ["llm-unforeseen", law.E, "that nobody can predict"],
      ["llm-size", law.A * n ** -law.alpha, "from having too few parameters"],
      ["llm-text", law.B * d ** -law.beta, "from having too few tokens"],
    ];
    const words = all.map(([, part, why]) => `${part.toFixed(3)} ${why}`).join(" + ");
    bar.setAttribute("aria-label", words);
    bar.replaceChildren(
      ...all.map(([kind, part]) =>
        element("span", { class: `llm-box ${kind}`, style: `width:${(100 * part) / value}%` }),
      ),
    );
    parts.textContent = words;
  }
}

/**
 * Make the panel about machines: how many there are, their utilisation and price, and the time, money and energy that
 * training takes.
 */
export function billPanel(ctx) {
  const list = listField({ label: "Machine", change: (machine) => ctx.go({ machine, price: null }) });
  const count = numberField({
    label: "How many machines",
    low: 1,
    high: 1e6,
    step: 1,
    change: (value) => ctx.go({ count: value }),
  });
  const price = numberField({
    label: "Dollars per machine hour",
    low: 0,
    high: 1e5,
    change: (value) => ctx.go({ price: value }),
  });
  const share = element("input", { type: "range", min: 0.01, max: 1, step: 0.01, "aria-label": "Utilisation" });
  const shown = element("output");
  share.addEventListener("input", () => ctx.go({ utilisation: Number(share.value) }));
  const [days, hours, dollars, power_] = [fact(), fact(), fact(), fact()];
  const node = panel(
    "Train it",
    list.node,
    element("div", { class: "llm-pair" }, count.node, price.node),
    element("div", { class: "llm-setting" }, element("span", { class: "llm-name" }, "Utilisation"), share, shown),
    element(
      "dl",
      {},
      ...term("Time", days),
      ...term("Machine hours", hours),
      ...term("Money", dollars),
      ...term("Energy", power_),
    ),
    element(
      "p",
      { class: "llm-note llm-said" },
      "This covers only the final run and only the machines, not earlier runs or cooling. Set your own price.",
    ),
  );
  return {
    node,
    draw({ you }) {
      const machines = ctx.get("machines");
      node.hidden = !machines.length;
      if (node.hidden) return;
      const set = ctx.place();
      const machine = machines[set.machine] ?? machines[0];
      list.draw(
        machines.map(({ name }) => name),
        set.machine,
      );
      count.draw(set.count);
      price.draw(set.price ?? machine.dollars_per_hour);
      share.value = set.utilisation;
      shown.textContent = `${Math.round(100 * set.utilisation)}% of the peak`;
      share.setAttribute("aria-valuetext", shown.textContent);
      const bill = billOf(trainingFlops(you.n, you.d), machine, set);
      days.textContent = time(bill.days);
      hours.textContent =
        bill.hours < 1e7 ? Number(bill.hours.toPrecision(3)).toLocaleString("en") : amount(bill.hours);
      dollars.textContent = money(bill.dollars);
      power_.textContent = energy(bill.kilowattHours);
    },
  };
}

/**
 * Make the panel about usage: how many answers a model gives over its lifetime, and which model with the same loss is
 * cheapest overall.
 */
export function usePanel(ctx) {
  const answers = amountField({
    label: "Answers over its lifetime",
    range: SIZES_OF.answers,
    zero: true,
    change: (value) => ctx.go({ answers: value }),
  });
  const tokens = numberField({
    label: "Input and output tokens per answer",
    low: 1,
    high: 1e6,
    step: 1,
    change: (value) => ctx.go({ answer_tokens: value }),
  });
  const said = element("p", { class: "llm-cheapest" });
  const none = element(
    "p",
    { class: "llm-note" },
    "This law describes training on the same tokens again and again until more passes no longer help. It does not " +
      "say what it costs to train a smaller model for longer. To see that cost, choose another law.",
  );
  const bowl = svg("svg", { role: "img" });
  const legend = element("div", { class: "llm-legend" });
  const figure = element("figure", {}, bowl, legend);
  const take = element("button", { type: "button", onclick: () => ctx.takeCheapest() }, "Use the cheapest model");
  const node = panel("Use it", answers.node, tokens.node, said, take, figure, none);
  return {
    node,
    draw(all, { width, palette }) {
      const { law, you, cheap, answered } = all;
      const set = ctx.place();
      answers.draw(set.answers);
      tokens.draw(set.answer_tokens);
      none.hidden = law.one_pass;
      for (const one of [said, figure, take]) one.hidden = !law.one_pass;
      if (!law.one_pass) return;
      const mine = trainingFlops(you.n, you.d) + 2 * you.n * answered;
      const more = mine / cheap.flops - 1;
      const how =
        more < 0.005 ? "just as much" : `${more < 9.5 ? `${(100 * more).toFixed(0)}%` : `${amount(more)} times`} more`;
      const goal = answered ? `For this loss and ${amount(set.answers)} answers` : "For this loss, ignoring answers";
      said.textContent =
        `${goal}, the cheapest model has ${amount(cheap.n)} parameters and is trained on ${amount(cheap.d)} tokens ` +
        `(${amount(cheap.d / cheap.n)} per parameter): ${power(cheap.flops)} FLOPs in all. ` +
        `Your model takes ${power(mine)}, ${how}.`;
      drawScene(bowl, bowlOf(all), { width, height: 220, palette });
      bowl.setAttribute("aria-label", `FLOPs for training and inference, by model size. ${said.textContent}`);
      legend.replaceChildren(
        ...key(palette, [
          ["both", "together"],
          ["training", "training"],
          ...(answered ? [["answering", "answering"]] : []),
        ]),
      );
    },
  };
}

/** Make the entries of a legend from `parts`: [[kind, words, group], …]. */
export const key = (palette, parts) =>
  parts.map(([kind, words, group]) =>
    element("span", { class: "llm-key" }, sample(kind, palette, group), element("span", { "data-text": true }, words)),
  );

/** Make tables of all figures, each with its source. */
export function sources(ctx) {
  const box = element("div", { class: "llm-tables", tabindex: 0, role: "group", "aria-label": "Tables of figures" });
  const node = element("details", {}, element("summary", {}, "All figures, and where they come from"), box);
  const table = (title, heads, rows) =>
    element(
      "table",
      {},
      element("caption", {}, title),
      element("thead", {}, element("tr", {}, ...heads.map((words) => element("th", { scope: "col" }, words)))),
      element(
        "tbody",
        {},
        ...rows.map(([first, ...others]) =>
          element("tr", {}, element("th", { scope: "row" }, first), ...others.map((words) => element("td", {}, words))),
        ),
      ),
    );
  return {
    node,
    draw({ law }) {
      const models = ctx.get("models").map(({ name, parameters: n, tokens: d, source }) => {
        const numbers = [amount(n), amount(d), amount(d / n), power(trainingFlops(n, d)), nats(lossOf(law, n, d))];
        return [name, ...numbers, source];
      });
      const machines = ctx.get("machines").map((one) => {
        return [one.name, `${power(one.peak_flops)}`, `${one.watts} W`, `$${one.dollars_per_hour}`, one.source];
      });
      const laws = ctx.get("laws").map((one) => {
        const constants = [one.E, one.A, one.B, one.alpha, one.beta].map((value) =>
          value >= 1e6 ? power(value) : String(Number(value.toFixed(4))),
        );
        return [one.name, ...constants, one.power === 1 ? "" : one.power, one.source];
      });
      const symbols = ["law", "E", "A", "B", "α", "β", "power", "source"];
      const all = [table("Laws: loss = (E + A / N^α + B / D^β)^power", symbols, laws)];
      const heads = ["model", "parameters", "tokens", "each", "FLOPs", "loss under this law", "source"];
      if (models.length) all.unshift(table("Models", heads, models));
      const columns = ["machine", "peak FLOPs/second", "power", "an hour (assumed)", "source"];
      if (machines.length) all.push(table("Machines", columns, machines));
      box.replaceChildren(...all);
    },
  };
}
