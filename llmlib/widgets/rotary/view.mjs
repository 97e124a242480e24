import { element, follow, saveMenu } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";

/**
 * Return the length and the angle of a vector's pair number i: channel i, and channel i of the vector's second half.
 */
export function pairOf(vector, i) {
  const u = vector[i];
  const v = vector[i + vector.length / 2];
  return { length: Math.hypot(u, v), angle: Math.atan2(v, u) };
}

/** Return what each pair adds to the dot product of a query and a key that are `distance` positions apart. */
export function shares(query, key, frequencies, distance) {
  return frequencies.map((frequency, i) => {
    const q = pairOf(query, i);
    const k = pairOf(key, i);
    return q.length * k.length * Math.cos(q.angle - k.angle + frequency * distance);
  });
}

/** Return the dot product, which is the sum over all pairs. */
export function score(query, key, frequencies, distance) {
  return shares(query, key, frequencies, distance).reduce((sum, share) => sum + share, 0);
}

/**
 * Return the position of a hand's tip on a dial of this radius. Angles start at the right and go counter-clockwise; y
 * points down.
 */
export function tip(angle, radius) {
  return [radius * Math.cos(angle), -radius * Math.sin(angle)];
}

/**
 * Return both positions, between 0 and `most`, after the query, the key or both have moved. If only one has moved, and
 * the key would then come after the query, the other moves to the same position.
 */
export function moved(which, value, query, key, most) {
  const to = Math.max(0, Math.min(most, Math.round(value)));
  if (which === "query") return { query: to, key: Math.min(key, to) };
  if (which === "key") return { query: Math.max(query, to), key: to };
  const both = Math.min(to, most - (query - key)); // the distance stays the same
  return { query: both + query - key, key: both };
}

/** Write the period of a frequency: 1 -> "6.3 positions per turn"; 0 -> "never turns". */
export function period(frequency) {
  if (!frequency) return "never turns";
  const length = (2 * Math.PI) / Math.abs(frequency);
  return `${length.toLocaleString("en", { maximumFractionDigits: length < 100 ? 1 : 0 })} positions per turn`;
}

/**
 * Return a curve for a box: its `points` [[x, y], …] for the values at 0, 1, 2, …, its range from `low` to `high` (0
 * included), and `y`, the function from a value to its y coordinate.
 */
export function plot(values, width, height) {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const span = high - low || 1;
  const y = (value) => (height * (high - value)) / span;
  return { low, high, y, points: values.map((value, i) => [(width * i) / Math.max(1, values.length - 1), y(value)]) };
}

const rounded = (value) => (Math.round(10 * value) / 10 + 0).toFixed(1); // avoids "-0.0" for −0.04

function drawn(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export default widget("llm-rotary", ({ model, hub, el, still }) => {
  const get = (name) => model.get(name);
  const place = (which, value) => {
    const { query, key } = moved(which, value, get("query_position"), get("key_position"), get("max_position"));
    hub.look({ query_position: query, key_position: key });
  };
  const slider = (which, label) => {
    const input = element("input", { type: "range", min: 0, "aria-label": label });
    input.addEventListener("input", () => place(which, Number(input.value)));
    return input;
  };
  const query = slider("query", "Position of the query");
  const key = slider("key", "Position of the key");
  const both = slider("both", "Move both together");
  const numbers = { query: element("output"), key: element("output"), both: element("output") };
  const line = (label, input, output, kind) =>
    element(
      "div",
      { class: `llm-slider llm-${kind}` },
      element("span", { "aria-hidden": "true" }, label),
      input,
      output,
    );
  const dials = element("div", { class: "llm-dials", role: "list", "aria-label": "A dial for each pair of channels" });
  const sum = element("div", { class: "llm-sum" });
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const curve = drawn("svg", { viewBox: "0 0 760 190", role: "img", class: "llm-curve" });
  const lead =
    "Each dial shows a pair of channels. The query’s position turns the blue hand, and the key’s position turns the " +
    "orange hand. The dot product depends only on how far apart the two positions are. " +
    "Try this: move both positions, and see that the sum stays the same. Then move only the key.";
  el.append(
    element(
      "div",
      { class: "llm-row llm-top" },
      element("p", { class: "llm-note llm-lead" }, lead),
      still ? "" : saveMenu(model, "rotary"),
    ),
    line("query", query, numbers.query, "query"),
    line("key", key, numbers.key, "key"),
    line("both", both, numbers.both, "both"),
    dials,
    sum,
    curve,
    element(
      "div",
      { class: "llm-row" },
      element(
        "span",
        { class: "llm-note" },
        "A hand’s angle is its angle at position 0 plus frequency × position. Click the curve to set the distance.",
      ),
    ),
    spoken,
  );

  let scale = null;
  const update = () => {
    const q = get("query_position");
    const k = get("key_position");
    const most = get("max_position");
    const distance = q - k;
    const frequencies = get("frequencies");
    const added = shares(get("query"), get("key"), frequencies, distance);
    const total = added.reduce((a, b) => a + b, 0);
    for (const [input, value, top] of [
      [query, q, most],
      [key, k, most],
      [both, k, most - distance],
    ]) {
      input.max = top;
      input.value = value;
    }
    numbers.query.textContent = `position ${q}`;
    numbers.key.textContent = `position ${k}`;
    numbers.both.textContent = `distance stays ${distance}`;
    dials.replaceChildren(
      ...frequencies.map((frequency, i) => {
        const picture = drawn(
          "svg",
          { viewBox: "-40 -40 80 80", "aria-hidden": "true" },
          drawn("circle", { r: 37, class: "llm-face" }),
        );
        for (const [name, position] of [
          ["query", q],
          ["key", k],
        ]) {
          const [x, y] = tip(pairOf(get(name), i).angle + frequency * position, name === "query" ? 34 : 25);
          picture.append(
            drawn("line", { x2: x, y2: y, class: `llm-hand-${name}` }),
            drawn("circle", { cx: x, cy: y, r: 3.5, class: `llm-end-${name}` }),
          );
        }
        const share = `${added[i] < 0 ? "−" : "+"}${Math.abs(added[i]).toFixed(2)}`;
        return element(
          "div",
          { class: "llm-dial", role: "listitem", "aria-label": `Pair ${i}: ${period(frequency)}, adds ${share}` },
          picture,
          element("strong", {}, share),
          element("span", { class: "llm-note" }, period(frequency)),
        );
      }),
    );
    const said = `Distance ${distance}: dot product ${total.toFixed(3)}`;
    sum.textContent = `${said} = the sum under the dials`;
    spoken.textContent = said;

    const values = Array.from({ length: most + 1 }, (_, d) => score(get("query"), get("key"), frequencies, d));
    scale = plot(values, 690, 140);
    const [x, y] = scale.points[distance];
    const text = (attributes, words) => drawn("text", attributes, words);
    const range = `between ${scale.low.toFixed(2)} and ${scale.high.toFixed(2)}`;
    curve.setAttribute("aria-label", `Dot product for distances from 0 to ${most}, ${range}. ${said}.`);
    curve.replaceChildren(
      drawn(
        "g",
        { transform: "translate(50 14)" },
        drawn("line", { x1: 0, x2: 690, y1: scale.y(0), y2: scale.y(0), class: "llm-axis" }),
        drawn("polyline", {
          points: scale.points.map((p) => p.map((c) => c.toFixed(1)).join()).join(" "),
          class: "llm-line",
        }),
        drawn("line", { x1: x, x2: x, y1: 0, y2: 140, class: "llm-axis" }),
        drawn("circle", { cx: x, cy: y, r: 5.5, class: "llm-end-key" }),
        text({ x: -6, y: 6, "text-anchor": "end" }, rounded(scale.high)),
        text({ x: -6, y: 144, "text-anchor": "end" }, rounded(scale.low)),
        text({ x: 0, y: 162 }, "distance 0"),
        text({ x: 690, y: 162, "text-anchor": "end" }, String(most)),
      ),
    );
  };
  const pointed = (event) => {
    const box = curve.getBoundingClientRect();
    const most = get("max_position");
    const distance = Math.round(((((event.clientX - box.left) / box.width) * 760 - 50) / 690) * most);
    return Math.max(0, Math.min(most, distance));
  };
  curve.addEventListener("click", (event) => {
    const distance = pointed(event);
    place("query", Math.max(get("query_position"), distance));
    place("key", get("query_position") - distance);
  });
  return follow(model, ["frequencies", "query", "key", "query_position", "key_position", "max_position"], update);
});
