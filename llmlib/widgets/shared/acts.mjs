// What the reader does, on its way to Python: nothing is lost, nothing overtakes, and the reader always knows how it
// stands.

import { element } from "./shared.mjs";

/**
 * Acts in the order in which they were done. One message at a time is on its way; the next carries all that waited.
 * Only `hurry` sends what waits at once: Python has work that takes long, and it may have become needless.
 * An act with a name in `latest` (a slider that moves, a text that grows) takes the place of one of the same name that
 * waits right before it, and of no other. `send` takes a list of acts and may throw: then nobody is there.
 */
export class Queue {
  constructor(send, lost) {
    Object.assign(this, { send, lost, waiting: [], sent: [], number: 0 });
  }

  /** Resolves to true once Python has done it, to false if it refused or is gone. */
  add(kind, details = {}, latest = null) {
    const act = { number: ++this.number, kind, details, latest };
    const promise = new Promise((resolve) => {
      act.resolve = resolve;
    });
    if (latest !== null && this.waiting.at(-1)?.latest === latest) this.waiting.pop().resolve(true);
    this.waiting.push(act);
    this.flush();
    return promise;
  }

  flush() {
    if (!this.sent.length) this.hurry();
  }

  hurry() {
    if (!this.waiting.length) return;
    const now = this.waiting;
    const first = !this.sent.length;
    [this.sent, this.waiting] = [[...this.sent, ...now], []];
    try {
      this.send(
        now.map(({ number, kind, details }) => ({ number, kind, details })),
        first,
      );
    } catch {
      this.lost();
    }
  }

  /** Python has dealt with all acts up to this number, but has refused those listed. */
  done(number, refused = []) {
    if (!this.sent.some((act) => act.number === number)) return; // a late answer to what was given up
    const dealt = this.sent.filter((act) => act.number <= number);
    this.sent = this.sent.filter((act) => act.number > number);
    for (const act of dealt) act.resolve(!refused.includes(act.number));
    this.flush();
  }

  /** Nobody will answer: every act that is not done comes back to whoever did it. */
  abandon() {
    const undone = [...this.sent, ...this.waiting];
    this.sent = [];
    this.waiting = [];
    for (const act of undone) act.resolve(false);
  }

  get idle() {
    return !this.sent.length;
  }
}

const RESTARTED = "The kernel was restarted: run the cell again.";
const ENDED = ["dead", "terminating", "restarting", "autorestarting"]; // of a kernel's states
// Milliseconds until it is said that Python works; until that can be cancelled; until it is said that it does not
// answer.
const SOON = 200;
const CANCELLABLE = 600;
const PATIENCE = 3000;

/**
 * How it stands with an act that waits: whether Python has begun with it, and for how many milliseconds it has waited.
 */
export function standing({ begun, elapsed }) {
  return elapsed < SOON ? "" : begun || elapsed < PATIENCE ? "computing" : "waiting";
}

/** What tells of the kernel's life, where it can be reached: in JupyterLab and Notebook. */
const sessionOf = (model) => model.widget_manager?.context?.sessionContext ?? model.widget_manager?.kernel;

const OTHERS_FIRST = "Python is busy with something else; this waits for its turn.";
const UNSURE = [
  "Python does not answer. If a cell is running, this waits for its turn;",
  "if the kernel was restarted, run the cell again.",
].join(" ");

/**
 * The way to Python. `act(kind, details, { latest })` sends what the reader does, `look(traits)` keeps what concerns
 * only the way of looking. Controls that act carry `data-acts`, others that need Python `data-python`; they are
 * switched off where there is none, and texts in them can still be copied. `line` says what could not be done, that
 * Python is busy, or that it is gone.
 */
export function connect(model, el) {
  const busy = element("span", { class: "llm-busy" });
  const notice = element("span", { class: "llm-notice" });
  const still = Boolean(model.get("_standalone"));
  const live = Boolean(model.get("live")) && !still;
  const cancel = element("button", { type: "button", class: "llm-cancel", hidden: true, onclick: callOff }, "Cancel");
  const said = element("span", { role: "status" }, busy, notice);
  const line = element("div", { class: "llm-state", hidden: !live }, said, ...(live ? [cancel] : []));
  const client = Math.random().toString(36).slice(2);
  let begun = false;
  let since = 0;
  let progress = "";
  let gone = false;
  let inquiring = false;
  let timer = 0;
  const whenGone = [];
  const later = (delay) => {
    clearTimeout(timer);
    timer = setTimeout(check, delay);
  };

  const queue = new Queue(
    (acts, first) => {
      if (first) {
        begun = false;
        progress = "";
        since = performance.now();
      }
      model.send({ acts, client });
      later(SOON + 10);
    },
    () => lose(),
  );

  /** Whether Python has worked for so long on what was sent that acts behind it should not wait for its end. */
  const takesLong = () => begun && !gone && performance.now() - since > SOON;

  function callOff() {
    try {
      model.send({ cancel: true, client });
    } catch {
      lose();
    }
  }

  function lose() {
    if (gone || still) return;
    gone = true;
    queue.abandon();
    show();
    guard();
    whenGone.forEach((then) => then());
  }

  function revive() {
    if (!gone) return;
    gone = false;
    for (const node of el.querySelectorAll("[data-off]")) switchOn(node);
    guard();
    show();
  }

  const kernel = () => model.widget_manager?.kernel;

  /**
   * Busy is not dead. A kernel deals with messages in order: one that answers a later question has not known the act.
   */
  async function inquire() {
    inquiring = true;
    const { sent } = queue;
    try {
      await kernel().requestCommInfo({});
      await new Promise((resolve) => setTimeout(resolve, 1000)); // answers come on another way, perhaps a bit later
      if (queue.sent === sent && !begun) lose();
    } catch {
      /* no connection: it is still not known */
    }
    inquiring = false;
  }

  function check() {
    if (queue.idle) return;
    if (takesLong()) queue.hurry();
    if (!begun && !inquiring && kernel()?.requestCommInfo && performance.now() - since > PATIENCE) inquire();
    show();
    later(begun ? 120 : 250);
  }

  function show() {
    const how = gone || queue.idle ? "" : standing({ begun, elapsed: performance.now() - since });
    const words = {
      computing: `Computing${progress ? `: ${progress}` : ""} …`,
      waiting: kernel() ? OTHERS_FIRST : UNSURE,
      "": "",
    }[how];
    busy.textContent = gone && live ? RESTARTED : words;
    busy.classList.toggle("llm-restarted", gone && live);
    cancel.hidden = gone || !begun || how !== "computing" || performance.now() - since < CANCELLABLE;
    el.setAttribute("aria-busy", String(how !== ""));
    notice.textContent = gone ? "" : (model.get("notice") ?? "");
  }

  const heard = (message) => {
    if (message.client !== client) return;
    if (message.pong || message.begun) revive();
    if (message.begun) {
      begun = true;
      since = performance.now();
    }
    if (message.progress) {
      progress = message.progress;
      show();
    }
    if (message.done) {
      queue.done(message.done, message.refused);
      show();
    }
  };
  const probe = () => {
    // the way to Python was cut, or is there again
    if (still) return;
    try {
      model.send({ ping: true, client });
    } catch {
      lose();
    }
  };
  const session = sessionOf(model);
  const ended = (_, status) => {
    if (ENDED.includes(status)) lose();
  };
  session?.statusChanged?.connect(ended);
  session?.kernelChanged?.connect(lose);

  const off = () => gone || !live;
  function switchOff(node) {
    const property = node.matches('textarea, input[type="text"]') ? "readOnly" : "disabled";
    if (node[property]) return;
    node[property] = true;
    node.dataset.off = property;
  }
  function switchOn(node) {
    node[node.dataset.off] = false;
    delete node.dataset.off;
  }
  function guard() {
    if (off()) el.querySelectorAll("[data-acts]").forEach(switchOff);
    if (gone || still) el.querySelectorAll("[data-python]").forEach(switchOff);
  }
  const changed = new MutationObserver(guard);
  changed.observe(el, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["disabled", "readonly", "data-acts"],
  });

  model.on("msg:custom", heard);
  model.on("comm_live_update", probe);
  model.on("change:notice", show);
  show();
  return {
    live,
    line,
    act(kind, details = {}, { latest = null } = {}) {
      if (off()) return Promise.resolve(false);
      return queue.add(kind, details, latest);
    },
    look(traits) {
      for (const [name, value] of Object.entries(traits)) model.set(name, value);
      try {
        model.save_changes();
      } catch {
        lose();
      } // this page still shows it
    },
    get gone() {
      return gone;
    },
    /** Call `then` when Python is found to be gone. */
    whenGone(then) {
      whenGone.push(then);
    },
    get waiting() {
      return !queue.idle;
    },
    close() {
      changed.disconnect();
      clearTimeout(timer);
      queue.abandon();
      model.off("msg:custom", heard);
      model.off("comm_live_update", probe);
      model.off("change:notice", show);
      session?.statusChanged?.disconnect(ended);
      session?.kernelChanged?.disconnect(lose);
    },
  };
}
