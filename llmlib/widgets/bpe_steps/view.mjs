import { direction, element, follow, howMany, inReadingOrder, runs, saveMenu } from "../shared/shared.mjs";
import { arrowOf, roving, stepping, tabTo } from "../shared/keys.mjs";
import { textBox, widget } from "../shared/view.mjs";
import { replay, vocabulary } from "./merging.mjs";
import { choicesPanel, guessKey, question, score, verdict } from "./predict.mjs";
import { story } from "./story.mjs";
import { entryItems, pairRows } from "./tables.mjs";
import { tokenBoxes } from "./tokens.mjs";

const PERIOD = 1100; // milliseconds from one step to the next while playing

export default widget("llm-bpe-steps", ({ model, hub, el, still }) => {
  const training = () => model.get("mode") === "train";
  const stepName = () => (training() ? "step" : "word_step");
  let states = [];
  let table = [];
  const tokens = tokenBoxes(() => table);

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
  roving(
    tabs,
    () => [...tabs.children],
    (key, here) => (arrowOf(key)?.[1] ? 1 - here : null),
    (to) => tabs.children[to].click(),
  );
  const learned = () => model.get(training() ? "pieces" : "word_pieces").join("");
  const box = textBox({
    label: "",
    button: "",
    used: learned,
    async use(text) {
      pause();
      const mode = model.get("mode");
      const before = { step: model.get("step"), word_step: model.get("word_step"), guesses: model.get("guesses") };
      const isKept = ([key]) => mode === "encode" && key.startsWith("train ");
      const guesses = Object.fromEntries(Object.entries(before.guesses).filter(isKept));
      // Python does the same with the new text. Here it is done first: otherwise an earlier step or prediction that
      // reaches Python after the text would be taken for one in the new text.
      hub.look({ ...(mode === "train" && { step: 0 }), word_step: 0, guesses });
      if (!(await hub.act(mode, { text }))) hub.look(before);
    },
  });
  const drafts = { train: { text: "", own: "" }, encode: { text: "", own: "" } }; // each tab's text if not used yet
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
  const first = jump("|◀", "Go to the start (Home)", () => 0);
  const back = jump("◀", "One step back (Left arrow)", () => at() - 1);
  const forward = jump("▶", "One step forward (Right arrow)", () => at() + 1);
  const last = jump("▶|", "Go to the end (End)", () => states.length - 1);
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

  // The parts that show the text, the pairs and the vocabulary.
  const text = element("div", {
    class: "llm-stage",
    role: "group",
    tabindex: 0,
    "aria-label": "The text as tokens. Arrow keys move from step to step; Space plays.",
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

  /** Return a step's question if the user has not answered it yet; null if there is no question, or if predictions are
   * off. */
  const openAt = (step) =>
    model.get("predict") && !(guessKey(model.get("mode"), step) in model.get("guesses"))
      ? question(states, step, model.get("merges"), model.get("mode"))
      : null;
  /** Go to a step, but forward only as far as the next open question. */
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
      forward.focus(); // the choices are gone, and this button comes next
    },
    (id) => tokens.boxed(id, null),
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

  const typing = "textarea, input, summary, .llm-save";
  stepping(el, typing, {
    here: at,
    count: () => states.length,
    go(to) {
      pause();
      go(to);
    },
  });
  el.addEventListener("keydown", (event) => {
    if (event.target.closest(`${typing}, button`) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key !== " ") return;
    event.preventDefault();
    toggle();
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

  let replayed = []; // the sources from which `states` was replayed
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
    tabTo(
      tabs.children,
      [...tabs.children].find((button) => button.dataset.mode === mode),
    );
    for (const button of tabs.children) {
      const chosen = button.dataset.mode === mode;
      button.setAttribute("aria-selected", String(chosen));
    }
    draw();
  };

  const drawPairs = (words, step, merges) => {
    const next = states[step + 1]?.merge ?? null;
    const open = openAt(step);
    const mode = model.get("mode");
    const guess = (model.get("predict") && model.get("guesses")[guessKey(mode, step)]) || null;
    const asked = guess && question(states, step, merges, mode);
    asking.hidden = !open;
    asking.textContent = training()
      ? "Which pair is merged next? Count the pairs in the text above, and pick one."
      : "Which pair is merged first? Look in the vocabulary for the pair that was learned earliest, and pick it.";
    if (!open) asking.classList.remove("llm-missing");
    choices.draw(open, `${mode} ${step}`);
    judged.textContent = asked ? verdict(asked, guess, table) : "";
    judged.classList.toggle("llm-right", Boolean(asked) && guess.join() === merges[next].join());
    pairs.hidden = Boolean(open);
    if (open) {
      pairs.replaceChildren();
      pairsTitle.textContent = "Neighbouring pairs";
      return;
    }
    const { title, rows } = pairRows({ words, merges, training: training(), next: merges[next], guess }, tokens);
    pairsTitle.textContent = title;
    pairs.replaceChildren(...rows);
  };

  const drawEntries = (step, merges) => {
    const known = training()
      ? states.slice(1, step + 1).map((state) => state.merge)
      : merges.map((_, number) => number);
    const used = new Set(training() ? [] : states.slice(1, step + 1).map((state) => state.merge));
    const now = states[step].merge;
    wordsTitle.textContent = `Vocabulary: 256 bytes + ${howMany(known.length, "merge")} = ${256 + known.length}`;
    entries.replaceChildren(...entryItems(known.reverse(), { merges, used, now }, tokens));
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
    if (focused?.disabled && el.contains(focused)) text.focus(); // the focused button has just been disabled
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
        if (inByteView) piece.append(tokens.inBytes(word, merge));
        else
          inReadingOrder(
            piece,
            word.map(tokens.label),
            word.map((id) => tokens.boxed(id, merge)),
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
