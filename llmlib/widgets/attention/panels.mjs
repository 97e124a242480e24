// Panels around the picture of a head: the text, a list of which token looks where, and a legend.

import { roving, stepEitherWay, tabTo } from "../shared/keys.mjs";
import { direction, element, inReadingOrder, shorten, spokenToken, visibleToken } from "../shared/shared.mjs";
import { encode, inWords, strongest, weightAt, weightsOf } from "./data.mjs";
import { rampOf } from "../shared/canvas.mjs";
import { colourNames } from "./paint.mjs";

/**
 * Show the text. With `shaded`, shade each token by the attention between it and the token that is pointed at or
 * pinned.
 */
export function stripPanel(ctx, shaded = true) {
  const node = element("div", {
    class: "llm-strip",
    role: "listbox",
    "aria-label": "The text. Arrow keys move between tokens, Enter pins one.",
    "aria-orientation": "horizontal",
  });
  let spans = [];
  let made = null;
  let colours = {};
  let codes = [];
  const tokens = () => ctx.text(ctx.sideShown() === "d" ? "a" : ctx.sideShown()).tokens;
  const index = (event) => spans.indexOf(event.target.closest("[role=option]"));
  node.addEventListener("pointerover", (event) => {
    const t = index(event);
    if (t >= 0) ctx.previewToken(t);
  });
  node.addEventListener("pointerleave", () => ctx.previewToken(null));
  node.addEventListener("click", (event) => {
    const t = index(event);
    if (t >= 0) ctx.lock(t);
  });
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    ctx.lock(index(event));
  });
  roving(
    node,
    () => spans,
    (key, here) => stepEitherWay(key, here, spans.length),
    (to) => ctx.previewToken(to, undefined, true),
  );
  node.addEventListener("focusin", (event) => {
    // add the weight to a token's label only when this token gets the focus, not to all labels at every move
    const t = index(event);
    const focus = ctx.focus();
    if (t < 0 || focus === null || !shaded) return;
    const pattern = ctx.pattern(ctx.sideShown(), ctx.state.layer, ctx.state.head);
    const [i, j] = ctx.wayShown() === "from" ? [focus, t] : [t, focus];
    spans[t].setAttribute(
      "aria-label",
      `${spokenToken(tokens()[t])}, ${inWords(weightAt(pattern, i, j), pattern.signed)}`,
    );
  });

  function draw() {
    const wanted = tokens().join("\u0000");
    if (wanted !== made) {
      made = wanted;
      spans = tokens().map((token) =>
        element(
          "span",
          {
            role: "option",
            dir: direction(token),
            "data-text": true,
            "aria-label": spokenToken(token),
          },
          visibleToken(token),
        ),
      );
      tabTo(spans, spans[0]);
      node.replaceChildren();
      inReadingOrder(node, tokens(), spans);
    }
    spans.forEach((span, t) => span.setAttribute("aria-selected", String(t === ctx.state.token)));
    colours = colourNames(ctx.palette);
    codes = [];
    point();
  }

  function point() {
    const focus = ctx.focus();
    const pattern = ctx.pattern(ctx.sideShown(), ctx.state.layer, ctx.state.head);
    const isShaded = shaded && focus !== null;
    const named = colours[pattern.signed];
    const weights = isShaded ? weightsOf(pattern, focus, ctx.wayShown()) : null;
    spans.forEach((span, t) => {
      const code = weights ? encode(weights[t], pattern.scale, pattern.signed) + 1 : 0;
      if (code === codes[t]) return; // most tokens of a long text stay as they are
      codes[t] = code;
      [span.style.background, span.style.color] = named[code];
    });
    node.querySelector(".llm-focus")?.classList.remove("llm-focus");
    if (focus !== null) spans[focus]?.classList.add("llm-focus");
  }
  return { node, draw, point };
}

/**
 * List which token looks where, in words and bars, with `most` lines per list: one list for a token under the pointer,
 * two lists (one per direction) for a pinned token, or one list per text if both texts are shown.
 */
export function detailPanel(ctx, most = 6) {
  const node = element("div", { class: "llm-detail" });
  node.style.setProperty("--lines", most);
  function list(way, focus, side) {
    const pattern = ctx.pattern(side, ctx.state.layer, ctx.state.head);
    const { tokens } = ctx.text(side === "d" ? "a" : side);
    if (focus >= tokens.length) return "";
    const weights = weightsOf(pattern, focus, way);
    const token = shorten(visibleToken(tokens[focus]), 16);
    const items = strongest(weights, most).map((t) => {
      const weight = weights[t];
      const size = Number.isNaN(weight) ? 1 : Math.abs(weight) / pattern.scale;
      const { palette } = ctx;
      const bar = element("span", { class: "llm-bar" });
      bar.style.width = `${100 * Math.min(1, size)}%`;
      bar.style.background = Number.isNaN(weight) ? palette.missing : weight < 0 ? palette.less : palette.accent;
      return element(
        "li",
        {},
        element("code", { "data-text": true }, shorten(visibleToken(tokens[t]), 16)),
        element("span", { class: "llm-where" }, String(t)),
        element("span", { class: "llm-track" }, bar),
        element("span", { class: "llm-value", "data-text": true }, inWords(weight, pattern.signed)),
      );
    });
    const where = ctx.state.show === "both" ? `${ctx.text(side).title}: ` : "";
    const words = way === "from" ? `${token} looks at` : `${where ? "what" : "What"} looks at ${token}`;
    return element("section", {}, element("h4", { "data-text": true }, where + words), element("ol", {}, ...items));
  }
  function draw() {
    const focus = ctx.focus();
    const way = ctx.wayShown();
    const both = ctx.state.show === "both";
    const hint = "Point at a token to see where it looks. Click a token, or press Enter, to pin it.";
    if (focus === null) node.replaceChildren(element("p", { class: "llm-note" }, hint));
    else if (both) node.replaceChildren(list(way, focus, "a"), list(way, focus, "b"));
    else {
      const ways = ctx.state.token !== null ? ["from", "to"] : [way];
      node.replaceChildren(...ways.map((each) => list(each, focus, ctx.sideShown())));
    }
  }
  return { node, draw, point: draw };
}

/** Show what the colours mean. */
export function legendPanel(ctx) {
  const node = element("div", { class: "llm-legend" });
  function scale(signed) {
    const bar = element("span", { class: "llm-ramp" });
    const text = ctx.text("a");
    const { state } = ctx;
    const most = signed
      ? Math.round(
          1000 * ctx.pattern("d", state.layer ?? state.previewed.layer, state.head ?? state.previewed.head).scale,
        ) / 10
      : 0;
    bar.style.background = rampOf(ctx.palette.stops[signed]);
    const ticks = signed
      ? [
          [0, `−${most}`],
          [0.25, `−${most / 4}`],
          [0.5, "0"],
          [0.75, `+${most / 4}`],
          [1, `+${most}`],
        ]
      : [
          [0, "0"],
          [0.1, "1%"],
          [Math.sqrt(0.1), "10%"],
          [0.5, "25%"],
          [Math.SQRT1_2, "50%"],
          [1, "100%"],
        ];
    const marks =
      signed || text.scale === 1
        ? ticks
        : [
            [0, "0"],
            [1, text.scale.toPrecision(3)],
          ];
    const words = signed
      ? `change in points, scaled to ${state.layer === null ? "all heads" : "this head"}`
      : "attention";
    return element(
      "span",
      { class: "llm-scale" },
      bar,
      element(
        "span",
        { class: "llm-ticks" },
        ...marks.map(([at, label]) => {
          const tick = element("span", { "data-text": true }, label);
          tick.style.left = `${100 * at}%`;
          return tick;
        }),
      ),
      element("span", { "data-text": true, class: "llm-unit" }, words),
    );
  }
  function draw() {
    const { show } = ctx.state;
    const missing = element("span", { class: "llm-missing" }, "not a number");
    missing.style.setProperty("--swatch", ctx.palette.missing);
    const scales = [
      ...(show !== "difference" ? [scale(false)] : []),
      ...(show === "difference" || (show === "both" && ctx.comparable()) ? [scale(true)] : []),
    ];
    node.replaceChildren(...scales, ...(ctx.hasMissing() ? [missing] : []));
  }
  return { node, draw, point() {} };
}
