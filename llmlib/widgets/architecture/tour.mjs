// Shows the guided tour, which explains one box after another with numbers from the user's own text.

import { element, isolated, shorten, visibleToken } from "../shared/shared.mjs";
import { svg } from "../shared/canvas.mjs";
import { likeliest } from "../shared/walk.mjs";
import { stepTo } from "../shared/keys.mjs";
import { number } from "./stations.mjs";

const MOST_CHIPS = 40;

export function tourPanel(ctx) {
  const title = element("h4", { "data-text": true });
  const words = element("p", { class: "llm-words" });
  const more = element("div");
  const at = element("span", { class: "llm-at" });
  const waiting = element("p", { class: "llm-note" });
  const button = (label, key) => element("button", { type: "button", onclick: () => go(key) }, label);
  const back = button("‹ Previous", "ArrowLeft");
  const forth = button("Next ›", "ArrowRight");
  const story = element("div", {}, title, words, more);
  const nav = element("div", { class: "llm-row", role: "group", "aria-label": "Stops on the tour" }, back, at, forth);
  const name = "Guided tour. Use the left and right arrow keys to go back and forward.";
  const node = element("div", { class: "llm-tour", role: "group", "aria-label": name }, nav, story, waiting);
  node.addEventListener("keydown", (event) => {
    if (go(event.key)) event.preventDefault();
  });

  function go(key) {
    const all = ctx.stations();
    const here = ctx.stationNumber();
    const to = all.length ? stepTo(key, here, all.length) : null;
    if (to === null) return false;
    if (to !== here) {
      ctx.go({ station: to });
      const station = ctx.station();
      ctx.speak(`${to + 1} of ${all.length}: ${station.title}. ${station.words}`);
    }
    return true;
  }

  /** Draw a line that shows the length of the last token's vector at the start and after each layer. */
  function line(norms) {
    const [width, height, left, top, bottom] = [330, 110, 44, 10, 18];
    const most = Math.max(...norms.map((norm) => norm ?? 0)) || 1;
    const x = (k) => left + ((width - left - 10) * k) / Math.max(1, norms.length - 1);
    const y = (norm) => top + (height - top - bottom) * (1 - (norm ?? 0) / most);
    const text = (said, where) => svg("text", { "font-size": 11, fill: ctx.palette.faint, ...where }, said);
    const label = "Length of the last token’s vector after each layer";
    const box = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    box.append(
      svg("line", { x1: left, x2: width - 10, y1: y(0), y2: y(0), stroke: ctx.palette.line }),
      svg("polyline", {
        points: norms.map((norm, k) => `${x(k).toFixed(1)},${y(norm).toFixed(1)}`).join(" "),
        fill: "none",
        stroke: ctx.palette.accent,
        "stroke-width": 2,
      }),
      text(number(most), { x: left - 5, y: top + 8, "text-anchor": "end" }),
      text("0", { x: left - 5, y: y(0) + 4, "text-anchor": "end" }),
      text("start", { x: left, y: height - 3 }),
      text(`after layer ${norms.length - 2}`, { x: width - 10, y: height - 3, "text-anchor": "end" }),
    );
    return box;
  }

  function chips(tokens) {
    const list = element("ol", { class: "llm-chips" });
    list.append(
      ...tokens
        .slice(0, MOST_CHIPS)
        .map(([text, id]) =>
          element(
            "li",
            {},
            element("code", {}, isolated(shorten(visibleToken(text), 14))),
            element("span", {}, String(id)),
          ),
        ),
    );
    const others = tokens.length - MOST_CHIPS;
    if (others > 0) list.append(element("li", {}, `and ${others.toLocaleString("en")} more`));
    return list;
  }

  function draw() {
    const all = ctx.stations();
    const station = ctx.station();
    const here = ctx.stationNumber();
    nav.hidden = story.hidden = !station;
    waiting.hidden = Boolean(station);
    waiting.textContent = ctx.alive()
      ? "The model is reading the text …"
      : "The tour needs a live model and a text, which this page does not have.";
    if (!station) return;
    at.textContent = `${here + 1} of ${all.length}`;
    [back.disabled, forth.disabled] = [here === 0, here === all.length - 1];
    title.textContent = station.title;
    words.textContent = station.words;
    const parts = [];
    if (station.tokens) parts.push(chips(station.tokens));
    if (station.norms) parts.push(line(station.norms));
    if (station.next)
      parts.push(
        likeliest(
          "Likeliest next tokens:",
          station.next.map(({ token, p }, k) => ({ text: token, p: p ?? 0, chosen: k === 0 })),
        ),
      );
    more.replaceChildren(...parts);
  }
  return { node, draw };
}
