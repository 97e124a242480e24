// Shows one token's path: the vector's length and direction after each layer, and how much each part of the model
// added.

import { arrowOf, bounded } from "../shared/keys.mjs";
import { element, shorten, spokenToken, visibleToken } from "../shared/shared.mjs";
import { choice } from "../shared/controls.mjs";
import { sized, svg } from "../shared/canvas.mjs";
import { scaled, unpackFollowed, WAYS } from "./data.mjs";

const HEIGHT = 372;
const LEFT = 84;

export function followPanel(ctx) {
  const canvas = element("canvas", {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "map of tokens and layers",
    "aria-label": "All tokens. Use the arrow keys to go to another token or layer.",
  });
  const column = element("div", { class: "llm-column" });
  const cell = element("div", { class: "llm-cell" });
  const board = element("div", { class: "llm-board" }, canvas, column, cell);
  const rows = element("div", { class: "llm-rows", "aria-hidden": "true" });
  const tools = element("div", { class: "llm-row" });
  const reading = element("p", { class: "llm-reading" });
  const title = element("h4", { "data-text": true });
  const story = element("p", {});
  const lengths = svg("svg", { role: "img" });
  const angles = svg("svg", { role: "img" });
  const waiting = element("p", { class: "llm-note" });
  const names = element("div", { class: "llm-names", "aria-hidden": "true" });
  const left = element(
    "div",
    { class: "llm-left" },
    tools,
    element("div", { class: "llm-body" }, rows, board),
    names,
    reading,
  );
  const right = element(
    "div",
    { class: "llm-detail", role: "group", "aria-label": "The token to follow" },
    title,
    story,
    lengths,
    angles,
  );
  const node = element("div", { class: "llm-follow" }, waiting, left, right);
  let way = null;
  let source = null;
  let painted = "";
  let room = 0;
  let pointed = null;

  const measure = () => ctx.state.way;
  const tall = () => HEIGHT / WAYS[measure()].rows(way);
  const value = ({ row, token }) => way[measure()][row * way.seq + token];
  const rowName = (row) =>
    measure() === "attention" || measure() === "mlp"
      ? `layer ${row}`
      : row === 0
        ? "embedding"
        : `after layer ${row - 1}`;
  function place(event) {
    const box = canvas.getBoundingClientRect();
    const token = Math.floor(((event.clientX - box.left) / room) * way.seq);
    const row = Math.floor((event.clientY - box.top) / tall());
    return token >= 0 && token < way.seq && row >= 0 && row < WAYS[measure()].rows(way) ? { row, token } : null;
  }
  function point(to) {
    pointed = to;
    cell.style.display = to ? "block" : "none";
    if (to)
      Object.assign(cell.style, {
        left: `${(to.token * room) / way.seq}px`,
        top: `${to.row * tall()}px`,
        width: `${room / way.seq}px`,
        height: `${tall()}px`,
      });
    const meaning = WAYS[measure()].log
      ? "longer the vector is (log scale)"
      : "closer the vector is to its final direction";
    reading.textContent = to
      ? `${visibleToken(ctx.tokens()[to.token])}, ${rowName(to.row)}: ${value(to).toPrecision(3)}`
      : `The stronger the colour, the ${meaning}. Point at a cell to read its value; click it to follow its token.`;
  }
  canvas.addEventListener("pointermove", (event) => way && point(place(event)));
  canvas.addEventListener("pointerleave", () => way && point(null));
  canvas.addEventListener("click", (event) => {
    const to = way && place(event);
    if (to) ctx.go({ token: to.token });
  });
  canvas.addEventListener("keydown", (event) => {
    const move = arrowOf(event.key);
    if (!move || !way) return;
    event.preventDefault();
    const count = WAYS[measure()].rows(way);
    const now = pointed?.token === ctx.token() ? pointed : { row: count - 1, token: ctx.token() };
    const to = { row: bounded(now.row + move[0], count), token: bounded(now.token + move[1], way.seq) };
    ctx.go({ token: to.token });
    point(to);
    ctx.speak(`${spokenToken(ctx.tokens()[to.token])}, ${rowName(to.row)}: ${value(to).toPrecision(3)}`);
  });

  function drawMap(width) {
    const { rows: count, log } = WAYS[measure()];
    const n = count(way);
    const key = [width, measure(), ctx.palette.paper, ctx.palette.ink].join();
    room = Math.max(120, width - LEFT);
    if (painted !== key || source !== way) {
      painted = key;
      source = way;
      const values = scaled(way[measure()], log);
      const small = element("canvas", { width: way.seq, height: n });
      const image = new ImageData(way.seq, n);
      values.forEach((t, k) => image.data.set([...ctx.shade(t), 255], 4 * k));
      small.getContext("2d").putImageData(image, 0, 0);
      sized(canvas, room, HEIGHT);
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.drawImage(small, 0, 0, canvas.width, canvas.height);
      const every = Math.ceil(18 / tall());
      rows.replaceChildren(
        ...Array.from({ length: n }, (_, row) => row)
          .filter((row) => row % every === 0)
          .map((row) =>
            element(
              "span",
              { "data-text": true, style: `top: ${(row + 0.5) * tall() - 8}px` },
              rowName(row).replace("after ", ""),
            ),
          ),
      );
      const some = Math.ceil((way.seq * 46) / room);
      names.replaceChildren(
        ...ctx
          .tokens()
          .map((token, k) => [token, k])
          .filter(([, k]) => k % some === 0)
          .map(([token, k]) =>
            element(
              "span",
              { "data-text": true, style: `left: ${LEFT + ((k + 0.5) * room) / way.seq}px` },
              shorten(visibleToken(token), 6),
            ),
          ),
      );
      point(null);
    }
    Object.assign(column.style, {
      left: `${(ctx.token() * room) / way.seq}px`,
      width: `${room / way.seq}px`,
      height: `${HEIGHT}px`,
    });
  }

  /** Draw a line chart across the layers; each line is `{ name, colour, values }`, and its name is at its end. */
  function chart(box, label, lines, { log = false, low, high, ticks, axis }) {
    const width = 330;
    const height = 156;
    const [l, r, t, b] = [40, 92, 20, 20];
    const n = way.layers;
    const x = (at) => l + ((width - l - r) * at) / n;
    const scale = (v) => (log ? Math.log10(Math.max(v, 10 ** low)) : v);
    const y = (v) => t + ((height - t - b) * (high - scale(v))) / (high - low || 1);
    const word = (words, more) => svg("text", { "font-size": 11, fill: ctx.palette.faint, ...more }, words);
    const ends = lines.map((line) => y(line.values.at(-1)[1]));
    const order = ends.map((_, k) => k).sort((p, q) => ends[p] - ends[q]);
    order.forEach((k, i) => {
      if (i) ends[k] = Math.max(ends[k], ends[order[i - 1]] + 13);
    });
    box.setAttribute("viewBox", `0 0 ${width} ${height}`);
    box.setAttribute("aria-label", label);
    box.replaceChildren(
      ...ticks.flatMap((v) => [
        svg("line", { x1: l, x2: width - r, y1: y(v), y2: y(v), stroke: ctx.palette.line, "stroke-width": 0.5 }),
        word(log ? v.toLocaleString("en") : String(v).replace("-", "−"), {
          x: l - 5,
          y: y(v) + 4,
          "text-anchor": "end",
        }),
      ]),
      ...lines.flatMap(({ name, colour, values }, k) => [
        svg("polyline", {
          points: values.map(([at, v]) => `${x(at).toFixed(1)},${y(v).toFixed(1)}`).join(" "),
          fill: "none",
          stroke: colour,
          "stroke-width": 2,
          "stroke-linejoin": "round",
        }),
        word(name, { x: width - r + 6, y: ends[k] + 4, fill: colour }),
      ]),
      word(axis, { x: l, y: 10 }),
      word("layer 0", { x: l, y: height - 4 }),
      word(`layer ${n - 1}`, { x: width - r, y: height - 4, "text-anchor": "end" }),
    );
  }

  function drawToken() {
    const token = ctx.token();
    const of = (name, shift) =>
      Array.from({ length: way[name].length / way.seq }, (_, row) => [row + shift, way[name][row * way.seq + token]]);
    const stream = of("norm", 0);
    const attention = of("attention", 1);
    const mlp = of("mlp", 1);
    const all = [...stream, ...attention, ...mlp].map(([, v]) => v).filter((v) => v > 0);
    const low = Math.floor(Math.log10(Math.min(...all)));
    const high = Math.ceil(Math.log10(Math.max(...all)) + 1e-9);
    const largest = [
      ...attention.map(([at, v]) => [v, `attention in layer ${at - 1}`]),
      ...mlp.map(([at, v]) => [v, `the MLP in layer ${at - 1}`]),
    ].sort((p, q) => q[0] - p[0])[0];
    title.replaceChildren(
      "Following ",
      element("code", {}, element("bdi", {}, shorten(visibleToken(ctx.tokens()[token]), 20))),
    );
    const [begin, end, added] = [stream[0][1], stream.at(-1)[1], largest[0]].map((norm) => norm.toPrecision(3));
    story.textContent = [
      `The token’s vector begins with a norm of ${begin} and ends with a norm of ${end}.`,
      `The final vector points ${direction(way.start[way.layers * way.seq + token])} the initial one.`,
      `The largest vector, with a norm of ${added}, was added by ${largest[1]}.`,
    ].join(" ");
    chart(
      lengths,
      "Norm of the residual stream, and of what attention and the MLP added, across the layers",
      [
        { name: "stream", colour: ctx.palette.ink, values: stream },
        { name: "attention adds", colour: ctx.palette.more, values: attention },
        { name: "MLP adds", colour: ctx.palette.warm, values: mlp },
      ],
      { log: true, axis: "norm", low, high, ticks: Array.from({ length: high - low + 1 }, (_, k) => 10 ** (low + k)) },
    );
    chart(
      angles,
      "Cosine between the residual stream and its start and end, across the layers",
      [
        { name: "cosine to start", colour: ctx.palette.accent, values: of("start", 0) },
        { name: "cosine to end", colour: ctx.palette.warm, values: of("end", 0) },
      ],
      {
        low: Math.min(0, ...of("start", 0).map(([, v]) => v), ...of("end", 0).map(([, v]) => v)),
        high: 1,
        axis: "cosine",
        ticks: [0, 0.5, 1],
      },
    );
  }
  const direction = (cosine) =>
    cosine > 0.5
      ? "in much the same direction as"
      : cosine > 0.15
        ? "only roughly in the direction of"
        : cosine > -0.15
          ? "nearly at a right angle to"
          : "away from";

  function draw(width) {
    const followed = ctx.followed();
    const here = Boolean(followed.seq);
    left.hidden = right.hidden = !here;
    waiting.hidden = here;
    waiting.textContent = here
      ? ""
      : ctx.alive()
        ? "The model is reading the text …"
        : "Following a token needs a live model, which this page does not have. To see the sizes, choose “Boxes”.";
    if (!here) return;
    if (ctx.followedValues() !== draw.from) {
      draw.from = ctx.followedValues();
      way = unpackFollowed(followed, draw.from);
    }
    if (!tools.children.length)
      tools.append(
        choice(
          "What the map shows",
          Object.entries({ norm: "length", end: "cosine to end", attention: "attention added", mlp: "MLP added" }),
          measure(),
          (chosen) => ctx.go({ way: chosen }),
        ),
      );
    drawMap(width);
    drawToken();
  }
  return { node, draw };
}
