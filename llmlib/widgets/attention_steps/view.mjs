import { element, follow, saveMenu, spokenToken, visibleToken } from "../shared/shared.mjs";
import { bounded, stepping, tabTo } from "../shared/keys.mjs";
import { widget } from "../shared/view.mjs";
import { chain, fromPlane, nudged, placeNames, reach, toPlane } from "./plane.mjs";
import { attend, number, rowsOf, rowText, shortRow, STAGES, story } from "./stages.mjs";

const SIZE = 340;
const LAST = STAGES.length - 1;
const MEANING = [
  "Blue: the query. Orange: the keys. The farther a key reaches along the query, the larger q·k is.",
  "Thin: the values. Thick: each value times its weight, one after the other. Blue: the output, at the end.",
];
const HOW =
  "Drag a tip or use the arrow keys (with Shift: larger steps). Page Up and Page Down reach the other arrows.";
const SVG = "http://www.w3.org/2000/svg";

function drawn(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

export default widget("llm-attention-steps", ({ model, hub, el, still }) => {
  const go = (stage) => hub.look({ stage: bounded(stage, STAGES.length) });
  const rows = (kind) => rowsOf(model.get(kind), model.get("d_head"), kind, model.get("moved"));

  const chooser = element("select", { "aria-label": "Query" });
  chooser.addEventListener("change", () => hub.look({ query: Number(chooser.value) }));
  const back = element(
    "button",
    {
      type: "button",
      "aria-label": "One stage back (Left arrow)",
      title: "One stage back (Left arrow)",
      onclick: () => go(model.get("stage") - 1),
    },
    "◀",
  );
  const forward = element(
    "button",
    {
      type: "button",
      "aria-label": "One stage forward (Right arrow)",
      title: "One stage forward (Right arrow)",
      onclick: () => go(model.get("stage") + 1),
    },
    "▶",
  );
  const steps = STAGES.map((name, stage) =>
    element("button", { type: "button", onclick: () => go(stage) }, `${stage + 1} ${name}`),
  );
  const box = (trait, label) => {
    const input = element("input", { type: "checkbox" });
    input.addEventListener("change", () => hub.look({ [trait]: input.checked }));
    return { input, label: element("label", {}, input, ` ${label}`) };
  };
  const scale = box("scaled", "Divide by √d_head");
  const mask = box("masked", "Causal mask");
  const reset = element("button", { type: "button", onclick: () => hub.look({ moved: {} }) }, "Undo all moves");
  const explanation = element("p", { class: "llm-explanation", role: "status" });
  const source = element("span", { class: "llm-note" });
  const table = element("table", { class: "llm-stages" });
  const holder = element(
    "div",
    { class: "llm-holder", tabindex: 0, role: "group", "aria-label": "Stages. Arrow keys move from stage to stage." },
    table,
  );
  const plane = drawn("svg", {
    viewBox: `0 0 ${SIZE} ${SIZE}`,
    class: "llm-plane",
    role: "group",
    "aria-label": "Arrows",
  });
  const planeBox = element("div", { class: "llm-plane-box" });
  const meaning = element("p", {});
  planeBox.append(plane, meaning, element("p", { class: "llm-note" }, HOW), reset);

  stepping(el, "select, input, summary, .llm-save, .llm-tip", {
    here: () => model.get("stage"),
    count: () => STAGES.length,
    go,
  });
  el.append(
    element(
      "div",
      { class: "llm-row" },
      element("label", {}, "Query: ", chooser),
      scale.label,
      mask.label,
      source,
      still ? "" : saveMenu(model, "attention-steps"),
    ),
    element("div", { class: "llm-row", role: "group", "aria-label": "Stage" }, back, ...steps, forward),
    explanation,
    element("div", { class: "llm-columns" }, planeBox, holder),
  );

  // The arrows in the plane are made once for each query and then only moved, so that an arrow keeps the focus, and the
  // user can go on dragging it. One set of arrows is for the query and the keys; the other set is for the values in the
  // last stage. Tab reaches one arrow of a set; Page Up and Page Down reach the others.
  let sets = [[], []];
  let shown = null;
  let most = 2;
  const summed = drawn("path", { class: "llm-summed", fill: "none" });
  const output = drawn("line", { x1: SIZE / 2, y1: SIZE / 2, class: "llm-line-q", "stroke-width": 3 });
  const end = drawn("circle", { r: 11, class: "llm-end" });
  const endName = drawn("text", { class: "llm-label-q", "aria-hidden": "true" }, "output");
  const tipsOf = (arrows) => arrows.map(({ tip }) => tip);
  const tipOf = (kind, row) => {
    const name = model.get("tokens")[row];
    const line = drawn("line", { x1: SIZE / 2, y1: SIZE / 2, class: `llm-line-${kind}` });
    const tip = drawn("circle", {
      r: 8,
      tabindex: 0,
      role: "slider",
      class: `llm-tip llm-tip-${kind}`,
      "aria-label": `${{ q: "query", k: "key", v: "value" }[kind]} of ${spokenToken(name)}`,
      "aria-valuemin": 0,
    });
    const label = drawn(
      "text",
      { class: `llm-label-${kind}`, "aria-hidden": "true" },
      (kind === "q" ? "query: " : "") + visibleToken(name),
    );
    const move = (vector) => hub.look({ moved: { ...model.get("moved"), [`${kind}${row}`]: vector } });
    tip.addEventListener("focus", () => tabTo(tipsOf(shown), tip));
    tip.addEventListener("keydown", (event) => {
      const by = { PageUp: -1, PageDown: 1 }[event.key];
      if (by) {
        event.preventDefault();
        shown[(shown.findIndex((one) => one.tip === tip) + by + shown.length) % shown.length].tip.focus();
        return;
      }
      const vector = nudged(rows(kind)[row], event.key, event.shiftKey, most);
      if (vector) {
        event.preventDefault();
        move(vector);
      }
    });
    tip.addEventListener("pointerdown", (event) => {
      tip.setPointerCapture(event.pointerId);
      tip.focus();
      event.preventDefault();
    });
    tip.addEventListener("pointermove", (event) => {
      if (!tip.hasPointerCapture(event.pointerId)) return;
      const frame = plane.getBoundingClientRect();
      const per = SIZE / frame.width;
      move(fromPlane((event.clientX - frame.left) * per, (event.clientY - frame.top) * per, SIZE, most));
    });
    return { kind, row, line, tip, label };
  };
  const load = () => {
    const tokens = model.get("tokens");
    const query = model.get("query");
    const flat = model.get("d_head") === 2;
    chooser.replaceChildren(
      ...tokens.map((token, i) => element("option", { value: i }, `${i + 1} ${visibleToken(token)}`)),
    );
    source.textContent = model.get("source");
    planeBox.hidden = !flat;
    shown = null;
    if (flat) {
      sets = [[...tokens.map((_, row) => tipOf("k", row)), tipOf("q", query)], tokens.map((_, row) => tipOf("v", row))];
      sets.forEach((arrows) => tabTo(tipsOf(arrows), arrows.at(-1)?.tip));
    }
    draw();
  };

  const draw = () => {
    const tokens = model.get("tokens");
    const query = model.get("query");
    const stage = model.get("stage");
    const width = model.get("d_head");
    const scaled = model.get("scaled");
    const masked = model.get("masked");
    if (!tokens.length) {
      explanation.textContent = "There are no tokens.";
      return;
    }
    const q = rows("q")[query];
    const keys = rows("k");
    const values = rows("v");
    const made = attend(q, keys, values, query, scaled, masked);
    chooser.value = String(query);
    scale.input.checked = scaled;
    mask.input.checked = masked;
    reset.disabled = !Object.keys(model.get("moved")).length;
    const focused = document.activeElement;
    back.disabled = stage === 0;
    forward.disabled = stage === STAGES.length - 1;
    // move the keyboard focus to the current step if it was on a step, or on a button that is disabled now
    if ((focused?.disabled && el.contains(focused)) || steps.includes(focused)) steps[stage].focus();
    tabTo(steps, steps[stage]);
    steps.forEach((button, i) => {
      button.setAttribute("aria-current", i === stage ? "step" : "false");
      button.classList.toggle("llm-done", i <= stage);
    });
    const name = (row) => visibleToken(tokens[row ?? query]);
    explanation.textContent = story(stage, { scaled, masked, width, name, made });

    const vector = (row) =>
      element("td", { class: "llm-vector", title: row.length > 4 ? rowText(row) : null }, shortRow(row));
    const head = [
      "key of",
      "k",
      "q·k",
      scaled ? `÷ √${width}` : "not scaled",
      masked ? "mask" : "no mask",
      "softmax",
      "v",
      "weight · v",
    ];
    const from = [0, 0, 0, 1, 2, 3, 4, 4];
    // in the last stage, show only the columns that make up the sum, so that the table fits
    const visible = (i) => (stage < LAST ? from[i] <= stage : [0, 5, 6, 7].includes(i));
    const bar = (weight) => {
      const inner = element("span", { class: "llm-bar" });
      inner.style.width = `${100 * weight}%`;
      return element("span", { class: "llm-track", "aria-hidden": "true" }, inner);
    };
    const cells = (row) =>
      [
        vector(keys[row]),
        element("td", {}, number(made.dots[row])),
        element("td", {}, number(made.scaled[row])),
        element("td", {}, number(made.masked[row])),
        element("td", { class: "llm-weight" }, bar(made.weights[row]), number(made.weights[row])),
        vector(values[row]),
        vector(values[row].map((x) => made.weights[row] * x)),
      ].filter((_, i) => visible(i + 1));
    const columns = head.map((_, i) => i).filter(visible);
    const now = (i) => (from[i] === stage && i > 1 ? "llm-now" : "");
    const body = tokens.map((token, row) => {
      const line = element(
        "tr",
        { class: row === query ? "llm-query" : masked && row > query && stage >= 2 ? "llm-future" : "" },
        element("th", { scope: "row" }, visibleToken(token)),
        ...cells(row),
      );
      [...line.children].forEach((cell, i) => {
        if (now(columns[i])) cell.classList.add("llm-now");
      });
      return line;
    });
    const foot =
      stage === STAGES.length - 1
        ? [
            element(
              "tr",
              { class: "llm-output" },
              element("th", { scope: "row", colspan: 3 }, "Output: the sum"),
              vector(made.output),
            ),
          ]
        : [];
    table.replaceChildren(
      element(
        "caption",
        {},
        `Query of “${name(null)}”: `,
        element("span", { title: q.length > 4 ? rowText(q) : null }, shortRow(q)),
      ),
      element(
        "thead",
        {},
        element("tr", {}, ...head.filter((_, i) => visible(i)).map((label) => element("th", { scope: "col" }, label))),
      ),
      element("tbody", {}, ...body, ...foot),
    );

    if (width === 2) drawPlane(q, keys, values, made, stage);
  };

  const drawPlane = (q, keys, values, made, stage) => {
    const arrows = sets[stage === LAST ? 1 : 0];
    const half = SIZE / 2;
    const middle = [half, half];
    if (shown !== arrows) {
      const held = plane.contains(document.activeElement);
      shown = arrows;
      most = 2;
      plane.replaceChildren(
        drawn("line", { x1: 0, y1: half, x2: SIZE, y2: half, class: "llm-axis" }),
        drawn("line", { x1: half, y1: 0, x2: half, y2: SIZE, class: "llm-axis" }),
        ...arrows.map(({ line }) => line),
        ...(stage === LAST ? [summed, output, end, endName] : []),
        ...arrows.map(({ label }) => label),
        ...tipsOf(arrows),
      );
      meaning.textContent = MEANING[stage === LAST ? 1 : 0];
      if (held) arrows.at(-1).tip.focus();
    }
    const vectorOf = ({ kind, row }) => ({ q, k: keys[row], v: values[row] })[kind];
    // the range of the plane never shrinks while the user drags
    most = Math.max(most, reach([...arrows.map(vectorOf), stage === LAST ? made.output : [0, 0]]));
    const at = (vector) => toPlane(vector, SIZE, most);
    const sums = chain(values, made.weights).map(at);
    const tips = arrows.map((arrow) => {
      const [x, y] = at(vectorOf(arrow));
      return { x, y, label: arrow.label.textContent };
    });
    const lines = tips.map(({ x, y }) => [middle, [x, y]]);
    if (stage === LAST) {
      const [x, y] = sums.at(-1);
      tips.push({ x, y, label: "output" });
      lines.push([middle, [x, y]], ...sums.slice(1).map((point, k) => [sums[k], point]));
      summed.setAttribute("d", `M${sums.map((point) => point.map((v) => v.toFixed(1)).join(" ")).join("L")}`);
      output.setAttribute("x2", x);
      output.setAttribute("y2", y);
      end.setAttribute("cx", x);
      end.setAttribute("cy", y);
    }
    const names = placeNames(tips, lines, SIZE);
    const put = (label, { x, y }) => {
      label.setAttribute("x", x.toFixed(1));
      label.setAttribute("y", y.toFixed(1));
    };
    if (stage === LAST) put(endName, names.at(-1));
    arrows.forEach((arrow, k) => {
      const { kind, row, line, tip, label } = arrow;
      const vector = vectorOf(arrow);
      const { x, y } = tips[k];
      line.setAttribute("x2", x);
      line.setAttribute("y2", y);
      line.setAttribute(
        "stroke-width",
        kind === "q" ? 3 : kind === "k" ? 1 + 6 * (stage >= 3 ? made.weights[row] : 0.3) : 1.5,
      );
      tip.setAttribute("cx", x);
      tip.setAttribute("cy", y);
      tip.setAttribute("aria-valuenow", Math.hypot(...vector).toFixed(2));
      tip.setAttribute("aria-valuemax", (most * Math.SQRT2).toFixed(2));
      tip.setAttribute(
        "aria-valuetext",
        `${rowText(vector)}${kind === "q" ? "" : `, weight ${number(made.weights[row])}`}`,
      );
      put(label, names[k]);
    });
  };

  return [
    follow(model, ["tokens", "d_head", "q", "k", "v", "query", "source"], load),
    follow(model, ["moved", "stage", "scaled", "masked"], draw),
  ];
});
