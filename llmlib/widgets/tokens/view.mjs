import {
  characters,
  direction,
  element,
  follow,
  fromHex,
  hex,
  inReadingOrder,
  saveMenu,
  spokenToken,
  tokenLabel,
  wellFormed,
} from "../shared/shared.mjs";
import { roving, stepTo, tabTo } from "../shared/keys.mjs";
import { following, widget } from "../shared/view.mjs";

/** Group the tokens' positions into lines: a line ends after a token that ends with a newline. */
export function lines(tokens) {
  const found = [[]];
  tokens.forEach((bytes, position) => {
    found.at(-1).push(position);
    if (bytes.at(-1) === 10 && position < tokens.length - 1) found.push([]);
  });
  return found;
}

/** Join the bytes of all tokens. */
export function joined(tokens) {
  const whole = new Uint8Array(tokens.reduce((sum, token) => sum + token.length, 0));
  let at = 0;
  for (const token of tokens) {
    whole.set(token, at);
    at += token.length;
  }
  return whole;
}

/**
 * List, for each token, the characters that it holds only partly: [{character, from, to, of}] (bytes counted from 1).
 */
export function parts(tokens) {
  const found = tokens.map(() => []);
  const starts = []; // where each token begins
  let at = 0;
  for (const token of tokens) {
    starts.push(at);
    at += token.length;
  }
  let start = 0;
  let owner = 0;
  for (const piece of characters(joined(tokens))) {
    const length = piece.text ? new TextEncoder().encode(piece.text).length : piece.bytes.length;
    while (owner + 1 < tokens.length && starts[owner + 1] <= start) owner += 1;
    for (let t = owner; piece.text && t < tokens.length && starts[t] < start + length; t++) {
      const from = Math.max(starts[t], start) - start + 1;
      const to = Math.min(starts[t] + tokens[t].length, start + length) - start;
      if (to - from + 1 < length && to >= from) found[t].push({ character: piece.text, from, to, of: length });
    }
    start += length;
  }
  return found;
}

/** Write the number of tokens, and of bytes per token: "3 tokens, 2.67 bytes per token". */
export function numbers(text, count) {
  const bytes = new TextEncoder().encode(text).length;
  const rate = count ? `, ${(bytes / count).toFixed(2)} bytes per token` : "";
  return `${count.toLocaleString("en")} token${count === 1 ? "" : "s"}${rate}`;
}

/** Describe one token. */
export function describe(bytes, id, position, incomplete, special) {
  const partly = incomplete.map(
    (p) => `${p.from === p.to ? `byte ${p.from}` : `bytes ${p.from}–${p.to}`} of ${p.of} of “${p.character}”`,
  );
  return [
    `Token ${position + 1}`,
    `id ${id}`,
    special ? "a special token" : "",
    `${bytes.length} byte${bytes.length === 1 ? "" : "s"}: ${hex(bytes)}`,
    ...partly,
  ]
    .filter(Boolean)
    .join(" · ");
}

/**
 * Show the tokens of one tokenizer. Users step through them with arrow keys, or point at a token to see its details.
 */
function row(encoding, text, showIds) {
  const tokens = encoding.tokens.map(fromHex);
  const special = new Set(encoding.special);
  const incomplete = parts(tokens);
  const quiet = "Point at a token, or step through the tokens with the arrow keys.";
  const detail = element("div", { class: "llm-detail llm-note" }, quiet);
  const labels = tokens.map(tokenLabel);
  const boxes = tokens.map((bytes, position) => {
    const id = encoding.ids[position];
    const about = describe(bytes, id, position, incomplete[position], special.has(position));
    const label = labels[position];
    const classes = [
      `llm-token llm-hue-${position % 6}`,
      special.has(position) && "llm-special",
      incomplete[position].length && "llm-part",
    ];
    const box = element(
      "span",
      {
        class: classes.filter(Boolean).join(" "),
        role: "option",
        "aria-selected": "false",
        "aria-label": `${spokenToken(label.replaceAll("·", " "))}. ${about}`,
        "data-id": id,
      },
      element("span", { class: "llm-label", dir: direction(label.replace(/⟨[0-9A-F ]+⟩/g, "")) }, label),
    );
    if (showIds) box.append(element("span", { class: "llm-id" }, String(id)));
    box.about = about;
    return box;
  });
  const list = element("div", {
    class: "llm-boxes",
    role: "listbox",
    "aria-orientation": "horizontal",
    "aria-label": `Tokens of ${encoding.name}`,
  });
  for (const line of lines(tokens)) {
    const written = element("div", { class: "llm-line", role: "presentation" });
    inReadingOrder(
      written,
      line.map((i) => labels[i]),
      line.map((i) => boxes[i]),
    );
    list.append(written);
  }
  if (encoding.count > tokens.length)
    list.append(
      element("div", { class: "llm-note" }, `… and ${(encoding.count - tokens.length).toLocaleString("en")} more`),
    );
  let locked = null; // the focused token; pointing temporarily shows another token
  const show = (box) => {
    for (const other of boxes) {
      other.classList.toggle("llm-same", box !== null && other.dataset.id === box.dataset.id);
      other.setAttribute("aria-selected", String(other === locked));
    }
    detail.textContent = box ? box.about : quiet;
    detail.classList.toggle("llm-note", !box);
  };
  const boxOf = (event) => event.target.closest?.(".llm-token") ?? null;
  list.addEventListener("pointerover", (event) => show(boxOf(event) ?? locked));
  list.addEventListener("pointerleave", () => show(locked));
  list.addEventListener("click", (event) => boxOf(event)?.focus());
  list.addEventListener("focusin", (event) => {
    locked = boxOf(event);
    show(locked);
  });
  list.addEventListener("focusout", () => {
    locked = null;
    show(null);
  });
  tabTo(boxes, boxes[0]);
  roving(
    list,
    () => boxes,
    (key, here, box) => stepTo(key, here, boxes.length, box.parentNode.dir === "rtl"),
  );
  return element("section", { class: "llm-row-of-tokens" }, list, detail);
}

export default widget("llm-tokens", ({ model, hub, el, still }) => {
  const box = element("textarea", {
    rows: 3,
    "aria-label": "Your text",
    dir: "auto",
    spellcheck: "false",
    "data-acts": true,
  });
  const typed = following(box, () => model.get("text"));
  box.addEventListener("input", () => hub.act("text", { text: wellFormed(box.value) }, { latest: "text" }));
  const ids = element("input", { type: "checkbox" });
  const special = element("input", { type: "checkbox", "data-acts": true });
  special.addEventListener("change", async () => {
    await hub.act("special", { value: special.checked });
    if (!hub.waiting) special.checked = model.get("special");
  });
  const rows = element("div", {});
  const spoken = element("div", { class: "llm-hidden", "aria-live": "polite" });
  el.append(
    box,
    element(
      "div",
      { class: "llm-row" },
      element("label", {}, ids, " Show ids"),
      element(
        "label",
        { title: "If ticked, text such as <|endoftext|> becomes the special token with that name" },
        special,
        " Recognise special tokens",
      ),
      still ? "" : saveMenu(model, "tokens"),
    ),
    hub.line,
    rows,
    spoken,
  );

  const draw = () => {
    const text = model.get("text");
    const encodings = model.get("encodings");
    const most = Math.max(1, ...encodings.map((encoding) => encoding.count));
    rows.replaceChildren(
      ...encodings.flatMap((encoding) => {
        const bar = element("span", { class: "llm-bar" });
        bar.style.width = `${(100 * encoding.count) / most}%`;
        return [
          element(
            "div",
            { class: "llm-head" },
            element("strong", {}, encoding.name),
            element("span", { class: "llm-track", "aria-hidden": "true" }, bar),
            element("span", { class: "llm-numbers" }, numbers(text, encoding.count)),
            element("span", { class: "llm-note" }, `vocabulary ${encoding.vocab_size.toLocaleString("en")}`),
          ),
          row(encoding, text, ids.checked),
        ];
      }),
    );
    spoken.textContent = encodings.map((encoding) => `${encoding.name}: ${numbers(text, encoding.count)}`).join(". ");
  };
  ids.addEventListener("change", draw);
  return [
    follow(model, ["text"], typed.follow),
    follow(model, ["special"], () => {
      if (!hub.waiting) special.checked = model.get("special");
    }),
    follow(model, ["encodings"], draw),
  ];
});
