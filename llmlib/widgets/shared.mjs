// Helpers that every widget's JavaScript begins with. Pure functions first, then the few that touch the page.

/** How a token is written so that white space shows: "·" for a space, "⏎" for a newline, "⇥" for a tab. */
export function visibleToken(text) {
  if (text === "") return "∅";
  return text.replaceAll(" ", "·").replaceAll("\n", "⏎").replaceAll("\r", "␍").replaceAll("\t", "⇥");
}

/** The same for a screen reader. */
export function spokenToken(text) {
  if (text === "") return "empty token";
  const named = text.replaceAll("\n", " newline ").replaceAll("\t", " tab ");
  if (named.trim() === "") return named.length === 1 ? "a space" : `${named.length} spaces`;
  return (text.startsWith(" ") ? "space, " : "") + named.trim();
}

/** 0.5 -> "50%", 0.0312 -> "3.1%", 0.0004 -> "<0.1%". */
export function percent(p) {
  if (!Number.isFinite(p)) return "not a number";
  if (p >= 0.0995) return `${Math.round(100 * p)}%`;
  if (p >= 0.001) return `${(100 * p).toFixed(1)}%`;
  return p > 0 ? "<0.1%" : "0%";
}

/** Escape text for SVG or HTML source. */
export function escapeXml(text) {
  const names = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  // eslint-disable-next-line no-control-regex
  return text.replace(/[&<>"']/g, (c) => names[c]).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd");
}

/** A page element; strings become text nodes, never markup. `on…` attributes are listeners. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** Offer bytes or text as a file. */
export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Draw SVG source at twice its size and offer it as a PNG file. */
export async function downloadPng(name, svg) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = element("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => download(name, blob, "image/png"));
  URL.revokeObjectURL(image.src);
}

/** Ask Python for an export ("svg" or "html"); resolves to its source. */
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

/** The "Save" menu of a view. The picture comes from `makeSvg`, or from Python; the page always from Python. */
export function saveMenu(model, name, makeSvg = () => askPython(model, "svg")) {
  const button = (label, save) => element("button", { type: "button", onclick: save }, label);
  const menu = element(
    "details",
    { class: "llm-save" },
    element("summary", {}, "Save"),
    button("SVG", async () => download(`${name}.svg`, await makeSvg(), "image/svg+xml")),
    button("PNG", async () => downloadPng(`${name}.png`, await makeSvg())),
  );
  if (!model.get("_standalone"))
    menu.append(button("HTML page", async () => download(`${name}.html`, await askPython(model, "html"), "text/html")));
  return menu;
}

/** Call `update` now and at each change of the named traits; returns a function that stops it. */
export function follow(model, names, update) {
  for (const name of names) model.on(`change:${name}`, update);
  update();
  return () => names.forEach((name) => model.off(`change:${name}`, update));
}
