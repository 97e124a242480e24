// Runs a page of the web edition: views come alive when you reach them, answers are stored, side paths unfold.
// This module's functions are tested without a page; its name ends in .js because not every server knows .mjs.

import { darkRules, dress, followTheme, theme } from "./theme.js";

const KEPT = "llmlib-answers"; // the browser stores, under this name, which choice was opened first for each question
const ROOM = "(min-width: 640px)"; // on a smaller screen, a view stays a picture

/** Return the answers with one more added, unless this question already has one: only the first choice counts. */
export function withAnswer(answers, question, choice) {
  return question in answers ? answers : { ...answers, [question]: choice };
}

/** Say how many of `questions` were answered right; each has a name, and `right` is the number of the right choice. */
export function standing(questions, answers) {
  const known = questions.filter(({ name }) => name in answers);
  if (!known.length) return "";
  const right = known.filter((one) => answers[one.name] === one.right).length;
  if (questions.length === 1) return right ? "Right on the first try." : "Not right on the first try.";
  if (known.length < questions.length) return `${known.length} of ${questions.length} answered.`;
  return `${right} of ${questions.length} right on the first try.${right === questions.length ? " Well done!" : ""}`;
}

/** Return the stored answers, and ignore anything else in the storage. */
export function readAnswers(text) {
  try {
    const kept = JSON.parse(text);
    return Object.fromEntries(Object.entries(kept).filter(([, choice]) => Number.isInteger(choice)));
  } catch {
    return {};
  }
}

const stored = {
  read() {
    try {
      return readAnswers(localStorage.getItem(KEPT) ?? "{}");
    } catch {
      return {}; // this browser does not allow storage
    }
  },
  write(answers) {
    try {
      localStorage.setItem(KEPT, JSON.stringify(answers));
    } catch {
      // then the answers last only while the page is open
    }
  },
};

function element(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Tell outputs and views which theme the page has. */
function tellTheme() {
  const now = theme();
  document.body.dataset.jpThemeLight = String(now === "light");
  document.documentElement.dataset.shown = now;
  for (const frame of document.querySelectorAll(".live-view iframe")) dressView(frame);
}

const rulesOf = new WeakMap(); // for each frame, the CSS rules of its page for dark mode

/** Show a view in the theme of this page. */
function dressView(frame) {
  if (!frame.contentDocument?.body) return;
  dress(frame.contentDocument, rulesOf.get(frame) ?? [], theme());
  frame.contentDocument.body.dataset.theme = theme(); // this makes the view draw itself again
}

/** Replace a view's picture with the view's page. */
function enliven(figure) {
  if (figure.querySelector("iframe")) return;
  const picture = figure.querySelector("img");
  const frame = element("iframe", { title: figure.dataset.title, src: figure.dataset.page });
  frame.style.height = `${Math.max(200, picture?.clientHeight ?? 0)}px`; // so that the page hardly moves
  frame.addEventListener("load", () => {
    const inside = frame.contentDocument;
    if (!inside?.querySelector(".llm-standalone")) return; // the page was not found, so the picture stays
    rulesOf.set(frame, darkRules(inside));
    dressView(frame);
    const view = inside.querySelector("main");
    const fit = () => {
      const { paddingTop, paddingBottom } = frame.contentWindow.getComputedStyle(inside.body);
      frame.style.height = `${Math.ceil(view.scrollHeight + parseFloat(paddingTop) + parseFloat(paddingBottom))}px`;
    };
    new frame.contentWindow.ResizeObserver(fit).observe(view);
    figure.classList.add("is-alive");
  });
  figure.prepend(frame);
}

/** Bring views to life when they come into sight, if the screen is large enough. */
function watchViews() {
  const figures = [...document.querySelectorAll(".live-view")];
  const room = matchMedia(ROOM);
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting || !room.matches) continue;
        near.unobserve(target);
        enliven(target);
      }
    },
    { rootMargin: "300px" },
  );
  const watch = () => room.matches && figures.forEach((figure) => near.observe(figure));
  room.addEventListener("change", watch);
  watch();
}

/** Store which choice of each question was opened first, colour the choices, and show the reader's score. */
function rememberAnswers() {
  let answers = stored.read();
  const groups = [...document.querySelectorAll(".llm-report")].filter((one) => one.querySelector("details"));
  for (const report of groups) {
    const questions = [...report.querySelectorAll('[role="group"]')].map((node) => {
      const choices = [...node.querySelectorAll("details")];
      const rights = choices.map((one) => one.querySelector("strong")?.textContent === "Right.");
      return { name: node.getAttribute("aria-label"), node, choices, rights, right: rights.indexOf(true) };
    });
    const line = element("p", { className: "answers-line" });
    line.setAttribute("role", "status");
    const forget = element("button", { type: "button", className: "forget", hidden: true }, "Forget these answers");
    const show = () => {
      line.textContent = standing(questions, answers);
      forget.hidden = !line.textContent;
      for (const { name, choices } of questions)
        choices.forEach((one, k) => one.classList.toggle("is-first", answers[name] === k));
    };
    for (const { name, choices, rights } of questions)
      choices.forEach((details, k) => {
        const sign = element("span", { className: "sign" });
        details.classList.add(rights[k] ? "is-right" : "is-wrong");
        details.querySelector("summary").prepend(sign);
        details.open = answers[name] === k;
        const mark = () => {
          sign.textContent = details.open ? (rights[k] ? "✓ " : "✗ ") : "";
        };
        mark();
        details.addEventListener("toggle", () => {
          mark();
          if (details.open && !(name in answers)) {
            answers = withAnswer(stored.read(), name, k);
            stored.write(answers);
          }
          show();
        });
      });
    forget.addEventListener("click", () => {
      const mine = new Set(questions.map(({ name }) => name));
      answers = Object.fromEntries(Object.entries(stored.read()).filter(([name]) => !mine.has(name)));
      stored.write(answers);
      for (const { choices } of questions) for (const details of choices) details.open = false;
      show();
      questions[0].choices[0].querySelector("summary").focus();
    });
    report.append(line, forget);
    show();
  }
}

/** Open the folded side paths that hide the place to which the page's address points. */
function unfold() {
  let place = null;
  try {
    place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch {
    // not a valid address
  }
  if (!place) return;
  const closed = [place, ...place.querySelectorAll(":scope > details.side-path")];
  for (let node = place; node; node = node.parentElement) closed.push(node);
  let opened = false;
  for (const node of closed)
    if (node.tagName === "DETAILS" && !node.open) {
      node.open = true;
      opened = true;
    }
  if (opened) place.scrollIntoView();
}

/** Open all side paths for printing, and fold them again afterwards. */
function openForPaper() {
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.side-path:not([open])")];
    for (const node of closed) node.open = true;
  });
  addEventListener("afterprint", () => {
    for (const node of closed) node.open = false;
  });
}

/** Let readers scroll wide tables and code with the keyboard, too. */
function reachWhatScrolls() {
  const boxes = document.querySelectorAll("article pre, article .table-wrapper, .exercise-help pre, .llm-report pre");
  const tell = (box) => {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const seen = new ResizeObserver((entries) => entries.forEach(({ target }) => tell(target)));
  boxes.forEach((box) => seen.observe(box));
}

if (globalThis.document) {
  followTheme(tellTheme);
  rememberAnswers();
  watchViews();
  reachWhatScrolls();
  openForPaper();
  addEventListener("hashchange", unfold);
  unfold();
}
