// Shows all heads of a layer at once: each head has a colour, and lines for its strongest attention weights.

import { roving, stepEitherWay, tabTo } from "../shared/keys.mjs";
import { element, isolated, shorten, spokenToken, visibleToken } from "../shared/shared.mjs";
import { sized, svg } from "../shared/canvas.mjs";
import { tokenColumns } from "./columns.mjs";
import { inWords, strongest, strongestPairs, weightAt, weightsOf } from "./data.mjs";
import { frame } from "./paint.mjs";

// Eight colours that stand out from the background and from each other, even for colour-blind users. The two closest
// colours are as far apart as possible for normal vision, and for vision without green cones or without red cones.
const HEAD_COLOURS = {
  light: ["#00398b", "#e27600", "#0ca670", "#9a2c11", "#7283ff", "#b17cb6", "#200fcf", "#432439"],
  dark: ["#80aeff", "#c57212", "#65a86f", "#bf5a97", "#dafff2", "#ffdf35", "#7b66ff", "#d5f395"],
};
const DASHES = [[], [8, 4], [2, 4], [8, 3, 2, 3]]; // for heads 0 to 7, 8 to 15, 16 to 23, 24 to 31; then repeated

/** Return the colour and the dashes of a head; up to 32 heads all look different. */
export function headStyle(head, dark) {
  const colours = HEAD_COLOURS[dark ? "dark" : "light"];
  const around = Math.floor(head / colours.length) % DASHES.length;
  return { colour: colours[head % colours.length], dash: DASHES[around] };
}

const LEAST_LOOK = 0.03;
const MOST_LOOKS = 60; // how many weights of a head are drawn while the pointer is not on a token

/**
 * List the weights to draw, faintest first: { head, from, to, weight }. For one token (`way`: where it looks, or what
 * looks at it), list all weights that are large enough; without a token, list the strongest weights of each head.
 */
export function looksOf(patterns, token, way) {
  const found = patterns.flatMap(([head, pattern]) => {
    const look = ([from, to]) => ({ head, from, to, weight: weightAt(pattern, from, to) });
    if (token === null) return strongestPairs(pattern, MOST_LOOKS, 0.1 * pattern.scale).map(look);
    const weights = weightsOf(pattern, token, way);
    const others = strongest(weights, 200);
    return others
      .filter((t) => !(Math.abs(weights[t]) < LEAST_LOOK * pattern.scale))
      .map((t) => look(way === "from" ? [token, t] : [t, token]));
  });
  const size = ({ weight }) => (Number.isNaN(weight) ? 2 : Math.abs(weight));
  return found.sort((one, other) => size(one) - size(other));
}

/** Return the numbers of the heads that are drawn. */
export const visibleHeads = (heads, hidden) =>
  Array.from({ length: heads }, (_, head) => head).filter((head) => !hidden.includes(head));

/** Return the list of hidden heads after a head has been hidden or shown again. */
export const turned = (hidden, head) =>
  hidden.includes(head) ? hidden.filter((one) => one !== head) : [...hidden, head].sort((a, b) => a - b);

/** Make two columns of tokens with a line between them for each weight of each head, in the head's colour. */
export function layerPanel(ctx, side, width, height) {
  const top = 30;
  let patterns = [];
  let tokens = [];
  const room = () => ({ top, n: tokens.length });
  const columns = tokenColumns(ctx, { width, height, share: 0.28, room, classes: "llm-overlaid" });
  const { node, canvas, overlay, tall } = columns;

  function draw() {
    const { layer, hidden } = ctx.state;
    const text = ctx.text(side === "d" ? "a" : side);
    ({ tokens } = text);
    patterns = visibleHeads(text.heads, hidden).map((head) => [head, ctx.pattern(side, layer, head)]);
    Object.assign(canvas.style, { left: 0, top: `${top}px` });
    frame(node, overlay, width, top + tall() + 4);
    point();
  }

  function point() {
    const { palette } = ctx;
    const [focus, way] = [ctx.focus(), ctx.wayShown()];
    const looks = looksOf(patterns, focus, way);
    const ratio = sized(canvas, width, tall() + 4);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const spread = Math.min((tall() / tokens.length) * 0.7, 3.5 * patterns.length); // keeps the heads' lines apart
    for (const { head, from, to, weight } of looks) {
      const { colour, dash } = headStyle(head, palette.dark);
      const at = patterns.findIndex(([one]) => one === head);
      const shift = patterns.length > 1 ? spread * (at / (patterns.length - 1) - 0.5) : 0;
      const size = Number.isNaN(weight) ? 1 : Math.min(1, Math.abs(weight) / patterns[at][1].scale);
      context.strokeStyle = Number.isNaN(weight) ? palette.missing : colour;
      context.globalAlpha = (focus === null ? 0.6 : 1) * Math.max(0.25, Math.sqrt(size));
      context.lineWidth = 0.75 + 3.5 * size;
      context.setLineDash(dash);
      columns.line(context, from, to, shift);
    }
    const largest = looks.slice(-8).reverse();
    columns.label(tokens, { focus, way, strong: largest.map(({ from, to }) => (way === "from" ? to : from)) });
  }
  return { node, draw, point };
}

/** List the layer's heads with their colours. Users can hide heads, and see where each head looks most from a token. */
export function headsPanel(ctx, side) {
  const list = element("div", { class: "llm-heads", role: "group" });
  const tell = (hidden) => () => ctx.go({ hidden });
  const all = element("button", { type: "button" }, "Show all");
  const none = element("button", { type: "button" }, "Hide all");
  const node = element("div", { class: "llm-head-colours" }, list, element("div", { class: "llm-buttons" }, all, none));
  let buttons = [];
  list.addEventListener("click", (event) => {
    const head = buttons.findIndex(({ button }) => button.contains(event.target));
    if (head < 0) return;
    tabTo(nodes(), buttons[head].button); // Safari does not focus a clicked button
    ctx.go({ hidden: turned(ctx.state.hidden, head) });
    ctx.speak(`Head ${head} ${ctx.state.hidden.includes(head) ? "hidden" : "shown"}`);
  });
  const nodes = () => buttons.map(({ button }) => button);
  roving(list, nodes, (key, here) => stepEitherWay(key, here, buttons.length));
  all.addEventListener("click", () => tell([])());
  none.addEventListener("click", () => tell(buttons.map((_, head) => head))());
  function build(heads) {
    buttons = Array.from({ length: heads }, (_, head) => {
      const line = svg("line", { x1: 1, y1: 6, x2: 25, y2: 6, "stroke-width": 4 });
      const swatch = svg("svg", { width: 26, height: 12, "aria-hidden": "true" });
      const look = element("span", { "data-text": true });
      swatch.append(line);
      const button = element(
        "button",
        { type: "button", class: "llm-one-head" },
        swatch,
        element("span", { "data-text": true }, `head ${head}`),
        look,
      );
      return { button, line, look };
    });
    list.replaceChildren(...nodes());
    tabTo(nodes(), buttons[0]?.button);
  }

  function draw() {
    const { layer, hidden } = ctx.state;
    const { heads } = ctx.text("a");
    if (buttons.length !== heads) build(heads);
    list.setAttribute(
      "aria-label",
      `Heads in layer ${layer}. Arrow keys move between heads, Space shows or hides one.`,
    );
    [all.disabled, none.disabled] = [hidden.length === 0, hidden.length === heads];
    buttons.forEach(({ button, line }, head) => {
      const { colour, dash } = headStyle(head, ctx.palette.dark);
      line.setAttribute("stroke", colour);
      line.setAttribute("stroke-dasharray", dash.join(" "));
      button.setAttribute("aria-pressed", String(!hidden.includes(head)));
    });
    point();
  }

  /** Show, for the token that is pinned or under the pointer, which token each head connects with it most strongly. */
  function point() {
    const focus = ctx.focus();
    const { tokens } = ctx.text(side === "d" ? "a" : side);
    buttons.forEach(({ button, look }, head) => {
      const [pattern, name] = [focus === null ? null : ctx.pattern(side, ctx.state.layer, head), `Head ${head}`];
      const weights = pattern && weightsOf(pattern, focus, ctx.wayShown());
      const [most] = weights ? strongest(weights, 1) : [];
      const value = most === undefined ? "" : inWords(weights[most], pattern.signed);
      look.textContent = value ? `${isolated(shorten(visibleToken(tokens[most]), 9))} ${value}` : "";
      const said = ctx.wayShown() === "from" ? "looks most at" : "gets the most attention from";
      button.setAttribute("aria-label", value ? `${name}, ${said} ${spokenToken(tokens[most])}, ${value}` : name);
    });
  }
  return { node, draw, point };
}
