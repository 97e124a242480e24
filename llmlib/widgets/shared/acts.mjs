// Carries what the reader does to Python: nothing is lost, nothing overtakes, and the reader always knows the state.

import { element } from "./shared.mjs";

/**
 * Acts in the order that they were done. One message at a time is on its way; the next carries everything that waited.
 * Only `hurry` sends what waits at once, because Python's long work may have become unnecessary. An act with a name in
 * `latest` (a slider that moves, a text that grows) replaces one of the same name that waits right before it, and no
 * other. `send` takes a list of acts and may throw if nobody is there.
 */
export class Queue {
  constructor(send, lost) {
    Object.assign(this, { send, lost, waiting: [], sent: [], number: 0 });
  }

  /** Resolves to true once Python has done the act, to false if Python refused it or is gone. */
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

  /** Python has handled all acts up to this number, and refused those listed. */
  done(number, refused = []) {
    if (!this.sent.some((act) => act.number === number)) return; // a late answer to an act that was given up
    const dealt = this.sent.filter((act) => act.number <= number);
    this.sent = this.sent.filter((act) => act.number > number);
    for (const act of dealt) act.resolve(!refused.includes(act.number));
    this.flush();
  }

  /** Nobody will answer: give every act that is not done back to whoever did it. */
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
// Milliseconds until the view says that Python is working; until that can be cancelled; until it says that Python does
// not answer.
const SOON = 200;
const CANCELLABLE = 600;
const PATIENCE = 3000;

/**
 * The state of a waiting act: whether Python has begun with it, and for how many milliseconds it has waited.
 */
export function standing({ begun, elapsed }) {
  return elapsed < SOON ? "" : begun || elapsed < PATIENCE ? "computing" : "waiting";
}

/** Where to learn whether the kernel lives, in JupyterLab and Notebook. */
const sessionOf = (model) => model.widget_manager?.context?.sessionContext ?? model.widget_manager?.kernel;

const OTHERS_FIRST = "Python is busy with something else. This will wait its turn.";
const UNSURE = [
  "Python is not answering. If a cell is running, this will wait its turn;",
  "if the kernel was restarted, run the cell again.",
].join(" ");

/**
 * The way to Python. `act(kind, details, { latest })` sends what the reader does; `look(traits)` keeps where the reader
 * looks. Controls that act carry `data-acts`, others that need Python carry `data-python`; without Python they are
 * switched off, but their texts can still be copied. `line` says what could not be done, that Python is busy, or that
 * it is gone.
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

  /** Whether Python has been working so long that further acts should not wait for the end. */
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
   * Busy is not dead. A kernel handles messages in order: if it answers a later question, it did not know the act.
   */
  async function inquire() {
    inquiring = true;
    const { sent } = queue;
    try {
      await kernel().requestCommInfo({});
      await new Promise((resolve) => setTimeout(resolve, 1000)); // answers come by another channel, perhaps a bit later
      if (queue.sent === sent && !begun) lose();
    } catch {
      /* no connection: we still do not know */
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
    // the connection to Python was cut, or is back
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
