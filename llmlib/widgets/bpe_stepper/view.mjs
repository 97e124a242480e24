import { characters, direction, element, follow, hex, inReadingOrder, isolated, runs, saveMenu, tokenLabel } from "../shared/shared.mjs";
import { textBox, widget } from "../shared/view.mjs";

/** The bytes of each id: 0 to 255 are the bytes, 256 + i is what merge i makes. */
export function vocabulary(merges) {
  const table = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  for (const [left, right] of merges) table.push(Uint8Array.of(...table[left], ...table[right]));
  return table;
}

/** The word with every occurrence of the pair joined, from left to right. */
export function mergePair(word, [left, right], newId) {
  const merged = [];
  for (let i = 0; i < word.length; i++) {
    if (word[i] === left && word[i + 1] === right) { merged.push(newId); i += 1; }
    else merged.push(word[i]);
  }
  return merged;
}

/** Adjacent pairs and how often they occur, commonest first; among equals the smaller ids first. */
export function pairCounts(words) {
  const counts = new Map();
  for (const word of words)
    for (let i = 0; i + 1 < word.length; i++) {
      const key = `${word[i]},${word[i + 1]}`;
      const entry = counts.get(key) ?? { pair: [word[i], word[i + 1]], count: 0 };
      entry.count += 1;
      counts.set(key, entry);
    }
  return [...counts.values()].sort((a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1]);
}

/**
 * All states of a run: [{words, merge, places}], where `merge` is the number of the merge that led there (null at
 * the start) and `places` how often it was done. `all`: also those merges that find nothing to join.
 */
export function replay(pieces, merges, all) {
  let words = pieces.map((piece) => [...new TextEncoder().encode(piece)]);
  const states = [{ words, merge: null, places: 0 }];
  merges.forEach((pair, number) => {
    const next = words.map((word) => mergePair(word, pair, 256 + number));
    const places = count(words) - count(next);
    if (places || all) states.push({ words: next, merge: number, places });
    words = next;
  });
  return states;
}

/** How many tokens there are in all words together. */
export function count(words) {
  return words.reduce((sum, word) => sum + word.length, 0);
}

/** Adjacent pairs in the order of reading, each once, with the number of the merge that joins it, or null. */
export function rankedPairs(words, merges) {
  const ranks = new Map(merges.map((pair, number) => [pair.join(), number]));
  const seen = new Map();
  for (const word of words)
    for (let i = 0; i + 1 < word.length; i++) {
      const pair = [word[i], word[i + 1]];
      seen.set(pair.join(), { pair, rank: ranks.get(pair.join()) ?? null });
    }
  return [...seen.values()];
}

const times = (n) => (n === 1 ? "once" : n === 2 ? "twice" : `${n} times`);

/** What has just happened, and what comes next, in words. */
export function story(states, step, merges, mode) {
  const table = vocabulary(merges), name = (id) => `“${isolated(tokenLabel(table[id]))}”`;
  const both = (number) => `${name(merges[number][0])} + ${name(merges[number][1])}`;
  const { words, merge, places } = states[step], n = count(words);
  const next = states[step + 1];
  const started = mode === "train" ? `Start: ${n} byte${n === 1 ? "" : "s"}, each a token of its own.` : `Start: the text as ${n} byte${n === 1 ? "" : "s"}.`;
  const learned = mode === "train" ? "" : ` (learned as number ${merge + 1})`;
  const done = merge === null ? started
    : `Step ${step}: ${both(merge)} → ${name(256 + merge)}, id ${256 + merge}${learned}, ${times(places)}. ${n + places} tokens become ${n}.`;
  if (next) return mode === "train" ? `${done} Next: ${both(next.merge)}, seen ${times(next.places)}.` : `${done} Of the pairs now, ${both(next.merge)} was learned first.`;
  if (mode === "encode") return `${done} No pair that was learned is left. Ids: ${words.flat().join(" ")}.`;
  return merges.length ? `${done} This was the last merge.` : `${done} There is nothing to merge.`;
}

/** Columns of the byte view of one piece: characters above, tokens below, each with the first column and the span. */
export function columns(word, table) {
  const bytes = word.flatMap((id) => [...table[id]]);
  let at = 1;
  const above = characters(Uint8Array.from(bytes)).map((part) => {
    const span = part.text ? new TextEncoder().encode(part.text).length : part.bytes.length;
    at += span;
    return { label: tokenLabel(part.text ? new TextEncoder().encode(part.text) : Uint8Array.from(part.bytes)), from: at - span, span };
  });
  at = 1;
  const below = word.map((id) => {
    at += table[id].length;
    return { id, from: at - table[id].length, span: table[id].length };
  });
  return { above, below, width: bytes.length };
}

const PERIOD = 1100; // milliseconds from step to step while playing
const MOST_PAIRS = 8;

export default widget("llm-bpe-stepper", ({ model, hub, el, still }) => {
  const training = () => model.get("mode") === "train";
  const stepName = () => (training() ? "step" : "word_step");
  let states = [], table = [];

  // Controls.
  const tab = (mode, label) => element("button", { type: "button", role: "tab", "data-mode": mode, onclick: () => { pause(); hub.look({ mode }); } }, label);
  const tabs = element("div", { class: "llm-tabs", role: "tablist", "aria-label": "What to watch" }, tab("train", "Learn merges"), tab("encode", "Encode a text"));
  tabs.addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.preventDefault();
    const other = [...tabs.children].find((button) => button.tabIndex === -1);
    other.click();
    other.focus();
  });
  const learned = () => model.get(training() ? "pieces" : "word_pieces").join("");
  const box = textBox({ label: "", button: "", used: learned, use(text) { pause(); hub.act(model.get("mode"), { text }); } });
  const drafts = { train: { text: "", own: "" }, encode: { text: "", own: "" } }; // each tab keeps what was typed in it
  let boxIsFor = model.get("mode");
  const jump = (label, hint, move) => element("button", { type: "button", "aria-label": hint, title: hint, onclick: () => { pause(); go(move()); } }, label);
  const first = jump("|◀", "To the start (Home)", () => 0), back = jump("◀", "One step back (Left arrow)", () => at() - 1);
  const forward = jump("▶", "One step forward (Right arrow)", () => at() + 1), last = jump("▶|", "To the end (End)", () => states.length - 1);
  const play = element("button", { type: "button", class: "llm-play", title: "Play or pause (Space)" }, "Play");
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Step" });
  slider.addEventListener("input", () => { pause(); go(Number(slider.value)); });
  const position = element("output", { class: "llm-note" });
  const bytes = element("input", { type: "checkbox" });
  bytes.addEventListener("change", () => hub.look({ show_bytes: bytes.checked }));

  // What is shown.
  const text = element("div", { class: "llm-stage", role: "group", tabindex: 0, "aria-label": "The text in tokens; arrow keys step, space plays" });
  const happened = element("p", { class: "llm-happened", role: "status" });
  const pairsTitle = element("h4", {}), pairs = element("table", { class: "llm-pairs" });
  const wordsTitle = element("h4", {}), entries = element("ol", { class: "llm-entries", tabindex: 0, "aria-label": "Learned tokens, newest first" });

  const at = () => Math.min(model.get(stepName()), states.length - 1);
  const go = (step) => hub.look({ [stepName()]: Math.max(0, Math.min(states.length - 1, step)) });

  let timer = null;
  const pause = () => { clearInterval(timer); timer = null; play.textContent = "Play"; };
  const start = () => {
    if (at() >= states.length - 1) go(0);
    play.textContent = "Pause";
    timer = setInterval(() => { if (at() >= states.length - 1) pause(); else go(at() + 1); }, PERIOD);
  };
  const toggle = () => (timer === null ? start() : pause());
  play.addEventListener("click", toggle);

  el.addEventListener("keydown", (event) => {
    if (event.target.closest("textarea, input, summary, .llm-save") || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: () => at() - 1, ArrowRight: () => at() + 1, Home: () => 0, End: () => states.length - 1 };
    if (event.key in moves) { event.preventDefault(); pause(); go(moves[event.key]()); }
    else if (event.key === " " && !event.target.closest("button")) { event.preventDefault(); toggle(); }
  });
  el.append(
    element("div", { class: "llm-row" }, tabs, element("label", {}, bytes, " Show bytes"), still ? "" : saveMenu(model, "byte-pair-encoding")),
    box.node, hub.line,
    element("div", { class: "llm-row" }, first, back, play, forward, last, slider, position),
    text, happened,
    element("div", { class: "llm-columns" }, element("div", {}, pairsTitle, pairs), element("div", {}, wordsTitle, entries)),
  );

  const label = (id) => tokenLabel(table[id]);
  const hue = (id) => (id < 256 ? "llm-byte" : `llm-hue-${id % 6}`);
  const tokenClass = (id, merge) => `llm-token ${hue(id)}${merge !== null && id === 256 + merge ? " llm-new" : ""}`;
  const boxed = (id, merge) => element("span", { class: tokenClass(id, merge), title: `id ${id} · ${hex(table[id])}` }, label(id));
  const inBytes = (word, merge) => {
    const { above, below, width } = columns(word, table);
    const grid = element("span", { class: "llm-grid", dir: "ltr" });
    grid.style.gridTemplateColumns = `repeat(${width}, 1.75em)`;
    const cell = (tag, { from, span }, attributes, content) => {
      const node = element("span", attributes, content);
      node.style.gridColumn = `${from} / span ${span}`;
      node.style.gridRow = tag;
      grid.append(node);
    };
    for (const part of above) cell(1, part, { class: "llm-character", dir: "auto" }, part.label);
    for (const part of below) cell(2, part, { class: tokenClass(part.id, merge), title: `id ${part.id} · ${label(part.id)}` }, hex(table[part.id]));
    return grid;
  };

  let replayed = []; // from what
  const load = () => {
    const mode = model.get("mode"), sources = [mode, model.get("pieces"), model.get("word_pieces"), model.get("merges")];
    if (sources.some((source, k) => source !== replayed[k])) {
      replayed = sources;
      table = vocabulary(model.get("merges"));
      states = replay(model.get(training() ? "pieces" : "word_pieces"), model.get("merges"), training());
    }
    if (boxIsFor !== mode) {
      drafts[boxIsFor] = box.exchange(drafts[mode]);
      boxIsFor = mode;
    }
    box.box.setAttribute("aria-label", training() ? "Text to learn from" : "Text to encode");
    box.button.textContent = training() ? "Learn from this text" : "Encode this text";
    box.follow();
    for (const button of tabs.children) {
      const chosen = button.dataset.mode === mode;
      button.setAttribute("aria-selected", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    draw();
  };

  const drawPairs = (words, step, merges) => {
    const next = states[step + 1]?.merge ?? null, key = next === null ? "" : merges[next].join();
    let rows;
    if (training()) {
      const all = pairCounts(words), most = all[0]?.count ?? 1;
      const kept = all.filter((entry, i) => i < MOST_PAIRS || entry.pair.join() === key);
      pairsTitle.textContent = `Pairs of neighbours: ${all.length} different`;
      rows = kept.map(({ pair, count: n }) => {
        const bar = element("span", { class: "llm-bar" });
        bar.style.width = `${(100 * n) / most}%`;
        return { pair, cells: [element("td", { class: "llm-track-cell", "aria-hidden": "true" }, element("span", { class: "llm-track" }, bar)), element("td", { class: "llm-count" }, String(n))] };
      });
    } else {
      const all = rankedPairs(words, merges);
      pairsTitle.textContent = `Pairs of neighbours, and when they were learned`;
      rows = all.slice(0, 2 * MOST_PAIRS).map(({ pair, rank }) => ({ pair, cells: [element("td", {}, rank === null ? "never" : `as number ${rank + 1}`)] }));
    }
    pairs.replaceChildren(...rows.map(({ pair, cells }) => {
      const chosen = pair.join() === key;
      return element("tr", { class: chosen ? "llm-next" : "" },
        element("th", { scope: "row" }, element("span", { class: `llm-token ${hue(pair[0])}` }, label(pair[0])), " + ", element("span", { class: `llm-token ${hue(pair[1])}` }, label(pair[1]))),
        ...cells, element("td", { class: "llm-mark" }, chosen ? "← next" : ""));
    }));
  };

  const drawEntries = (step, merges) => {
    const known = training() ? states.slice(1, step + 1).map((state) => state.merge) : merges.map((_, number) => number);
    const used = new Set(training() ? [] : states.slice(1, step + 1).map((state) => state.merge));
    const now = states[step].merge;
    wordsTitle.textContent = `Vocabulary: 256 bytes + ${known.length} merge${known.length === 1 ? "" : "s"} = ${256 + known.length}`;
    entries.replaceChildren(...known.reverse().map((number) => element("li", { class: number === now ? "llm-now" : used.has(number) ? "llm-used" : "" },
      element("span", { class: "llm-id" }, String(256 + number)),
      element("bdi", { class: tokenClass(256 + number, now) }, label(256 + number)),
      element("span", { class: "llm-note" }, " = ", element("bdi", {}, label(merges[number][0])), " + ", element("bdi", {}, label(merges[number][1]))))));
    const current = entries.querySelector(".llm-now");
    if (current) entries.scrollTop = current.offsetTop - entries.offsetTop - entries.clientHeight / 2;
  };

  const draw = () => {
    const step = at(), merges = model.get("merges"), { words, merge } = states[step];
    const inByteView = model.get("show_bytes");
    bytes.checked = inByteView;
    slider.max = states.length - 1;
    slider.value = step;
    slider.setAttribute("aria-valuetext", `${step} of ${states.length - 1}`);
    position.textContent = `step ${step} of ${states.length - 1}`;
    const focused = document.activeElement;
    first.disabled = back.disabled = step === 0;
    forward.disabled = last.disabled = step === states.length - 1;
    play.disabled = states.length === 1;
    if (focused?.disabled && el.contains(focused)) text.focus(); // the keyboard keeps its place at either end
    text.replaceChildren();
    const pieces = words.filter((word) => word.length), written = pieces.map((word) => new TextDecoder().decode(Uint8Array.from(word.flatMap((id) => [...table[id]]))));
    const around = runs(written, direction(written.join(""))).flatMap(({ dir, from, to }) => new Array(to - from).fill(dir));
    inReadingOrder(text, written, pieces.map((word, k) => {
      const piece = element("bdi", { class: "llm-piece" });
      if (inByteView) piece.append(inBytes(word, merge));
      else inReadingOrder(piece, word.map(label), word.map((id) => boxed(id, merge)), around[k]);
      return piece;
    }));
    happened.textContent = story(states, step, merges, model.get("mode"));
    drawPairs(words, step, merges);
    drawEntries(step, merges);
  };

  return [pause, follow(model, ["pieces", "word_pieces", "merges", "mode", "step", "word_step", "show_bytes"], load)];
});
