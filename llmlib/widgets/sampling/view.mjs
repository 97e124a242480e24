import { download, element, follow, followLooks, saveMenu, spokenToken } from "../shared/shared.mjs";
import { textBox, widget } from "../shared/view.mjs";
import { choice } from "../shared/controls.mjs";
import { surpriseColours } from "../shared/surprise.mjs";
import { treeAsJson, unpackTree } from "./data.mjs";
import { barsPanel, stagesPanel } from "./bars.mjs";
import { branchesPanel } from "./branches.mjs";
import { lanesPanel } from "./lanes.mjs";
import { steadyPress } from "./press.mjs";
import { settingsPanel } from "./settings.mjs";
import { textPart } from "./text.mjs";

// actions that stop automatic writing
const LEAVES = ["prompt", "back", "go", "again", "take", "follow", "add", "drop", "use", "clear"];
const NARROWEST = 720; // pixels: in a narrower view, the settings are above the bars
const TABS = [
  ["next", "Next token"],
  ["draws", "200 draws"],
  ["branches", "Branches"],
  ["lanes", "Side by side"],
];

export default widget("llm-sampling", ({ model, hub, el, still }) => {
  const place = model.get("place");
  const state = { tab: place.tab ?? "next", stage: place.stage ?? null };
  const page = String(performance.timeOrigin); // marks what this page writes; a page that was closed cannot go on
  let colour = null;
  let drawn = false;
  let unpacked = [null, null];
  let late = false;
  let shownAt = 0;

  // The values and functions that panels can use.
  const ctx = {
    word: (id) => model.get("words")[id] ?? "",
    prompt: () => model.get("prompt"),
    promptTokens: () => model.get("prompt_tokens"),
    context: () => model.get("context"),
    tokens: () => model.get("tokens"),
    stages: () => model.get("stages"),
    settings: () => model.get("settings"),
    banned: () => model.get("banned"),
    vocabulary: () => model.get("vocabulary"),
    draws: () => model.get("draws"),
    lanes: () => model.get("lanes"),
    at: () => model.get("at"),
    ended: () => model.get("ended"),
    bans: () => settings.more.open && hub.live,
    tree() {
      const packed = model.get("tree");
      if (unpacked[0] !== packed) unpacked = [packed, unpackTree(packed)];
      return unpacked[1];
    },
    colour: (logProb) => colour(logProb),
    /**
     * Return the number of the stage that is compared with the stage before it; null: compare the last with the first
     * stage.
     */
    stage() {
      const k = ctx.stages().findIndex(({ name }) => name === state.stage);
      return k > 0 ? k : null;
    },
    compared() {
      const stages = ctx.stages();
      const k = ctx.stage();
      return k === null ? [stages[0], stages.at(-1)] : [stages[k - 1], stages[k]];
    },
    live: hub.live,
    waiting: () => hub.waiting,
    act(kind, details) {
      // first go to the node that the bars belong to: the text may have grown since they were drawn
      if (kind === "take" && ctx.writing()) hub.act("go", { node: shownAt });
      if (LEAVES.includes(kind)) ctx.stop();
      const done = hub.act(kind, details);
      text.drawButtons();
      done.then(text.drawButtons);
      return done;
    },
    /** Return what is being written, in any view of this widget: "step", "race", or "". */
    writing: () => model.get("writing")?.kind ?? "",
    /**
     * Repeat the same action until a view stops the writing, the kernel is interrupted, or Python refuses.
     */
    async write(kind) {
      const by = `${page} ${Math.random()}`;
      const mine = () => model.get("writing").by === by;
      hub.look({ writing: { kind, by } });
      while (mine() && (await hub.act(kind, { run: by }))) {
        /* continue with the next action */
      }
      if (mine()) ctx.stop();
    },
    toggle(kind) {
      if (ctx.writing() === kind) ctx.stop();
      else ctx.write(kind);
    },
    stop() {
      if (ctx.writing()) hub.look({ writing: {} });
    },
    go(changes) {
      Object.assign(state, changes);
      hub.look({ place: { ...state } });
      draw();
    },
    redraw() {
      if (drawn) draw();
    },
    speak(words) {
      spoken.textContent = words;
    },
  };

  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const problem = element("p", { class: "llm-problem", role: "status" });
  const prompt = textBox({
    label: "Your prompt",
    button: "Use this prompt",
    use: (text) => ctx.act("prompt", { text }),
    used: () => model.get("prompt"),
  });
  const text = textPart(ctx);
  const bars = barsPanel(ctx);
  const stages = stagesPanel(ctx);
  const branches = branchesPanel(ctx);
  const lanes = lanesPanel(ctx);
  const settings = settingsPanel(ctx, hub, model);
  const tabs = element(
    "div",
    { class: "llm-row llm-tabs" },
    choice("What to look at", TABS, state.tab, (tab) => ctx.go({ tab })),
  );
  const json = element(
    "button",
    {
      type: "button",
      onclick: () =>
        download(
          "branches.json",
          JSON.stringify(treeAsJson(ctx.tree(), ctx.prompt(), model.get("words")), null, 1),
          "application/json",
        ),
    },
    "Tree (JSON)",
  );
  const menu = saveMenu(model, "sampling_lab");
  menu.append(json);
  const left = element("div", { class: "llm-left" }, bars.node, branches.node, lanes.node);
  const right = element("div", { class: "llm-right" }, settings.node, stages.node);
  const board = element("div", { class: "llm-board" }, left, right);
  const lead = element(
    "p",
    { class: "llm-note llm-lead" },
    "The model gives every token a probability, settings change the probabilities, and chance picks a token. ",
    hub.live
      ? "Change a setting and watch the bars, or click a token to choose it."
      : "This page has no model, but you can look around in the tabs.",
  );
  el.append(
    element("div", { class: "llm-row llm-head" }, lead, menu),
    still ? "" : prompt.node,
    hub.line,
    text.node,
    problem,
    tabs,
    board,
    spoken,
  );

  const press = steadyPress(el, "button, .llm-token", () => {
    if (late) draw();
  });
  function draw() {
    late = press.held;
    if (late) return;
    shownAt = ctx.at();
    el.classList.toggle("llm-writing", Boolean(ctx.writing()));
    const { tab } = state;
    const width = el.clientWidth;
    const beside = width >= NARROWEST;
    const home = beside ? right : board;
    board.classList.toggle("llm-beside", beside);
    if (settings.node.parentNode !== home) {
      // if there is no space beside the bars, put the settings above the bars, and “More settings” below them
      home.prepend(settings.node);
      if (beside) settings.node.append(settings.more);
      else left.after(settings.more);
    }
    for (const input of tabs.querySelectorAll("input")) input.checked = input.value === tab;
    const counted = [...tabs.querySelectorAll("span")].find((one) => one.textContent.startsWith("Branches"));
    const tree = ctx.tree();
    const ends = tree.n - new Set(tree.parents).size + 1;
    if (counted) counted.textContent = tree.n > 1 ? `Branches (${ends})` : "Branches";
    problem.textContent = model.get("problem");
    text.draw();
    settings.draw();
    stages.draw();
    bars.node.hidden = tab !== "next" && tab !== "draws";
    branches.node.hidden = tab !== "branches";
    lanes.node.hidden = tab !== "lanes";
    stages.node.hidden ||= tab !== "next" && tab !== "draws";
    if (!bars.node.hidden) bars.draw(tab === "draws");
    if (tab === "branches") branches.draw();
    if (tab === "lanes") lanes.draw();
  }

  const refresh = () => {
    prompt.follow();
    if (drawn) draw();
    performance.mark("llm-sampling-updated");
  };
  const moved = () => {
    // `place` has changed in another view of the same widget
    const now = model.get("place");
    const target = { tab: now.tab ?? state.tab, stage: now.stage ?? null };
    if (target.tab === state.tab && target.stage === state.stage) return;
    Object.assign(state, target);
    if (drawn) draw();
  };
  const grown = () => {
    const at = ctx.at();
    if (drawn && at) ctx.speak(`Now at ${spokenToken(ctx.word(ctx.tree().ids[at]))}`);
  };
  const names = [
    "prompt",
    "tree",
    "words",
    "at",
    "problem",
    "settings",
    "seed",
    "banned",
    "pattern",
    "tokens",
    "stages",
    "draws",
    "lanes",
    "writing",
  ];
  const stops = [follow(model, names, refresh), follow(model, ["place"], moved), follow(model, ["at"], grown)];
  stops.push(
    followLooks(el, () => {
      colour = surpriseColours(el);
      draw();
      if (!drawn) performance.mark("llm-sampling-drawn");
      drawn = true;
    }),
  );
  if (ctx.writing() && !model.get("writing").by.startsWith(page)) ctx.stop();
  return [...stops, press.stop];
});
