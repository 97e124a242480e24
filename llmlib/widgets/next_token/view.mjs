import { element, follow, keepKeys, percent, saveMenu, spokenToken, visibleToken } from "../shared/shared.mjs";

/** Widths of the bars, as shares of the widest. */
export function barWidths(probabilities) {
  const widest = Math.max(...probabilities, 0);
  return probabilities.map((p) => (widest > 0 ? p / widest : 0));
}

/** Whether the box may show the text so far: it holds what the view put there (`own`), or the text just accepted. */
export function mayFill(typed, own, request, picked) {
  return typed === own || (request?.kind === "prompt" && request.text === typed && picked === 0);
}

function render({ model, el }) {
  const ask = (request) => {
    model.set("request", { ...request, number: (model.get("request")?.number ?? 0) + 1 });
    model.save_changes();
  };
  const still = Boolean(model.get("_standalone"));

  const prompt = element("textarea", { rows: 2, "aria-label": "Your text", disabled: still, spellcheck: "false" });
  prompt.style.cssText = "flex: 1; min-width: 16rem; resize: vertical";
  const use = () => ask({ kind: "prompt", text: prompt.value });
  prompt.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); use(); }
  });
  let own = ""; // what the view itself put into the box; anything else is the reader's, and stays
  const notice = element("div", { class: "llm-notice", role: "status" });
  const text = element("div", { class: "llm-tokens", role: "group", "aria-label": "The text so far, token by token" });
  const bars = element("ol", { class: "llm-candidates", "aria-label": "Most probable next tokens" });
  const rest = element("div", { class: "llm-note" });
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const slider = element("input", { type: "range", min: 0, max: 2, step: 0.05, "aria-label": "Temperature", disabled: still });
  const degrees = element("output", {});
  let asked = false; // one question at a time, so that dragging cannot pile them up
  slider.addEventListener("input", () => {
    degrees.textContent = Number(slider.value).toFixed(2);
    if (!asked) { asked = true; ask({ kind: "temperature", value: Number(slider.value) }); }
  });
  const button = (label, kind, hint) => element("button", { type: "button", title: hint, disabled: still, onclick: () => ask({ kind }) }, label);
  el.classList.add("llm", "llm-next-token");
  keepKeys(el);
  el.append(
    element("div", { class: "llm-row" }, prompt, element("button", { type: "button", disabled: still, onclick: use }, "Use this text")),
    notice, text, bars, rest,
    element("div", { class: "llm-row" },
      element("label", {}, "Temperature ", slider, " ", degrees),
      button("Let chance pick", "draw", "Draw the next token from these probabilities"),
      button("Pick 10", "draw10", "Draw ten tokens, one after the other"),
      button("Undo", "undo", "Take the last token back"),
      still ? "" : saveMenu(model, "next-token")),
    spoken,
  );

  const update = () => {
    const tokens = model.get("tokens"), picked = model.get("picked"), candidates = model.get("candidates");
    const probabilities = model.get("probabilities"), widths = barWidths(probabilities);
    if (mayFill(prompt.value, own, model.get("request"), picked)) {
      prompt.value = tokens.join("");
      own = prompt.value; // a text area has its own line ends
    }
    text.replaceChildren(...tokens.map((token, i) =>
      element("span", { class: i < tokens.length - picked ? "llm-token" : "llm-token llm-picked" }, visibleToken(token))));
    const focused = [...bars.children].findIndex((row) => row.contains(document.activeElement));
    bars.replaceChildren(...candidates.map((token, i) => {
      const bar = element("span", { class: "llm-bar" });
      bar.style.width = `${100 * widths[i]}%`;
      return element("li", {}, element("button", {
        type: "button", disabled: still, class: "llm-candidate", onclick: () => ask({ kind: "pick", index: i }),
        "aria-label": `${spokenToken(token)}, ${percent(probabilities[i])}`,
      }, element("code", {}, visibleToken(token)), element("span", { class: "llm-track" }, bar), element("span", { class: "llm-percent" }, percent(probabilities[i]))));
    }));
    if (focused >= 0) bars.children[Math.min(focused, candidates.length - 1)]?.querySelector("button").focus();
    rest.textContent = model.get("rest");
    if (Math.abs(Number(slider.value) - model.get("temperature")) > 1e-9 && asked) {
      ask({ kind: "temperature", value: Number(slider.value) }); // the slider has moved on meanwhile
    } else {
      asked = false;
      slider.value = model.get("temperature");
    }
    degrees.textContent = Number(slider.value).toFixed(2);
    if (picked) spoken.textContent = `Added ${spokenToken(tokens.at(-1))}. Most probable next: ${spokenToken(candidates[0] ?? "")}.`;
  };
  const stops = [
    follow(model, ["tokens", "candidates", "probabilities", "picked", "temperature", "rest"], update),
    follow(model, ["notice"], () => { notice.textContent = model.get("notice") ?? ""; }),
  ];
  return () => stops.forEach((stop) => stop());
}

export default { render };
