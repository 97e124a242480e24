// Shows one box: what it does, what it costs, the line of code that computes it, and its tensors with their real
// values.

import { arrowOf, bounded } from "../shared/keys.mjs";
import { element, shorten, visibleToken } from "../shared/shared.mjs";
import { choice } from "../shared/controls.mjs";
import { parseColour, rampOf, sized } from "../shared/canvas.mjs";
import { counted, inShort, layoutPanels, shapeInWords, share, span, unpackOpened, unpackTokens } from "./data.mjs";

const WIDTH = 330; // pixels: the width of a picture of values
const LEAD =
  "Every box is a part of the model. Open a box to see what it does, what it costs, and the line of code behind it.";

export function detailPanel(ctx) {
  const crumbs = element("div", { class: "llm-crumbs", role: "group", "aria-label": "Where you are" });
  const title = element("h4", { "data-text": true });
  const words = element("p", {});
  const facts = element("dl", { class: "llm-facts" });
  const source = element("div", { class: "llm-source" });
  const tabs = element("div", { class: "llm-row llm-tabs" });
  const shape = element("p", { class: "llm-shape", "data-text": true });
  const values = valuesPanel(ctx);
  const measured = element("p", { class: "llm-note llm-measured" });
  const lead = element("p", { class: "llm-note" }, LEAD);
  const node = element(
    "div",
    { class: "llm-detail", role: "group", "aria-label": "The open box" },
    crumbs,
    title,
    words,
    lead,
    facts,
    measured,
    shape,
    tabs,
    values.node,
    source,
  );
  let made = "";

  function draw() {
    const { box, around, copies } = ctx.boxes().get(ctx.state.box);
    const { tree, totals } = ctx.model();
    const tensor = ctx.tensor();
    const inLayer = copies > 1;
    const links = [...around, box].map((one, k, all) => {
      const name = one.id === "layer" ? `Layer ${ctx.state.layer}` : one.title;
      return k === all.length - 1
        ? element("span", { "aria-current": "page" }, name)
        : element(
            "button",
            {
              type: "button",
              onclick: () => {
                ctx.open(one.id);
                crumbs.querySelector("button, span")?.focus?.();
              },
            },
            name,
          );
    });
    crumbs.replaceChildren(...links);
    title.textContent = box.id === "layer" ? `Layer ${ctx.state.layer}` : box.title;
    words.textContent = box.words;
    const pair = (name, one, whole, write, all = write) => [
      element("dt", { "data-text": true }, name),
      element("dd", { "data-text": true }, write(one)),
      element(
        "dd",
        { "data-text": true },
        one ? `${inLayer ? `${all(one * copies)} in all · ` : ""}${share(one * copies, whole)}` : "",
      ),
    ];
    facts.replaceChildren(
      ...pair("Parameters", box.parameters, tree.parameters, (value) => value.toLocaleString("en"), counted),
      ...pair("FLOPs per token", box.flops, totals.forward_flops, (value) => inShort(value)),
      ...pair("Read per token", box.read, tree.read, (value) => inShort(value, "B")),
      ...pair("Written per token", box.written, tree.written, (value) => inShort(value, "B")),
    );
    source.replaceChildren(
      ...box.lines.map(({ file, number, text }) =>
        element(
          "figure",
          {},
          element("figcaption", {}, `${file}, line ${number}`),
          element("pre", {}, element("code", {}, text)),
        ),
      ),
    );
    const { context, dtype } = ctx.model();
    const seen = context.toLocaleString("en");
    measured.textContent = `FLOPs are for one token that attends to ${seen} tokens. Bytes are for ${dtype} numbers.`;
    lead.hidden = box.id !== "model";
    const key = JSON.stringify([box.id, box.tensors]);
    if (made !== key) {
      made = key;
      tabs.replaceChildren(
        ...(box.tensors.length > 1
          ? [
              choice(
                "Tensor",
                box.tensors.map(({ name }) => [name, name]),
                tensor?.name,
                (name) => ctx.go({ tensor: name }),
              ),
            ]
          : []),
      );
    }
    for (const input of tabs.querySelectorAll("input")) input.checked = input.value === tensor?.name;
    shape.replaceChildren(
      ...(tensor
        ? [
            element("strong", {}, tensor.name),
            ` ${shapeInWords(tensor.axes, tensor.weight ? 0 : ctx.tokens().length)}`,
            element(
              "span",
              { class: "llm-note" },
              tensor.weight
                ? `  ${tensor.parameters.toLocaleString("en")} numbers, ${inShort(tensor.bytes, "B")}`
                : `  ${inShort(tensor.bytes, "B")} per token`,
            ),
          ]
        : []),
    );
    shape.hidden = !tensor;
    values.draw();
  }
  return { node, draw };
}

/** Show the real values of the open tensor as a picture, and, for one token, the length of the vector and how much the
 * box changed it. */
function valuesPanel(ctx) {
  const canvas = element("canvas", {
    tabindex: 0,
    role: "application",
    "aria-roledescription": "picture of values",
    class: "llm-values",
  });
  const reading = element("p", { class: "llm-reading" });
  const caption = element("p", { class: "llm-caption" });
  const select = element("select", { "aria-label": "Token" });
  const scale = element("div", { class: "llm-scale" });
  const chooser = element("label", { class: "llm-token" }, "Token ", select);
  const node = element("div", { class: "llm-live" }, canvas, reading, scale, chooser, caption);
  let picture = null;
  let layout = null;
  let at = null;
  let painted = "";
  let written = null;

  const columnAxis = () => ctx.tensor().axes.at(-1)[0];
  const rowAxis = () => (ctx.tensor().axes.length > 1 ? ctx.tensor().axes.at(-2)[0] : "");
  function tell() {
    if (!at || !picture) {
      reading.textContent = "Point at a cell, or use the arrow keys, to read its value.";
      return;
    }
    const [panel, row, column] = at;
    const [rows, columns] = picture.shape;
    const value = picture.at(panel, row, column);
    const merged = rows > picture.rows || columns > picture.columns;
    const token = ["seq", "query"].includes(rowAxis())
      ? ` (${shorten(visibleToken(ctx.tokens()[Math.floor((row * rows) / picture.rows)] ?? ""), 12)})`
      : "";
    const place = [
      picture.panels > 1 ? `${ctx.tensor().axes[0][0]} ${panel}` : "",
      rowAxis() ? `${rowAxis()} ${span(row, picture.rows, rows)}${token}` : "",
      `${columnAxis()} ${span(column, picture.columns, columns)}`,
    ];
    const shown = Number.isNaN(value) ? "not finite" : value.toPrecision(3).replace("-", "−");
    reading.textContent = `${place.filter(Boolean).join(", ")}: ${merged ? "strongest " : ""}${shown}`;
  }
  function point(to) {
    at = to;
    tell();
    if (to) ctx.speak(reading.textContent);
  }
  canvas.addEventListener("pointermove", (event) => {
    if (!picture) return;
    const box = canvas.getBoundingClientRect();
    const {
      across,
      gap,
      cell: [w, h],
      panel: [pw, ph],
    } = layout;
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const [px, py] = [Math.floor(x / (pw + gap)), Math.floor(y / (ph + gap))];
    const panel = py * across + px;
    const [row, column] = [Math.floor((y - py * (ph + gap)) / h), Math.floor((x - px * (pw + gap)) / w)];
    at =
      px < across && panel < picture.panels && row >= 0 && row < picture.rows && column >= 0 && column < picture.columns
        ? [panel, row, column]
        : null;
    tell();
  });
  canvas.addEventListener("pointerleave", () => {
    at = null;
    tell();
  });
  canvas.addEventListener("keydown", (event) => {
    const move = arrowOf(event.key);
    if (!move || !picture) return;
    event.preventDefault();
    const [panel, row, column] = at ?? [0, 0, -1];
    const flat = (panel * picture.rows + row + move[0]) * picture.columns;
    const next = column + move[1];
    const line = bounded(flat / picture.columns, picture.panels * picture.rows);
    point([Math.floor(line / picture.rows), line % picture.rows, bounded(next, picture.columns)]);
  });
  select.addEventListener("change", () => ctx.go({ token: Number(select.value) }));

  function paint() {
    const key = `${ctx.openedKey()} ${ctx.palette.paper} ${ctx.palette.ink}`;
    if (painted === key) return;
    painted = key;
    at = null;
    layout = layoutPanels(picture.panels, picture.rows, picture.columns, WIDTH);
    const ratio = sized(canvas, WIDTH, layout.height);
    const context = canvas.getContext("2d");
    const {
      across,
      gap,
      panel: [pw, ph],
    } = layout;
    const small = element("canvas", { width: picture.columns, height: picture.rows });
    const image = new ImageData(picture.columns, picture.rows);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, WIDTH, layout.height);
    context.imageSmoothingEnabled = false;
    for (let panel = 0; panel < picture.panels; panel++) {
      for (let row = 0; row < picture.rows; row++)
        for (let column = 0; column < picture.columns; column++) {
          const code = picture.code(panel, row, column);
          image.data.set(
            [...(code === -128 ? ctx.palette.missingRgb : ctx.signed[code + 127]), 255],
            4 * (row * picture.columns + column),
          );
        }
      small.getContext("2d").putImageData(image, 0, 0);
      context.drawImage(small, (panel % across) * (pw + gap), Math.floor(panel / across) * (ph + gap), pw, ph);
    }
    const most = picture.scale.toPrecision(3);
    const colours = [0, 32, 64, 96, 127, 158, 190, 222, 254].map((k) => `rgb(${ctx.signed[k].join(", ")})`);
    scale.replaceChildren(
      element("span", { "data-text": true }, `−${most}`),
      element("span", { class: "llm-ramp", style: `background: ${rampOf(colours)}` }),
      element("span", { "data-text": true }, most),
    );
  }

  function draw() {
    const tensor = ctx.tensor();
    const opened = ctx.opened();
    const fits =
      tensor &&
      opened.box === ctx.state.box &&
      opened.tensor === tensor.name &&
      (opened.layer === ctx.state.layer || !ctx.inLayer());
    node.hidden = !tensor || !(fits || ctx.alive());
    if (node.hidden) return;
    canvas.hidden = scale.hidden = reading.hidden = !fits;
    chooser.hidden = caption.hidden = true;
    if (!fits) {
      caption.hidden = false;
      caption.textContent = "Fetching the values …";
      return;
    }
    picture = unpackOpened(opened, ctx.openedCodes());
    canvas.setAttribute(
      "aria-label",
      `Values of ${tensor.name}, ${shapeInWords(tensor.axes, ctx.tokens().length)}. Arrow keys move between cells.`,
    );
    paint();
    tell();
    const of = unpackTokens(ctx.openedTokens());
    const tokens = ctx.tokens();
    caption.hidden = false;
    if (tensor.weight) {
      caption.textContent = `The norm of the whole tensor is ${opened.norm.toPrecision(4)}.`;
      return;
    }
    if (!of) {
      caption.hidden = true;
      return;
    }
    chooser.hidden = false;
    if (written !== tokens) {
      written = tokens;
      select.replaceChildren(
        ...tokens.map((token, k) => element("option", { value: k }, `${k}: ${shorten(visibleToken(token), 20)}`)),
      );
    }
    select.value = String(ctx.token());
    const { norm, before, cosine, changed } = of(ctx.token());
    const from = ctx.boxes().get(ctx.boxes().get(ctx.state.box).box.before)?.box.title ?? "before";
    const moved = [
      ` The box changed the vector by ${share(changed, 1)} of its length.`,
      `The cosine between the old and new vectors is ${cosine.toFixed(3).replace("-", "−")}.`,
    ];
    caption.replaceChildren(
      "The token’s vector has a norm of ",
      element("strong", {}, norm.toPrecision(3)),
      `; before this box, in “${from}”, the norm was ${before.toPrecision(3)}.`,
      Number.isNaN(cosine)
        ? " The two vectors have different widths, so their directions cannot be compared."
        : moved.join(" "),
    );
  }
  return { node, draw };
}

/** Return the colours of signed values, as [r, g, b] for the codes -127 … 127. */
export function signedColours(stops) {
  const given = stops.map(parseColour);
  return Array.from({ length: 255 }, (_, k) => {
    const at = (k / 254) * (given.length - 1);
    const i = Math.min(Math.floor(at), given.length - 2);
    return given[i].map((c, n) => Math.round(c + (at - i) * (given[i + 1][n] - c)));
  });
}
