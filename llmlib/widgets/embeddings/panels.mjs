// The panels around the map: the legend, the search, the pinned token, and the analogy.

import { ownText } from "../shared/drafts.mjs";
import { element } from "../shared/shared.mjs";
import { kindColours } from "./paint.mjs";
import { rowOfTyped, searchTokens, typedOf } from "./data.mjs";

const MOST_LISTED = 50;

/** Make a group of buttons, of which one at a time is pressed. */
export function switchOf(label, options, choose) {
  const buttons = options.map(([value, words]) =>
    element("button", { type: "button", "aria-pressed": "false", onclick: () => choose(value) }, words),
  );
  return {
    buttons,
    node: element("span", { class: "llm-switch", role: "group", "aria-label": label }, ...buttons),
    draw: (chosen) =>
      buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(options[k][0] === chosen))),
  };
}

/** Make the legend: each kind's colour, name and number of tokens. A click hides a kind or shows it again. */
export function legendPanel(ctx) {
  const items = ctx.kindNames.map((name, kind) => {
    const swatch = element("span", { class: "llm-bar llm-swatch" });
    const words = element("span", { "data-text": true }, name);
    const button = element(
      "button",
      { type: "button", "aria-pressed": "true", title: "Show or hide", onclick: () => ctx.toggleKind(kind) },
      swatch,
      words,
    );
    return { kind, name, swatch, words, button };
  });
  return {
    node: element(
      "div",
      { class: "llm-legend", role: "group", "aria-label": "Kinds of tokens to show or hide" },
      ...items.map(({ button }) => button),
    ),
    draw() {
      const { counts } = ctx.map(); // how many points of each kind this map draws
      for (const { kind, name, swatch, words, button } of items) {
        words.textContent = `${name} (${counts[kind].toLocaleString("en")})`;
        swatch.style.backgroundColor = kindColours(ctx.palette.dark)[kind];
        button.setAttribute("aria-pressed", String(!ctx.state.hidden.has(kind)));
      }
    },
  };
}

/** Make a search field with a list of results: arrow keys go through the results, and Enter chooses one. */
export function searchPanel(ctx, cloud, id) {
  const input = element("input", {
    type: "text",
    role: "combobox",
    "aria-label": "Search for a token",
    placeholder: "Search: king, ·king, ing …",
    autocomplete: "off",
    dir: "auto",
    spellcheck: "false",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": id,
  });
  const whole = element("input", { type: "checkbox" });
  const list = element("ul", { id, role: "listbox", "aria-label": "Tokens found", hidden: true });
  const count = element("div", { class: "llm-note llm-count", role: "status" });
  const popup = element("div", { class: "llm-found", hidden: true }, count, list);
  const node = element("div", { class: "llm-search" }, input, element("label", {}, whole, " whole token"), popup);
  let rows = [];
  let active = -1;

  function open(now) {
    popup.hidden = !now;
    list.hidden = !now || rows.length === 0;
    input.setAttribute("aria-expanded", String(now && rows.length > 0));
  }

  function search() {
    const found = searchTokens(cloud.texts(), input.value, { whole: whole.checked, most: MOST_LISTED });
    rows = found.rows;
    active = -1;
    input.removeAttribute("aria-activedescendant");
    const shown = found.total > rows.length ? `; showing ${rows.length}` : "";
    count.textContent =
      input.value === "" ? "" : `${found.total.toLocaleString("en")} ${found.total === 1 ? "token" : "tokens"}${shown}`;
    list.replaceChildren(
      ...rows.map((row, k) =>
        element(
          "li",
          {
            id: `${id}-${k}`,
            role: "option",
            "aria-selected": "false",
            "aria-label": `${cloud.spoken(row)}, id ${row}`,
            onpointerdown: (event) => {
              event.preventDefault();
              keep(row);
            },
          },
          element("bdi", { class: "llm-token" }, ctx.shortLabel(row)),
          element("span", { class: "llm-note" }, `${row}`),
        ),
      ),
    );
    open(input.value !== "");
    ctx.find(rows);
  }

  function activate(k) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = (k + rows.length) % rows.length;
    const option = list.children[active];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
    ctx.point(rows[active]);
  }

  function keep(row) {
    open(false);
    ctx.choose(row, true);
  }

  input.addEventListener("input", search);
  whole.addEventListener("change", search);
  input.addEventListener("focus", () => {
    if (input.value !== "" && rows.length) open(true);
  });
  node.addEventListener("focusout", (event) => {
    if (!node.contains(event.relatedTarget)) open(false);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (popup.hidden) {
        input.value = "";
        search();
      }
      open(false);
    } else if (rows.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      open(true);
      activate(
        active < 0 ? (event.key === "ArrowDown" ? 0 : rows.length - 1) : active + (event.key === "ArrowDown" ? 1 : -1),
      );
      event.preventDefault();
    } else if (rows.length && event.key === "Enter") keep(rows[Math.max(0, active)]);
  });
  return { node, input };
}

/** Show the pinned token and its neighbours. */
export function tokenPanel(ctx, cloud) {
  const measure = switchOf(
    "Nearest by",
    [
      ["cosine", "cosine"],
      ["dot", "dot product"],
    ],
    ctx.measureBy,
  );
  const node = element("div", { class: "llm-chosen", role: "group", "aria-label": "The pinned token" });
  const name = (row) => element("bdi", { class: "llm-token" }, ctx.shortLabel(row));

  function list() {
    const neighbours = ctx.neighbours();
    if (neighbours) {
      const by = neighbours[ctx.state.by];
      return [
        measure.node,
        element(
          "ol",
          { "aria-label": `Nearest by ${ctx.state.by === "dot" ? "dot product" : "cosine"}` },
          ...by.map(([row, value]) =>
            element(
              "li",
              {},
              element(
                "button",
                {
                  type: "button",
                  "aria-label": `${cloud.spoken(row)}, ${value.toFixed(2)}`,
                  onclick: () => ctx.choose(row, true),
                  onpointerenter: () => ctx.point(row),
                  onpointerleave: () => ctx.point(-1),
                  onfocus: () => ctx.point(row),
                  onblur: () => ctx.point(-1),
                },
                name(row),
                element("span", { class: "llm-value" }, value.toFixed(2)),
              ),
            ),
          ),
        ),
      ];
    }
    if (ctx.live) return [element("p", { class: "llm-note" }, ctx.notice() || "Looking for the token’s neighbours …")];
    const known = ctx.known();
    const words = "To find neighbours, the view needs Python and the whole table; this page has only the map.";
    if (known < 0) return [element("p", { class: "llm-note" }, words)];
    return [
      element("p", { class: "llm-note" }, `${words} The page has the neighbours of only one token: `),
      element("button", { type: "button", onclick: () => ctx.choose(known, true) }, name(known)),
    ];
  }

  return {
    node,
    draw() {
      const focused = [...node.querySelectorAll("button")].indexOf(document.activeElement);
      measure.draw(ctx.state.by);
      if (ctx.chosen < 0)
        node.replaceChildren(
          element(
            "p",
            { class: "llm-note" },
            "Click a point or search for a token to see its nearest neighbours here.",
          ),
        );
      else {
        const close = element(
          "button",
          {
            type: "button",
            "aria-label": "Unpin the token",
            title: "Unpin (Escape)",
            onclick: () => ctx.choose(-1),
          },
          "✕",
        );
        node.replaceChildren(
          element("div", { class: "llm-title" }, element("strong", {}, name(ctx.chosen)), close),
          element("p", { class: "llm-note" }, `id ${ctx.chosen} · ${ctx.kindOf(ctx.chosen)}`),
          ...list(),
        );
      }
      if (focused >= 0) (node.querySelectorAll("button")[focused] ?? node.querySelector("button"))?.focus();
    },
  };
}

/** Make the analogy, "a is to b as c is to …": three fields, and a table of the answers. */
export function analogyPanel(ctx, cloud) {
  const fields = ["a", "b", "c"].map((letter) =>
    element("input", {
      type: "text",
      size: 10,
      "aria-label": `Analogy: token ${letter}`,
      autocomplete: "off",
      spellcheck: "false",
      dir: "auto",
      "data-acts": true,
    }),
  );
  const [a, b, c] = fields;
  const notice = element("p", { class: "llm-notice", role: "status" });
  const answer = element("div", { class: "llm-answers" });
  const form = element(
    "form",
    { class: "llm-row" },
    a,
    " is to ",
    b,
    " as ",
    c,
    " is to … ",
    element("button", { type: "submit", "data-acts": true }, "Find"),
    element(
      "button",
      {
        type: "button",
        "data-acts": true,
        onclick: () => {
          ctx.findAnalogy([]);
          for (const field of fields) field.value = "";
          a.focus();
        },
      },
      "Clear",
    ),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const rows = fields.map((field) => rowOfTyped(cloud.texts(), field.value));
    const missing = rows.findIndex((row) => row < 0);
    notice.textContent =
      missing < 0
        ? ""
        : `“${fields[missing].value}” is not a token in this table. ` +
          "A longer word may be split into several tokens: search for its parts.";
    fields.forEach((field, k) =>
      rows[k] < 0 ? field.setAttribute("aria-invalid", "true") : field.removeAttribute("aria-invalid"),
    );
    if (missing >= 0) fields[missing].focus();
    else ctx.findAnalogy(rows);
  });
  let shown = null;
  let own = ["", "", ""]; // the texts that the view put into the fields; any other text is the user's, and stays
  fields.forEach((field, k) => ownText(field, (text) => text === own[k]));
  return {
    node: element(
      "div",
      { class: "llm-analogy", role: "group", "aria-label": "Analogies" },
      ctx.live ? form : "",
      notice,
      answer,
    ),
    draw() {
      const analogy = ctx.analogy();
      if (analogy === shown) return;
      shown = analogy;
      if (!analogy) {
        answer.replaceChildren();
        return;
      }
      const labels = analogy.rows.map((row) => ctx.shortLabel(row));
      analogy.rows.forEach((row, k) => {
        if (fields[k].value === own[k]) {
          own[k] = typedOf(cloud.text(row));
          fields[k].value = own[k];
        }
      });
      answer.replaceChildren(
        element(
          "table",
          {},
          element(
            "caption",
            {},
            element("bdi", {}, labels[0]),
            " is to ",
            element("bdi", {}, labels[1]),
            " as ",
            element("bdi", {}, labels[2]),
            " is to",
          ),
          element(
            "thead",
            {},
            element(
              "tr",
              {},
              element("th", { scope: "col" }, "rank"),
              element("th", { scope: "col" }, "token"),
              element("th", { scope: "col" }, "cosine"),
            ),
          ),
          element(
            "tbody",
            {},
            ...analogy.answers.map(([row, value], k) =>
              element(
                "tr",
                {},
                element("td", {}, String(k + 1)),
                element(
                  "td",
                  {},
                  element(
                    "button",
                    {
                      type: "button",
                      "aria-label": cloud.spoken(row),
                      onclick: () => ctx.choose(row, true),
                      onpointerenter: () => ctx.point(row),
                      onpointerleave: () => ctx.point(-1),
                    },
                    element("bdi", { class: "llm-token" }, ctx.shortLabel(row)),
                  ),
                ),
                element("td", {}, value.toFixed(2)),
              ),
            ),
          ),
        ),
      );
    },
  };
}
