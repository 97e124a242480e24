import { ownText } from "../shared/drafts.mjs";
import {
  element,
  follow,
  followLooks,
  oncePerFrame,
  saveMenu,
  spokenToken,
  visibleToken,
  wellFormed,
} from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";
import { choice, renew, textPanel } from "../shared/controls.mjs";
import { paletteOf, pictureOf, rampOf, shades } from "../shared/canvas.mjs";
import { answerId, MEASURES, unpack, unpackPinned } from "./data.mjs";
import { gridPanel } from "./grid.mjs";
import { cellPanel, whoPanel } from "./detail.mjs";

const ASIDE = 312;
const NARROWEST = 700; // pixels: in a view narrower than NARROWEST, the panel is under the grid

export default widget("llm-logit-lens", ({ model, hub, el }) => {
  const place = model.get("place");
  const state = {
    locked:
      "layer" in place && "position" in place
        ? { side: place.side ?? "a", layer: place.layer, position: place.position }
        : null,
    pointed: null,
    measure: place.measure ?? "probability",
    show: place.show ?? "both",
    heads: place.heads ?? "each",
    sort: place.sort ?? "size",
  };
  let loaded = [];
  let panels = [];
  let level = "";
  let drawn = false;
  let asked = "";
  let colours = [];
  const pointLater = oncePerFrame(() => {
    for (const panel of [...panels, ...cells]) (panel.point ?? panel.draw)();
  });

  // The values and functions that panels can use.
  const ctx = {
    state,
    sides: {},
    palette: null,
    font: "12px monospace",
    measure: () => (state.measure === "pinned" && !ctx.sides.a.pinned ? "probability" : state.measure),
    shade: (t) => colours[Math.max(0, Math.min(255, Math.round(255 * (t || 0))))],
    spoken: (token) => spokenToken(token),
    pinnedId: () => model.get("pinned").id ?? null,
    pinnedToken: () => model.get("pinned").token,
    who: () => model.get("who"),
    whoValues: () => model.get("who_values"),
    canAsk: () => hub.live && !hub.gone,
    shownSides: () => (ctx.sides.b ? (state.show === "both" ? ["a", "b"] : [state.show]) : ["a"]),
    /** Return the cell that is pointed at, or else the pinned cell, or else the model's last answer. */
    focus() {
      const shown = ctx.shownSides();
      const one = state.pointed ?? state.locked;
      if (one) return one;
      const side = ctx.sides[shown[0]];
      return { side: shown[0], layer: side.layers - 1, position: side.n - 1 };
    },
    linked: () => Boolean(ctx.sides.b),
    differs: (which, layer, position) =>
      which === "b" &&
      ctx.measure() === "probability" &&
      state.show === "both" &&
      ctx.sides.a.n === ctx.sides.b.n &&
      ctx.sides.a.layers === ctx.sides.b.layers &&
      ctx.sides.a.top[(layer * ctx.sides.a.n + position) * ctx.sides.a.k] !==
        ctx.sides.b.top[(layer * ctx.sides.b.n + position) * ctx.sides.b.k],
    point(to) {
      const { pointed } = state;
      if (pointed?.side === to?.side && pointed?.layer === to?.layer && pointed?.position === to?.position) return;
      state.pointed = to;
      pointLater();
    },
    lock(to) {
      const same =
        to &&
        state.locked &&
        to.side === state.locked.side &&
        to.layer === state.locked.layer &&
        to.position === state.locked.position;
      ctx.go({ locked: same ? null : to });
      ctx.speak(!to || same ? "No cell pinned" : `Cell pinned: ${spokenToken(ctx.sides[to.side].tokens[to.position])}`);
    },
    /** Scroll the other run to the same position in its text. */
    scrolled(from, position) {
      for (const panel of panels) if (panel !== from) panel.scrollTo(position);
    },
    /**
     * Pin a token, given as `{ id }` or `{ token }`, and show its rank everywhere. The `id` of the pinned token, or
     * `{}`, unpins the token.
     */
    async pin(what) {
      const same = what.id !== undefined && what.id === ctx.pinnedId();
      if ((await hub.act("pin", same ? {} : what)) && !same && Object.keys(what).length) ctx.go({ measure: "pinned" });
    },
    go(changes) {
      Object.assign(state, changes);
      remember();
      draw();
    },
    speak(words) {
      spoken.textContent = words;
    },
  };

  const tools = element("div", { class: "llm-row llm-tools" });
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const grids = element("div", { class: "llm-grids" });
  const legend = element("div", { class: "llm-legend" });
  /** Return the cell to describe for a side, or null. If two runs are shown, both sides describe the same cell. */
  const placeIn = (side) =>
    ctx.shownSides().length > 1 ? { ...ctx.focus(), side } : side === "a" ? ctx.focus() : null;
  const cells = [
    cellPanel(ctx, () => placeIn("a"), "This cell"),
    cellPanel(ctx, () => placeIn("b"), "The same cell in the other run"),
  ];
  const who = whoPanel(ctx);
  const texting = hub.live ? textPanel(hub, model) : null;
  const aside = element("div", { class: "llm-aside" }, ...cells.map(({ node }) => node), who.node);
  const picture = element("div", { class: "llm-scene" }, element("div", { class: "llm-left" }, grids, legend), aside);
  const menu = saveMenu(model, "logit_lens", () => pictureOf(picture, ctx.palette.paper));
  const lead = element(
    "p",
    { class: "llm-note llm-lead" },
    "Each cell shows the token the model would choose next if it stopped after that layer. ",
    "The stronger the colour, the more certain the model. Point at a cell to read it; click a cell to pin it.",
  );
  const pinBox = element("input", {
    type: "text",
    size: 12,
    "aria-label": "Token to pin",
    placeholder: "a token, such as Paris",
    dir: "auto",
    "data-acts": true,
  });
  ownText(pinBox, (text) => text === (ctx.pinnedToken() ?? ""));
  const pinning = element(
    "form",
    { class: "llm-pin" },
    pinBox,
    element("button", { type: "submit", "data-acts": true }, "Pin"),
  );
  const unpin = element("button", { type: "button", "data-acts": true, onclick: () => ctx.pin({}) });
  pinning.addEventListener("submit", (event) => {
    event.preventDefault();
    if (pinBox.value) ctx.pin({ token: wellFormed(pinBox.value) });
  });
  el.append(
    texting?.node ?? "",
    hub.line,
    element("div", { class: "llm-row llm-head" }, lead, menu),
    element("div", { class: "llm-row llm-bar-of-tools" }, tools, hub.live ? pinning : "", unpin),
    picture,
    spoken,
  );

  function remember() {
    const { locked, measure, show, heads, sort } = state;
    hub.look({ place: { ...locked, measure, show, heads, sort } });
  }

  function drawTools() {
    const options = Object.entries(MEASURES)
      .filter(([name]) => name !== "pinned" || ctx.sides.a.pinned)
      .map(([name, { words }]) => [name, words]);
    const parts = [choice("What the cells show", options, ctx.measure(), (measure) => ctx.go({ measure }))];
    if (ctx.sides.b)
      parts.push(
        choice(
          "Which run",
          [
            ["a", ctx.sides.a.title],
            ["b", ctx.sides.b.title],
            ["both", "side by side"],
          ],
          state.show,
          (show) => ctx.go({ show }),
        ),
      );
    renew(tools, parts);
    const pinned = ctx.pinnedToken();
    unpin.hidden = pinned === undefined;
    unpin.replaceChildren("Unpin ", element("code", {}, element("bdi", {}, visibleToken(pinned ?? ""))));
  }

  function drawLegend() {
    const one = ctx.sides[ctx.shownSides()[0]];
    const measure = ctx.measure();
    const { scale, ticks } = MEASURES[measure];
    const marks = ticks ?? [0, 0.25, 0.5, 0.75, 1].map((t) => [t, (t * one.most).toFixed(1)]);
    const ramp = element("span", {
      class: "llm-ramp",
      style: `background: ${rampOf([0, 64, 128, 191, 255].map((k) => colours[k].fill))}`,
    });
    const differing =
      measure === "probability" && ctx.shownSides().length > 1 && ctx.sides.a.n === ctx.sides.b.n
        ? [element("span", { class: "llm-differs", "data-text": true }, "first choice differs from the left grid’s")]
        : [];
    legend.replaceChildren(
      element("span", { "data-text": true }, scale),
      element(
        "span",
        { class: "llm-scale" },
        ramp,
        element(
          "span",
          { class: "llm-ticks" },
          ...marks.map(([t, words]) => element("span", { style: `left: ${100 * t}%`, "data-text": true }, words)),
        ),
      ),
      ...differing,
    );
  }

  function build(shown) {
    if (level === String(shown)) return;
    level = String(shown);
    const held = grids.contains(document.activeElement);
    panels.forEach((panel) => panel.stop());
    panels = shown.map((which) => gridPanel(ctx, which));
    grids.replaceChildren(...panels.map((panel) => panel.node));
    if (held) panels[0].canvas.focus({ preventScroll: true });
  }

  function draw() {
    settle();
    const shown = ctx.shownSides();
    const width = Math.min(el.clientWidth - 8, 944);
    const beside = width >= NARROWEST && shown.length === 1;
    el.dataset.tokens = ctx.sides.a.n;
    build(shown);
    picture.classList.toggle("llm-beside", beside);
    const room = beside ? width - ASIDE - 18 : shown.length > 1 && width >= NARROWEST ? (width - 16) / 2 : width;
    for (const panel of panels) panel.draw(room);
    drawTools();
    drawLegend();
    for (const cell of cells) cell.draw();
    who.draw();
    texting?.draw();
    ask();
  }

  /** Ask what contributed to the logit at the pinned cell's position, unless this is shown or was asked last. */
  function ask() {
    const { locked } = state;
    if (!locked || !ctx.canAsk()) return;
    const side = ctx.sides[locked.side];
    const credit = model.get("who");
    const id = ctx.pinnedId() ?? answerId(side, locked.position);
    const wanted = JSON.stringify([locked.side, locked.position, id, side.tokens]);
    const isShown = credit.side === locked.side && credit.position === locked.position && credit.id === id;
    if (isShown || asked === wanted) return;
    asked = wanted;
    hub.act("who", { side: locked.side, position: locked.position }, { latest: "who" });
  }

  /** Replace or drop every choice that the current data do not allow. */
  function settle() {
    for (const name of ["locked", "pointed"]) {
      const one = state[name];
      const side = one && ctx.sides[one.side];
      if (one && (!side || one.layer >= side.layers || one.position >= side.n)) state[name] = null;
    }
    if (!ctx.sides.b) state.show = "both";
    const shown = ctx.shownSides();
    for (const name of ["locked", "pointed"])
      if (state[name] && !shown.includes(state[name].side))
        state[name] =
          ctx.sides[shown[0]].n > state[name].position && ctx.sides[shown[0]].layers > state[name].layer
            ? { ...state[name], side: shown[0] }
            : null;
  }

  function load() {
    const sources = ["a", "a_cells", "a_pinned", "b", "b_cells", "b_pinned"].map((name) => model.get(name));
    if (sources.every((source, k) => source === loaded[k])) return;
    loaded = sources;
    asked = "";
    ctx.sides = {};
    for (const [k, which] of ["a", "b"].entries()) {
      const [meta, codes, pinned] = sources.slice(3 * k, 3 * k + 3);
      if (!meta.tokens) continue;
      const side = unpack(meta, codes);
      ctx.sides[which] = {
        ...side,
        pinned: model.get("pinned").token === undefined ? null : unpackPinned(pinned, side.layers * side.n),
      };
    }
  }

  const refresh = () => {
    load();
    if (drawn) draw();
    performance.mark("llm-logit-lens-updated");
  };
  const moved = () => {
    // `place` has changed in another view of the same widget
    const now = model.get("place");
    const locked = "layer" in now ? { side: now.side ?? "a", layer: now.layer, position: now.position } : null;
    const target = {
      measure: now.measure ?? state.measure,
      show: now.show ?? state.show,
      heads: now.heads ?? state.heads,
      sort: now.sort ?? state.sort,
    };
    if (
      JSON.stringify(locked) === JSON.stringify(state.locked) &&
      Object.entries(target).every(([name, value]) => state[name] === value)
    )
      return;
    Object.assign(state, target, { locked });
    if (drawn) draw();
  };
  const names = [
    "a",
    "a_cells",
    "a_pinned",
    "b",
    "b_cells",
    "b_pinned",
    "pinned",
    "who",
    "who_values",
    "text",
    "text_b",
  ];
  const stops = [follow(model, names, refresh), follow(model, ["place"], moved)];
  stops.push(
    followLooks(el, () => {
      const style = getComputedStyle(el);
      const named = (name) => style.getPropertyValue(name).trim();
      ctx.palette = { ...paletteOf(el), warm: named("--llm-warm"), line: named("--llm-line") };
      const { fontFamily } = getComputedStyle(pinBox);
      ctx.font = `12px ${fontFamily.includes("mono") ? fontFamily : "ui-monospace, monospace"}`;
      colours = shades(ctx.palette.stops.false);
      draw();
      if (!drawn) performance.mark("llm-logit-lens-drawn");
      drawn = true;
    }),
  );
  return [
    ...stops,
    () => {
      pointLater.stop();
      panels.forEach((panel) => panel.stop());
    },
  ];
});
