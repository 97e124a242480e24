import { element, follow, inReadingOrder, percent, saveMenu, spokenToken, visibleToken } from "../shared/shared.mjs";
import { textBox, widget } from "../shared/view.mjs";

/** Return the width of a bar for CSS, from 0% to 100%; NaN gives 0%. */
export function barWidth(probability) {
  return `${100 * Math.min(1, Math.max(0, Number.isFinite(probability) ? probability : 0))}%`;
}

/** Say what the view shows, and what the user can do; without a model, say that changing the text needs Python. */
export function guide({ live, still }) {
  const what = "Each bar shows the probability of one possible next token.";
  if (live) return `${what} Click a bar to add its token, or let chance pick.`;
  return still ? `${what} This page has no model: to change the text, you need Python.` : what;
}

export default widget("llm-next-token", ({ model, hub, el, still }) => {
  const prompt = textBox({
    label: "Your text",
    button: "Use this text",
    use: (text) => hub.act("prompt", { text }),
    used: () => model.get("prompt"),
  });
  const lead = element("p", { class: "llm-note llm-lead" }, guide({ live: hub.live, still }));
  const text = element("div", {
    class: "llm-token-list",
    role: "group",
    tabindex: 0,
    "aria-label": "The text so far, token by token",
  });
  const scale = element(
    "div",
    { class: "llm-line llm-scale", "aria-hidden": "true" },
    element("span", {}),
    element("span", { class: "llm-ends" }, ...["0%", "probability", "100%"].map((word) => element("span", {}, word))),
  );
  const bars = element("ol", { class: "llm-candidates", "aria-label": "Most probable next tokens" });
  const rest = element("div", { class: "llm-note" });
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  const slider = element("input", {
    type: "range",
    min: 0,
    max: 2,
    step: 0.05,
    "aria-label": "Temperature",
    "data-acts": true,
  });
  const degrees = element("output", {});
  let turning = 0; // how many moves of the slider Python has yet to handle
  slider.addEventListener("input", async () => {
    degrees.textContent = Number(slider.value).toFixed(2);
    turning += 1;
    await hub.act("temperature", { value: Number(slider.value) }, { latest: "temperature" });
    turning -= 1;
    warm();
  });
  const warm = () => {
    if (!turning) slider.value = model.get("temperature");
    degrees.textContent = Number(slider.value).toFixed(2);
  };
  const button = (label, hint, kind, details) =>
    element("button", { type: "button", title: hint, "data-acts": true, onclick: () => hub.act(kind, details) }, label);
  // Without a model, users cannot change or add anything, so the page leaves these controls out instead of disabling
  // them.
  const controls = [
    element("label", {}, "Temperature ", slider, " ", degrees),
    button("Let chance pick", "Draw the next token from these probabilities", "draw", { times: 1 }),
    button("Pick 10", "Draw ten tokens, one after another", "draw", { times: 10 }),
    button("Undo", "Remove the last token", "undo"),
  ];
  el.append(
    lead,
    hub.live ? prompt.node : "",
    hub.line,
    text,
    scale,
    bars,
    rest,
    element(
      "div",
      { class: "llm-row" },
      ...(hub.live ? controls : [element("span", {}, "Temperature ", degrees)]),
      still ? "" : saveMenu(model, "next-token"),
    ),
    spoken,
  );

  /** Draw a candidate: its token, and a bar for its probability. If there is a model, the whole line is a button. */
  const line = (token, p, take) => {
    const bar = element("span", { class: "llm-bar" });
    bar.style.width = barWidth(p);
    const parts = [
      element("span", { class: "llm-hidden" }, `${spokenToken(token)}, ${percent(p)}`),
      element("code", { "aria-hidden": "true" }, element("bdi", {}, visibleToken(token))),
      element("span", { class: "llm-track", "aria-hidden": "true" }, bar),
      element("span", { class: "llm-percent", "aria-hidden": "true" }, percent(p)),
    ];
    if (!hub.live) return element("div", { class: "llm-line" }, ...parts);
    return element(
      "button",
      { type: "button", "data-acts": true, class: "llm-line llm-candidate", onclick: take },
      ...parts,
    );
  };

  const update = () => {
    const tokens = model.get("tokens");
    const picked = model.get("picked");
    const candidates = model.get("candidates");
    const ids = model.get("ids");
    const probabilities = model.get("probabilities");
    text.replaceChildren();
    inReadingOrder(
      text,
      tokens,
      tokens.map((token, i) =>
        element(
          "bdi",
          { class: i < tokens.length - picked ? "llm-token" : "llm-token llm-picked" },
          visibleToken(token),
        ),
      ),
    );
    text.scrollTop = text.scrollHeight; // new tokens appear at the end
    const focused = [...bars.children].findIndex((row) => row.contains(document.activeElement));
    bars.replaceChildren(
      ...candidates.map((token, i) =>
        element(
          "li",
          {},
          line(token, probabilities[i], () => hub.act("pick", { id: ids[i] })),
        ),
      ),
    );
    scale.hidden = !candidates.length;
    if (focused >= 0) bars.children[Math.min(focused, candidates.length - 1)]?.querySelector("button").focus();
    rest.textContent = model.get("rest");
    if (picked) {
      const added = spokenToken(tokens.at(-1));
      spoken.textContent = `Added ${added}. Most probable next: ${spokenToken(candidates[0] ?? "")}.`;
    }
  };
  return [
    follow(model, ["tokens", "candidates", "ids", "probabilities", "picked", "rest"], update),
    follow(model, ["temperature"], warm),
    follow(model, ["prompt"], prompt.follow),
  ];
});
