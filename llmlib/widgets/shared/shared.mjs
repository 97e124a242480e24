// Helper functions for every widget: first pure functions, then the few functions that touch the page.

const SEEN = { " ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥" };
const INKLESS = /⟨[0-9A-F]{2}(?: [0-9A-F]{2})*⟩|[\p{Cc}\p{Cf}\p{Z}\ufe00-\ufe0f]/gu;

const codePoint = (sign) => `U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/**
 * Write a token so that all of it is visible: "·" for a space, "⏎" for a newline, "⇥" for a tab, and codes such as
 * ⟨U+200D⟩ for other invisible characters. Bytes of a split character, which Python writes as ⟨F0 9F⟩, do not change.
 */
export function visibleToken(text) {
  if (text === "") return "∅";
  const label = text.replace(INKLESS, (found) => (found.length > 3 ? found : (SEEN[found] ?? `⟨${codePoint(found)}⟩`)));
  return /^\p{M}/u.test(label) ? `◌${label}` : label; // a combining mark needs a base character
}

/** Write a token in words for a screen reader. */
export function spokenToken(text) {
  if (text === "") return "empty token";
  const named = text
    .replaceAll("\n", " newline ")
    .replaceAll("\t", " tab ")
    .replace(/\p{Cc}/gu, codePoint);
  if (named.trim() === "") return named.length === 1 ? "a space" : `${named.length} spaces`;
  return (text.startsWith(" ") ? "space, " : "") + named.trim();
}

/** Split a token's bytes into whole characters and left-over bytes, in order: [{text}, {bytes}, …]. */
export function characters(bytes) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const found = [];
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i];
    const length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    try {
      if (i + length > bytes.length) throw new TypeError("incomplete character");
      found.push({ text: decoder.decode(bytes.subarray(i, i + length)) });
      i += length;
    } catch {
      if (found.at(-1)?.bytes) found.at(-1).bytes.push(lead);
      else found.push({ bytes: [lead] });
      i += 1;
    }
  }
  return found;
}

/** Write bytes as hexadecimal numbers: [240, 159] -> "F0 9F". */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join(" ");
}

/** Read bytes from hexadecimal digits: "f09f" -> [240, 159]. */
export function fromHex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Write a token as text. Bytes of a split character are not text on their own, so they appear as ⟨F0 9F⟩. */
export function tokenText(bytes) {
  return characters(bytes)
    .map((part) => part.text ?? `⟨${hex(part.bytes)}⟩`)
    .join("");
}

/**
 * Write a token's bytes with visible white space, names for invisible characters, and ⟨F0 9F⟩ for bytes of a split
 * character.
 */
export function tokenLabel(bytes) {
  return visibleToken(tokenText(bytes));
}

/** Replace lone halves of surrogate pairs, which cannot be sent to Python, with U+FFFD. */
export function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}

const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** Return "rtl" if the text's first letter is written from right to left, else "ltr"; if there are no letters, return
 * `otherwise`. */
export function direction(text, otherwise = "ltr") {
  const letter = text.match(/\p{L}/u)?.[0];
  return letter === undefined ? otherwise : RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
}

/**
 * Wrap a right-to-left token in marks, so that its direction does not affect the sentence around it.
 */
export function isolated(token) {
  return RIGHT_TO_LEFT.test(token) ? `\u2068${token}\u2069` : token;
}

/**
 * Group neighbouring tokens that are written in the same direction: [{dir, from, to}, …], in the order of the text.
 * `base` is the direction of the text. Digits go from left to right. A token without a direction takes the direction
 * of its neighbours if these agree, and otherwise `base` (rules N1 and N2 of the Unicode bidirectional algorithm, one
 * token at a time).
 */
export function runs(texts, base) {
  const own = texts.map((text) => {
    // bytes of a split character have no direction
    const bare = text.replace(/⟨[^⟩]*⟩/g, "");
    return /\p{L}/u.test(bare) ? direction(bare) : /\p{N}/u.test(bare) ? "ltr" : null;
  });
  const after = Array.from(own);
  for (let k = own.length - 1, next = base; k >= 0; k--) {
    after[k] = next;
    next = own[k] ?? next;
  }
  const found = [];
  let before = base;
  own.forEach((dir, k) => {
    const here = dir ?? (before === after[k] ? before : base);
    before = dir ?? before;
    if (found.at(-1)?.dir === here) found.at(-1).to = k + 1;
    else found.push({ dir: here, from: k, to: k + 1 });
  });
  return found;
}

/** Write a probability as a percentage: 0.5 -> "50%", 0.0312 -> "3.1%", 0.0004 -> "<0.1%". */
export function percent(p) {
  if (!Number.isFinite(p)) return "not a number";
  if (p >= 0.0995) return `${Math.round(100 * p)}%`;
  if (p >= 0.001) return `${(100 * p).toFixed(1)}%`;
  return p > 0 ? "<0.1%" : "0%";
}

/** Write a number with its noun: 1 -> "1 token", 1200 -> "1,200 tokens". */
export const howMany = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

/** Say how many equally likely tokens would have this entropy (in nats): "2.5 equally likely tokens". */
export function equalTokens(entropy) {
  const n = Math.exp(entropy);
  return `${n < 9.5 ? n.toFixed(1) : Math.round(n).toLocaleString("en")} equally likely tokens`;
}

/** Escape text for SVG or HTML source. */
export function escapeXml(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  // eslint-disable-next-line no-control-regex
  return text.replace(/[&<>"']/g, (c) => names[c]).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd");
}

/** Make a page element. Strings become text nodes, never markup, and `on…` attributes become event listeners. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Join tokens into a text, and restore the characters that were split between tokens. */
export function joinedText(tokens) {
  return tokens
    .join("")
    .replace(/(?:⟨[0-9A-F]{2}(?: [0-9A-F]{2})*⟩)+/g, (found) =>
      new TextDecoder().decode(fromHex(found.replace(/[⟨⟩ ]/g, ""))),
    );
}

/**
 * Add the nodes of tokens to `box` in reading order, whatever their directions. `box` itself gets the direction of the
 * text or, if the text has none, the direction `around` the box.
 */
export function inReadingOrder(box, texts, nodes, around = "ltr") {
  box.dir = direction(joinedText(texts), around);
  box.append(
    ...runs(texts, box.dir).flatMap(({ dir, from, to }) =>
      dir === box.dir ? nodes.slice(from, to) : [element("span", { dir }, ...nodes.slice(from, to))],
    ),
  );
}

/**
 * Keep key presses inside a view. Otherwise, JupyterLab would treat them as its own commands, or move the focus to the
 * cell that it considers active.
 */
export function keepKeys(el) {
  el.setAttribute("data-lm-suppress-shortcuts", "true");
  el.addEventListener("keydown", (event) => event.stopPropagation());
}

/** Let the user download bytes or text as a file. */
export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Draw SVG source at twice its size, and let the user download the image as a PNG file. */
export async function downloadPng(name, svg) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = element("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => download(name, blob, "image/png"));
  URL.revokeObjectURL(image.src);
}

/** Ask Python for an export ("svg" or "html"), and return a promise that resolves to its source. */
export function askPython(model, kind) {
  return new Promise((resolve) => {
    const answer = (message) => {
      if (message.kind !== kind) return;
      model.off("msg:custom", answer);
      resolve(message.source);
    };
    model.on("msg:custom", answer);
    model.send({ ask: kind });
  });
}

/** Make the "Save" menu of a view. Pictures come from `makeSvg` or Python; the HTML page always comes from Python. */
export function saveMenu(model, name, makeSvg = fromPython) {
  const button = (label, save, needsPython = makeSvg === fromPython) =>
    element("button", { type: "button", onclick: save, "data-python": needsPython }, label);
  const menu = element(
    "details",
    { class: "llm-save" },
    element("summary", {}, "Save"),
    button("SVG", async () => download(`${name}.svg`, await makeSvg(model), "image/svg+xml")),
    button("PNG", async () => downloadPng(`${name}.png`, await makeSvg(model))),
  );
  if (!model.get("_standalone"))
    menu.append(
      button("HTML page", async () => download(`${name}.html`, await askPython(model, "html"), "text/html"), true),
    );
  return menu;
}

const fromPython = (model) => askPython(model, "svg");

/**
 * Call `update` now, and again whenever some of the named traits change. It is called once for everything in one
 * message, so it never sees half of a change. Returns a function that stops these calls.
 */
export function follow(model, names, update) {
  let queued = false;
  let stopped = false;
  const changed = () => {
    if (queued) return;
    queued = true;
    queueMicrotask(() => {
      queued = false;
      if (!stopped) update();
    });
  };
  for (const name of names) model.on(`change:${name}`, changed);
  update();
  return () => {
    stopped = true;
    names.forEach((name) => model.off(`change:${name}`, changed));
  };
}

/** Return a function that schedules `draw` for the next frame; `draw` runs only once, however often the function is
 * called before that frame. */
export function oncePerFrame(draw) {
  let frame = 0;
  const later = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };
  later.stop = () => cancelAnimationFrame(frame);
  return later;
}

const LEAST = 40; // in pixels; a view that is not laid out yet is narrower, at most as wide as its padding

/**
 * Call `draw(width)` with a view's current width, and again whenever the width or the page's theme changes. The width
 * is measured again for each call, since a page that changes its theme has no styles for a moment. Returns a function
 * that stops these calls.
 */
export function followLooks(el, draw) {
  let drawn = null; // the width of the last drawing, or null if the view must still be drawn in the page's current look
  const redraw = () => {
    drawn = el.isConnected && el.clientWidth >= LEAST ? el.clientWidth : null;
    if (drawn !== null) draw(drawn); // if the size or the theme is missing, an observer calls `redraw` later
  };
  const later = () =>
    requestAnimationFrame(() => {
      if (drawn === null) redraw();
    });
  const resized = new ResizeObserver(() => {
    if (el.clientWidth !== drawn) redraw();
  });
  resized.observe(el);
  const themed = new MutationObserver(() => {
    redraw();
    later();
  }); // when the styles are back, the width may be the same as before, so `resized` may not notice
  themed.observe(document.body, {
    attributes: true,
    attributeFilter: ["data-jp-theme-light", "data-jp-theme-name", "class", "data-theme"],
  });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  redraw();
  return () => {
    resized.disconnect();
    themed.disconnect();
    scheme.removeEventListener("change", redraw);
  };
}

/** Shorten a token to at most `length` characters. */
export function shorten(text, length) {
  const letters = Array.from(text);
  return letters.length <= length ? text : `${letters.slice(0, length - 1).join("")}…`;
}
