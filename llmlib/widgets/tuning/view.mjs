import { element, follow, followLooks, percent, saveMenu, spokenToken, visibleToken } from "../shared/shared.mjs";
import { widget } from "../shared/view.mjs";
import { paletteOf, rampOf, shades } from "../shared/canvas.mjs";
import { stepTo } from "../shared/keys.mjs";
import { tinyShare } from "../shared/surprise.mjs";
import { likeliest, likeliestSpoken, walk } from "../shared/walk.mjs";
import {
  foldOf,
  likeliestAt,
  meanSurprise,
  movedMost,
  range,
  scaleOf,
  shadeOf,
  signed,
  timesInWords,
  unpackMoves,
} from "./data.mjs";

export default widget("llm-tuning", ({ model, hub, el }) => {
  const lead = element("p", { class: "llm-note llm-lead" });
  const legend = element("div", { class: "llm-legend" });
  const means = element("table", {});
  const text = element("div", { class: "llm-conversation" });
  const detail = element("div", { class: "llm-detail", role: "group", "aria-label": "Token details for both models" });
  el.append(
    element("div", { class: "llm-row llm-top" }, lead, saveMenu(model, "tuning")),
    hub.line,
    legend,
    text,
    detail,
    means,
  );
  let moves = null;
  let colours = [];
  let scale = 1;
  let drawn = false;
  let here = null; // the token that the details describe
  const unfolded = new Set(); // the indices of the long messages that the user has unfolded

  const word = (id) => model.get("words")[id] ?? "";
  const trained = (k) => model.get("mask").byteLength > 0 && model.get("mask").getUint8(k) === 1;
  const number = (value) => (Number.isNaN(value) ? "–" : value.toFixed(2));

  function drawLegend() {
    const ramp = element("span", {
      class: "llm-scale",
      "aria-hidden": "true",
      style: `background: ${rampOf([0, 32, 64, 96, 128, 159, 191, 223, 255].map((code) => colours[code].fill))}`,
    });
    const [base, tuned] = model.get("titles");
    legend.replaceChildren(
      `−${scale} nats: less likely for ${tuned}`,
      ramp,
      `+${scale}: likelier. `,
      "Below each token is its change: +0.7 means twice as likely as for ",
      base,
      ", and −0.7 means half as likely. ",
      ...(model.get("mask").byteLength ? [element("span", { class: "llm-key" }, "Underlined"), ": trained on."] : []),
    );
  }

  /** Make a message: its role, each model's mean surprise, and its tokens. */
  function message({ role, from, to }, which) {
    const tokens = model.get("tokens").slice(from, to);
    const mean = meanSurprise(moves, range(from, to));
    const boxes = tokens.map((token, j) => {
      const k = from + j;
      const { fill, ink } = colours[shadeOf(moves.moves[k], scale)];
      return element(
        "span",
        { class: trained(k) ? "llm-trained" : null, "aria-label": spoken(k) },
        element("bdi", { class: "llm-label", style: `background: ${fill}; color: ${ink}` }, visibleToken(token)),
        element("span", { class: "llm-move", dir: "ltr" }, signed(moves.moves[k])),
      );
    });
    const list = walk(tokens, boxes, {
      label: `Tokens in the message, role ${role}`,
      tell: (j) => tell(j === null ? null : from + j),
    });
    const meansText = mean.tokens ? `${number(mean.base)} → ${number(mean.tuned)} nats of surprise per token` : "";
    const surprise = element("span", { class: "llm-note" }, meansText);
    const who = element("div", { class: "llm-who" }, element("strong", {}, role), surprise);
    const [first, after] = foldOf(tokens.length);
    if (first < after) who.append(folding(which, list, boxes, first, after));
    return element("article", { class: "llm-said" }, who, list);
  }

  /** Make the button that unfolds a long message; stepping into the folded part unfolds it, too. */
  function folding(which, list, boxes, first, after) {
    const fold = () => {
      const whole = unfolded.has(which);
      boxes.slice(first, after).forEach((box) => {
        box.hidden = !whole;
      });
      boxes[after].classList.toggle("llm-after-gap", !whole);
      button.textContent = whole ? "Show less" : `… ${(after - first).toLocaleString("en")} more tokens: show all`;
      button.setAttribute("aria-expanded", String(whole));
    };
    const turn = () => {
      unfolded[unfolded.has(which) ? "delete" : "add"](which);
      fold();
    };
    const button = element("button", { type: "button", class: "llm-quiet", onclick: turn });
    list.addEventListener(
      "keydown",
      (event) => {
        const rtl = event.target.parentNode.dir === "rtl";
        const to = stepTo(event.key, boxes.indexOf(event.target), boxes.length, rtl);
        if (to !== null && boxes[to].hidden) turn();
      },
      { capture: true },
    );
    fold();
    return button;
  }

  /** Describe a token for a screen reader. */
  function spoken(k) {
    const token = spokenToken(model.get("tokens")[k]);
    const flag = trained(k) ? " Trained on." : "";
    const [base, tuned] = model.get("titles");
    if (Number.isNaN(moves.moves[k])) return `${token}. The first token: nothing comes before it.${flag}`;
    const share = (one) => percent(Math.exp(one.logProbs[k]));
    const best = (one) => likeliestSpoken(entries(one, k).slice(0, 3));
    const both = `${share(moves.base)} for ${base}, ${share(moves.tuned)} for ${tuned}`;
    return [
      `${token}, ${signed(moves.moves[k])} nats: ${both}.${flag}`,
      `Likeliest for ${base}: ${best(moves.base)}. For ${tuned}: ${best(moves.tuned)}.`,
    ].join(" ");
  }

  const entries = (one, k) =>
    likeliestAt(one, moves.shown, k).map(({ id, p }) => ({
      text: word(id),
      p,
      chosen: word(id) === model.get("tokens")[k],
    }));

  function tell(k) {
    here = k;
    const ask = "Point at a token, or step to it with the arrow keys, to see what both models expected there.";
    const most = movedMost(moves.moves);
    const more = most === null ? "" : " This token changed the most:";
    const hint = k === null ? element("p", { class: "llm-note" }, ask, more) : "";
    k ??= most; // so that there is something to read before the user points at a token
    if (k === null) {
      detail.replaceChildren(hint);
      return;
    }
    const token = element("code", {}, element("bdi", {}, visibleToken(model.get("tokens")[k])));
    const move = moves.moves[k];
    if (Number.isNaN(move)) {
      detail.replaceChildren(
        element("p", {}, token, " is the first token: nothing comes before it, so neither model expected anything."),
      );
      return;
    }
    const column = (one, title) => {
      const known = entries(one, k);
      const p = Math.exp(one.logProbs[k]);
      const all = known.some(({ chosen }) => chosen)
        ? known
        : [...known, { text: model.get("tokens")[k], p, chosen: true }];
      return likeliest(
        `${title}: ${tinyShare(one.logProbs[k])} for this token (${one.logProbs[k].toFixed(2).replace("-", "−")} nats)`,
        all,
        Math.max(0, 1 - all.reduce((sum, entry) => sum + entry.p, 0)),
      );
    };
    detail.replaceChildren(
      hint,
      element(
        "p",
        {},
        token,
        ` ${signed(move)} nats: ${timesInWords(move)}.${trained(k) ? " It was trained on." : ""}`,
      ),
      element(
        "div",
        { class: "llm-both" },
        column(moves.base, model.get("titles")[0]),
        column(moves.tuned, model.get("titles")[1]),
      ),
    );
  }

  function drawMeans() {
    const [base, tuned] = model.get("titles");
    const spans = model.get("spans");
    const mask = model.get("mask");
    const rows = spans.map(({ role, from, to }) => [role, meanSurprise(moves, range(from, to))]);
    if (mask.byteLength)
      rows.push(
        ["tokens trained on", meanSurprise(moves, range(0, moves.n).filter(trained))],
        [
          "tokens not trained on",
          meanSurprise(
            moves,
            range(0, moves.n).filter((k) => !trained(k)),
          ),
        ],
      );
    const cells = (tag, words) =>
      words.map((one, k) =>
        element(k ? tag : "th", k || tag === "th" ? { scope: tag === "th" ? "col" : null } : { scope: "row" }, one),
      );
    means.replaceChildren(
      element("caption", {}, "Mean surprise per token, in nats (lower: more expected)"),
      element("thead", {}, element("tr", {}, ...cells("th", ["message", "tokens", base, tuned, "change"]))),
      element(
        "tbody",
        {},
        ...rows.map(([role, mean]) =>
          element(
            "tr",
            {},
            ...cells("td", [
              role,
              String(mean.tokens),
              number(mean.base),
              number(mean.tuned),
              mean.tokens
                ? (mean.tuned - mean.base >= 0 ? "+" : "−") + Math.abs(mean.tuned - mean.base).toFixed(2)
                : "–",
            ]),
          ),
        ),
      ),
    );
  }

  function draw() {
    const [base, tuned] = model.get("titles");
    lead.textContent = [
      `What changed from ${base} to ${tuned}: both models read the same tokens.`,
      "Each token is coloured by how much its log-probability has changed.",
    ].join(" ");
    const tokens = model.get("tokens");
    moves = unpackMoves(model.get("values"), tokens.length, model.get("shown_tokens"));
    scale = scaleOf(moves.moves);
    drawLegend();
    text.replaceChildren(...model.get("spans").map(message));
    tell(null);
    drawMeans();
  }

  const stops = [
    follow(model, ["tokens", "spans", "mask", "values", "words", "titles"], () => {
      if (drawn) draw();
    }),
  ];
  stops.push(
    followLooks(el, () => {
      const now = shades(paletteOf(el).stops.true);
      if (drawn && now[0].fill === colours[0].fill && now[128].fill === colours[128].fill) return; // only resized
      colours = now;
      const before = here;
      draw();
      if (drawn) tell(before); // new colours must not change the token that the details describe
      drawn = true;
    }),
  );
  return stops;
});
