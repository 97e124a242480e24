import { element, follow, followLooks, oncePerFrame, saveMenu, shorten } from "../shared/shared.mjs";
import { paletteOf, pictureOf } from "../shared/canvas.mjs";
import { widget } from "../shared/view.mjs";
import {
  ASPECT,
  cameraNumbers,
  countKinds,
  drawingOrder,
  revealed,
  soundCamera,
  startCamera,
  unpackCloud,
  zoomed,
} from "./data.mjs";
import { plotPanel } from "./paint.mjs";
import { analogyPanel, legendPanel, searchPanel, switchOf, tokenPanel } from "./panels.mjs";
import { steer } from "./steering.mjs";

const NEAR_CAUTION = [
  "t-SNE keeps neighbours together; the sizes of groups, and the distances and gaps between them, mean little",
  "(van der Maaten and Hinton, 2008; Wattenberg et al., 2016).",
  "Rings mark tokens placed next to their nearest neighbour.",
].join(" ");
const HELP = [
  "Drag to move the map. In 3-D, drag to rotate the map, and Shift-drag to move it.",
  "Zoom with + and −, or with the mouse wheel: click the map first, or hold Ctrl.",
  "The arrow keys do the same as dragging.",
  "Enter pins the token in the middle, and Escape unpins it; 0 shows the whole map.",
].join(" ");

export default widget("llm-embeddings", ({ model, hub, el }) => {
  const get = (name) => model.get(name);
  const { live } = hub;
  const kindNames = get("kind_names");
  const maps = {};
  const makeMap = (points, drawn) => {
    const made = unpackCloud(points, get("labels"), get("ends"), get("kinds"), drawn);
    const some = countKinds(made.kinds, kindNames.length);
    return { cloud: made, counts: some, order: drawingOrder(made.kinds, some) };
  };
  const hasNear = () => get("near").byteLength > 0;
  /**
   * Return the map of a mode (2, 3 or "near"): its cloud, how many points of each kind it has, and the drawing order.
   */
  const mapOf = (way) =>
    way === "near" ? (maps.near ??= makeMap(get("near"), get("n_near"))) : (maps.pca ??= makeMap(get("points")));
  const { cloud } = mapOf(2);
  const id = `llm-${Math.random().toString(36).slice(2)}`;
  const starts = {};
  const state = {
    way: 2,
    camera: null,
    overlay: "neighbours",
    hidden: new Set(),
    by: "cosine",
    pointed: -1,
    aiming: false,
    found: [],
  };
  let saving = 0;
  let loaded = false;
  let lastPlace = null;
  const later = oncePerFrame(() => loaded && paint());
  const firstOverlay = () => (get("chosen") >= 0 || !get("analogy").rows ? "neighbours" : "analogy");

  const ctx = {
    state,
    live,
    kindNames,
    palette: null,
    helpId: `${id}-help`,
    get chosen() {
      return get("chosen");
    },
    get overlay() {
      return state.overlay;
    },
    map: () => mapOf(state.way),
    start: (way = state.way) => (starts[way] ??= startCamera(mapOf(way).cloud, way === 3 ? 3 : 2)),
    showAll() {
      if (kindNames.every((_, kind) => state.hidden.has(kind) || !ctx.map().counts[kind])) state.hidden.clear();
      reset();
      update();
    },
    shortLabel: (row) => shorten(cloud.label(row), 24),
    kindOf: (row) => kindNames[cloud.kinds[row]],
    notice: () => get("notice"),
    neighbours: () => (get("neighbours").of === get("chosen") ? get("neighbours") : null),
    known: () => get("neighbours").of ?? -1,
    nearRows: () => (state.overlay === "neighbours" && ctx.neighbours()?.[state.by].map(([row]) => row)) || [],
    analogy: () => (get("analogy").rows ? get("analogy") : null),
    arrows() {
      const analogy = ctx.analogy();
      if (!analogy || state.overlay !== "analogy") return [];
      const [a, b, c] = analogy.rows;
      return [[a, b], ...analogy.answers.slice(0, 1).map(([row]) => [c, row])];
    },
    found: () => state.found,
    find(rows) {
      state.found = rows;
      later();
    },
    point(row) {
      if (row !== state.pointed) {
        state.pointed = row;
        later();
      }
    },
    choose(row, reveal = false) {
      if (row >= 0 && reveal) look(revealed(state.camera, (plot.project(), plot.at(row)), ...plot.size()));
      // the element that has the focus is about to be hidden
      if (analogy.node.contains(document.activeElement)) overlays.buttons[0].focus();
      state.overlay = "neighbours";
      hub.look({ chosen: row });
      remember();
      ctx.speak(row < 0 ? "No token is pinned" : `Pinned: ${cloud.spoken(row)}`);
      if (row >= 0 && !ctx.neighbours()) hub.act("neighbours", { row }, { latest: "neighbours" });
      update();
    },
    measureBy(by) {
      state.by = by;
      remember();
      update();
    },
    toggleKind(kind) {
      if (!state.hidden.delete(kind)) state.hidden.add(kind);
      remember();
      update();
    },
    async findAnalogy(rows) {
      if ((await hub.act("analogy", { rows })) && rows.length) ctx.lay("analogy");
    },
    lay(overlay) {
      state.overlay = overlay;
      remember();
      update();
    },
    speak(words) {
      spoken.textContent = words;
    },
  };

  const plot = plotPanel(ctx);
  const legend = legendPanel(ctx);
  const search = searchPanel(ctx, cloud, `${id}-found`);
  const token = tokenPanel(ctx, cloud);
  const analogy = analogyPanel(ctx, cloud);
  const reading = element("p", { class: "llm-reading llm-note" });
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const lead = element(
    "p",
    { class: "llm-lead" },
    "Each point is a token. Click a token, or search for one, to see which tokens have similar vectors.",
  );
  const ways = [
    [2, "2-D"],
    ...(get("dims") === 3 ? [[3, "3-D"]] : []),
    ...(live || hasNear() ? [["near", "t-SNE"]] : []),
  ];
  const dims = switchOf("Map", ways, async (to) => {
    if (to === "near" && !hasNear() && !(await hub.act("map"))) return; // the status line says why
    state.way = to;
    look({ ...ctx.start() }, true);
  });
  const nearButton = ways.at(-1)[0] === "near" ? dims.buttons.at(-1) : null;
  nearButton?.setAttribute(
    "title",
    "A map that keeps neighbours together. Python computes it once, in about half a minute.",
  );
  const overlays = switchOf(
    "On the map",
    [
      ["neighbours", "Neighbours"],
      ["analogy", "Analogy"],
    ],
    (to) => ctx.lay(to),
  );
  const middle = () => plot.size().map((v) => v / 2);
  /** Return the position of the chosen token if it is on the screen, or else the middle. */
  const focus = () => {
    const [width, height] = plot.size();
    const [x, y] = ctx.chosen < 0 ? [-1, -1] : (plot.project(), plot.at(ctx.chosen));
    return x >= 0 && y >= 0 && x < width && y < height ? [x, y] : middle();
  };
  const zoom = (factor, place = middle()) => look(zoomed(state.camera, factor, ...place, ...plot.size()));
  const button = (label, title, action) =>
    element(
      "button",
      { type: "button", "aria-label": label, title, onclick: action },
      { "Zoom in": "+", "Zoom out": "−" }[label] ?? label,
    );
  const picture = element("div", { class: "llm-scene" }, plot.node, legend.node);
  const column = element("div", {}, picture, reading);
  el.append(
    lead,
    element(
      "div",
      { class: "llm-row llm-tools" },
      search.node,
      ways.length > 1 ? dims.node : "",
      element(
        "span",
        { class: "llm-buttons" },
        button("Zoom in", "Zoom in (+)", () => zoom(1.5, focus())),
        button("Zoom out", "Zoom out (−)", () => zoom(1 / 1.5, focus())),
        button("Reset view", "Show the whole map (0)", () => reset()),
      ),
      saveMenu(model, "embeddings", () => {
        plot.paint();
        return pictureOf(picture, ctx.palette.paper);
      }),
    ),
    hub.line,
    element(
      "div",
      { class: "llm-body" },
      column,
      element("div", { class: "llm-side" }, overlays.node, token.node, analogy.node),
    ),
    element("p", { class: "llm-note", id: ctx.helpId }, HELP),
    spoken,
  );

  const reset = () => look({ ...ctx.start() });

  /** Move the camera: redraw soon, and tell Python when the camera has stopped. */
  function look(camera, another = false) {
    state.camera = camera;
    if (another) {
      state.pointed = -1;
      dims.draw(state.way);
      update();
    }
    later();
    clearTimeout(saving);
    saving = setTimeout(remember, 300);
  }

  function remember() {
    clearTimeout(saving);
    const start = ctx.start();
    const place = { dims: state.camera.dims };
    if (state.way === "near") place.map = "near";
    if (state.overlay !== firstOverlay()) place.overlay = state.overlay;
    if (String(cameraNumbers(state.camera)) !== String(cameraNumbers(start)))
      place.camera = cameraNumbers(state.camera);
    if (state.hidden.size) place.hidden = [...state.hidden].sort((a, b) => a - b);
    if (state.by !== "cosine") place.by = state.by;
    lastPlace = JSON.stringify(place);
    hub.look({ place });
  }

  function recall() {
    const place = get("place");
    if (JSON.stringify(place) === lastPlace) return; // this view made this change
    const to = place.map === "near" && hasNear() ? "near" : place.dims === 3 && get("dims") === 3 ? 3 : 2;
    Object.assign(state, {
      way: to,
      overlay: place.overlay ?? firstOverlay(),
      hidden: new Set(place.hidden ?? []),
      by: place.by ?? "cosine",
      camera: soundCamera(place.camera, ctx.start(to)),
    });
    dims.draw(to);
    if (loaded) update();
  }

  function paint() {
    plot.paint();
    const now = ctx.map();
    const count = now.counts.reduce((sum, some, kind) => sum + (state.hidden.has(kind) ? 0 : some), 0);
    const tokens = `${count.toLocaleString("en")} of ${cloud.n.toLocaleString("en")} tokens`;
    const shares = get("shares").slice(0, state.camera.dims);
    const share = shares.reduce((a, b) => a + b, 0);
    const shown = `these ${state.camera.dims} directions capture ${(100 * share).toFixed(1)}% of the variance`;
    const said = shares.length ? `${tokens} · ${shown}; the rest cannot be seen here` : tokens;
    const words = state.way === "near" ? `${tokens}. ${NEAR_CAUTION}` : said;
    if (reading.textContent !== words) reading.textContent = words;
  }

  function update() {
    if (!loaded) return;
    if (nearButton) nearButton.toggleAttribute("data-acts", !hasNear());
    overlays.draw(state.overlay);
    token.node.hidden = state.overlay !== "neighbours";
    analogy.node.hidden = state.overlay !== "analogy";
    token.draw();
    analogy.draw();
    legend.draw();
    later();
  }

  steer(ctx, cloud, plot, { look, zoom, reset, middle, redraw: later });

  recall();
  const stopLooking = followLooks(el, (width) => {
    ctx.palette = paletteOf(el);
    el.classList.toggle("llm-narrow", width < 728);
    const room = column.clientWidth; // the width that the layout leaves for the map
    plot.resize(room, Math.max(260, Math.round(room / ASPECT)));
    const first = !loaded;
    loaded = true;
    paint();
    update();
    if (first) performance.mark("llm-embeddings-drawn");
  });
  return [
    stopLooking,
    follow(model, ["place"], recall),
    follow(model, ["chosen", "neighbours", "analogy", "notice"], update),
    follow(model, ["near"], () => {
      delete maps.near;
      delete starts.near;
    }),
    () => {
      later.stop();
      clearTimeout(saving);
    },
  ];
});
