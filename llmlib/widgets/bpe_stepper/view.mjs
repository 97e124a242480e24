import {
  characters,
  direction,
  element,
  follow,
  hex,
  inReadingOrder,
  isolated,
  runs,
  saveMenu,
  tokenLabel,
} from "../shared/shared.mjs";
import { textBox, widget } from "../shared/view.mjs";
import { count, pairCounts, rankedPairs, replay, times, vocabulary } from "./merging.mjs";
import { choicesPanel, guessKey, question, score, TIE_RULE, tied, verdict } from "./predict.mjs";

/** What has just happened, and what comes next, in words; `open`: the reader is still to predict what comes next. */
export function story(states, step, merges, mode, open = false) {
  const table = vocabulary(merges);
  const name = (id) => `“${isolated(tokenLabel(table[id]))}”`;
  const both = (number) => `${name(merges[number][0])} + ${name(merges[number][1])}`;
  const { words, merge, places } = states[step];
  const n = count(words);
  const next = states[step + 1];
  const started =
    mode === "train"
      ? `Start: ${n} byte${n === 1 ? "" : "s"}, each a token of its own.`
      : `Start: the text as ${n} byte${n === 1 ? "" : "s"}.`;
  const learned = mode === "train" ? "" : ` (learned as number ${merge + 1})`;
  const done =
    merge === null
      ? started
      : `Step ${step}: ${both(merge)} → ${name(256 + merge)}, id ${256 + merge}${learned}, ${times(places)}. ${n + places} tokens become ${n}.`;
  if (next && open) return done;
  if (next && mode === "encode") return `${done} Of the pairs now, ${both(next.merge)} was learned first.`;
  if (next) {
    const equal = tied(words, merges[next.merge]).length;
    const tie = equal
      ? ` ${equal === 1 ? "One other pair is" : `${equal} other pairs are`} as frequent. ${TIE_RULE}.`
      : "";
    return `${done} Next: ${both(next.merge)}, seen ${times(next.places)}.${tie}`;
  }
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
    return {
      label: tokenLabel(part.text ? new TextEncoder().encode(part.text) : Uint8Array.from(part.bytes)),
      from: at - span,
      span,
    };
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
  let states = [];
  let table = [];

  // Controls.
  const tab = (mode, label) =>
    element(
      "button",
      {
        type: "button",
        role: "tab",
        "data-mode": mode,
        onclick: () => {
          pause();
          hub.look({ mode });
        },
      },
      label,
    );
  const tabs = element(
    "div",
    { class: "llm-tabs", role: "tablist", "aria-label": "What to watch" },
    tab("train", "Learn merges"),
    tab("encode", "Encode a text"),
  );
  tabs.addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.preventDefault();
    const other = [...tabs.children].find((button) => button.tabIndex === -1);
    other.click();
    other.focus();
  });
  const learned = () => model.get(training() ? "pieces" : "word_pieces").join("");
  const box = textBox({
    label: "",
    button: "",
    used: learned,
    use(text) {
      pause();
      hub.act(model.get("mode"), { text });
    },
  });
  const drafts = { train: { text: "", own: "" }, encode: { text: "", own: "" } }; // each tab keeps what was typed in it
  let boxIsFor = model.get("mode");
  const jump = (label, hint, move) =>
    element(
      "button",
      {
        type: "button",
        "aria-label": hint,
        title: hint,
        onclick: () => {
          pause();
          go(move());
        },
      },
      label,
    );
  const first = jump("|◀", "To the start (Home)", () => 0);
  const back = jump("◀", "One step back (Left arrow)", () => at() - 1);
  const forward = jump("▶", "One step forward (Right arrow)", () => at() + 1);
  const last = jump("▶|", "To the end (End)", () => states.length - 1);
  const play = element("button", { type: "button", class: "llm-play", title: "Play or pause (Space)" }, "Play");
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Step" });
  slider.addEventListener("input", () => {
    pause();
    go(Number(slider.value));
  });
  const position = element("output", { class: "llm-note" });
  const tick = (trait) => {
    const input = element("input", { type: "checkbox" });
    input.addEventListener("change", () => {
      pause();
      hub.look({ [trait]: input.checked });
    });
    return input;
  };
  const bytes = tick("show_bytes");
  const predict = tick("predict");

  // What is shown.
  const text = element("div", {
    class: "llm-stage",
    role: "group",
    tabindex: 0,
    "aria-label": "The text in tokens; arrow keys step, space plays",
  });
  const happened = element("p", { class: "llm-happened", role: "status" });
  const pairsTitle = element("h4", {});
  const pairs = element("table", { class: "llm-pairs" });
  const asking = element("p", { class: "llm-asking" });
  const judged = element("p", { class: "llm-judged", role: "status" });
  const result = element("output", { class: "llm-score" });
  const wordsTitle = element("h4", {});
  const entries = element("ol", { class: "llm-entries", tabindex: 0, "aria-label": "Learned tokens, newest first" });

  const at = () => Math.min(model.get(stepName()), states.length - 1);

  /** The question of a step if it is still to be answered; null if there is none, or if the reader does not predict. */
  const openAt = (step) =>
    model.get("predict") && !(guessKey(model.get("mode"), step) in model.get("guesses"))
      ? question(states, step, model.get("merges"), model.get("mode"))
      : null;
  /** Go to a step; forward only as far as the next question that is open. */
  const go = (to) => {
    const wanted = Math.max(0, Math.min(states.length - 1, to));
    let step = Math.min(at(), wanted);
    while (step < wanted && !openAt(step)) step += 1;
    if (step < wanted) pause();
    if (step < wanted && step === at()) {
      asking.classList.add("llm-missing");
      choices.focus();
    }
    hub.look({ [stepName()]: step });
  };
  const choices = choicesPanel(
    (pair) => {
      hub.look({ guesses: { ...model.get("guesses"), [guessKey(model.get("mode"), at())]: pair } });
      forward.focus(); // the choices are gone, and this is what comes next
    },
    (id) => boxed(id, null),
  );

  let timer = null;
  const pause = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  };
  const start = () => {
    if (at() >= states.length - 1) go(0);
    if (openAt(at())) {
      go(at() + 1);
      return;
    }
    play.textContent = "Pause";
    timer = setInterval(() => {
      if (at() >= states.length - 1) pause();
      else go(at() + 1);
    }, PERIOD);
  };
  const toggle = () => (timer === null ? start() : pause());
  play.addEventListener("click", toggle);

  el.addEventListener("keydown", (event) => {
    if (event.target.closest("textarea, input, summary, .llm-save") || event.ctrlKey || event.metaKey || event.altKey)
      return;
    const moves = {
      ArrowLeft: () => at() - 1,
      ArrowRight: () => at() + 1,
      Home: () => 0,
      End: () => states.length - 1,
    };
    if (event.key in moves) {
      event.preventDefault();
      pause();
      go(moves[event.key]());
    } else if (event.key === " " && !event.target.closest("button")) {
      event.preventDefault();
      toggle();
    }
  });
  el.append(
    element(
      "div",
      { class: "llm-row" },
      tabs,
      element("label", {}, predict, " Predict first"),
      element("label", {}, bytes, " Show bytes"),
      still ? "" : saveMenu(model, "byte-pair-encoding"),
    ),
    box.node,
    hub.line,
    element("div", { class: "llm-row" }, first, back, play, forward, last, slider, position, result),
    text,
    happened,
    element(
      "div",
      { class: "llm-columns" },
      element("div", {}, pairsTitle, asking, choices.node, judged, pairs),
      element("div", {}, wordsTitle, entries),
    ),
  );

  const label = (id) => tokenLabel(table[id]);
  const hue = (id) => (id < 256 ? "llm-byte" : `llm-hue-${id % 6}`);
  const tokenClass = (id, merge) => `llm-token ${hue(id)}${merge !== null && id === 256 + merge ? " llm-new" : ""}`;
  const boxed = (id, merge) =>
    element("span", { class: tokenClass(id, merge), title: `id ${id} · ${hex(table[id])}` }, label(id));
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
    for (const part of below)
      cell(
        2,
        part,
        { class: tokenClass(part.id, merge), title: `id ${part.id} · ${label(part.id)}` },
        hex(table[part.id]),
      );
    return grid;
  };

  let replayed = []; // from what
  const load = () => {
    const mode = model.get("mode");
    const sources = [mode, model.get("pieces"), model.get("word_pieces"), model.get("merges")];
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
    const next = states[step + 1]?.merge ?? null;
    const key = next === null ? "" : merges[next].join();
    const open = openAt(step);
    const mode = model.get("mode");
    const guess = (model.get("predict") && model.get("guesses")[guessKey(mode, step)]) || null;
    const asked = guess && question(states, step, merges, mode);
    asking.hidden = !open;
    asking.textContent = training()
      ? "Which pair is joined next? Count in the text above, then pick one."
      : "Which pair is joined first? Look in the vocabulary for the one that was learned earliest, then pick it.";
    if (!open) asking.classList.remove("llm-missing");
    choices.draw(open, `${mode} ${step}`);
    judged.textContent = asked ? verdict(asked, guess, table) : "";
    judged.classList.toggle("llm-right", Boolean(asked) && guess.join() === key);
    pairs.hidden = Boolean(open);
    if (open) {
      pairs.replaceChildren();
      pairsTitle.textContent = "Pairs of neighbours";
      return;
    }
    let rows;
    if (training()) {
      const all = pairCounts(words);
      const most = all[0]?.count ?? 1;
      const kept = all.filter((entry, i) => i < MOST_PAIRS || [key, guess?.join()].includes(entry.pair.join()));
      pairsTitle.textContent = `Pairs of neighbours: ${all.length} different`;
      rows = kept.map(({ pair, count: n }) => {
        const bar = element("span", { class: "llm-bar" });
        bar.style.width = `${(100 * n) / most}%`;
        return {
          pair,
          cells: [
            element(
              "td",
              { class: "llm-track-cell", "aria-hidden": "true" },
              element("span", { class: "llm-track" }, bar),
            ),
            element("td", { class: "llm-count" }, String(n)),
          ],
        };
      });
    } else {
      const all = rankedPairs(words, merges);
      pairsTitle.textContent = `Pairs of neighbours, and when they were learned`;
      rows = all.slice(0, 2 * MOST_PAIRS).map(({ pair, rank }) => ({
        pair,
        cells: [element("td", {}, rank === null ? "never" : `as number ${rank + 1}`)],
      }));
    }
    pairs.replaceChildren(
      ...rows.map(({ pair, cells }) => {
        const chosen = pair.join() === key;
        return element(
          "tr",
          { class: chosen ? "llm-next" : "" },
          element(
            "th",
            { scope: "row" },
            element("span", { class: `llm-token ${hue(pair[0])}` }, label(pair[0])),
            " + ",
            element("span", { class: `llm-token ${hue(pair[1])}` }, label(pair[1])),
          ),
          ...cells,
          element(
            "td",
            { class: "llm-mark" },
            [chosen ? "← next" : "", pair.join() === guess?.join() ? "yours" : ""].filter(Boolean).join(", "),
          ),
        );
      }),
    );
  };

  const drawEntries = (step, merges) => {
    const known = training()
      ? states.slice(1, step + 1).map((state) => state.merge)
      : merges.map((_, number) => number);
    const used = new Set(training() ? [] : states.slice(1, step + 1).map((state) => state.merge));
    const now = states[step].merge;
    wordsTitle.textContent = `Vocabulary: 256 bytes + ${known.length} merge${known.length === 1 ? "" : "s"} = ${256 + known.length}`;
    entries.replaceChildren(
      ...known
        .reverse()
        .map((number) =>
          element(
            "li",
            { class: number === now ? "llm-now" : used.has(number) ? "llm-used" : "" },
            element("span", { class: "llm-id" }, String(256 + number)),
            element("bdi", { class: tokenClass(256 + number, now) }, label(256 + number)),
            element(
              "span",
              { class: "llm-note" },
              " = ",
              element("bdi", {}, label(merges[number][0])),
              " + ",
              element("bdi", {}, label(merges[number][1])),
            ),
          ),
        ),
    );
    const current = entries.querySelector(".llm-now");
    if (current) entries.scrollTop = current.offsetTop - entries.offsetTop - entries.clientHeight / 2;
  };

  const draw = () => {
    const step = at();
    const merges = model.get("merges");
    const { words, merge } = states[step];
    const inByteView = model.get("show_bytes");
    bytes.checked = inByteView;
    predict.checked = model.get("predict");
    const { right, of } = score(model.get("guesses"), states, merges, model.get("mode"));
    result.textContent = model.get("predict") && of ? `${right} of ${of} right` : "";
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
    const pieces = words.filter((word) => word.length);
    const written = pieces.map((word) =>
      new TextDecoder().decode(Uint8Array.from(word.flatMap((id) => [...table[id]]))),
    );
    const around = runs(written, direction(written.join(""))).flatMap(({ dir, from, to }) =>
      Array.from({ length: to - from }, () => dir),
    );
    inReadingOrder(
      text,
      written,
      pieces.map((word, k) => {
        const piece = element("bdi", { class: "llm-piece" });
        if (inByteView) piece.append(inBytes(word, merge));
        else
          inReadingOrder(
            piece,
            word.map(label),
            word.map((id) => boxed(id, merge)),
            around[k],
          );
        return piece;
      }),
    );
    happened.textContent = story(states, step, merges, model.get("mode"), openAt(step) !== null);
    drawPairs(words, step, merges);
    drawEntries(step, merges);
  };

  return [
    pause,
    follow(
      model,
      ["pieces", "word_pieces", "merges", "mode", "step", "word_step", "show_bytes", "predict", "guesses"],
      load,
    ),
  ];
});
