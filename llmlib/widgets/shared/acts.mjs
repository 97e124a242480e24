// Tells Python what the user does. No action is lost, actions stay in order, and their state is always visible.

import { element } from "./shared.mjs";

/**
 * A queue that sends the user's actions in order. Only one message is in transit at a time; the next message carries
 * all actions that have been waiting. The exception is `hurry`: it sends waiting actions at once, because they may make
 * Python's long work unnecessary. An action with a name in `latest` (such as each move of a slider) replaces only an
 * action with the same name that is waiting right before it. `send` takes a list of actions, and may throw an error if
 * Python is gone.
 */
export class Queue {
  constructor(send, lost) {
    Object.assign(this, { send, lost, waiting: [], sent: [], number: 0 });
  }

  /**
   * Add an action, and return a promise. It resolves to true once Python has done the action or a newer action has
   * replaced it, and to false if Python has refused it or is gone.
   */
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

  /** Record that Python has handled all actions up to this number, and has refused the actions in `refused`. */
  done(number, refused = []) {
    if (!this.sent.some((act) => act.number === number)) return; // this answer came after we gave up on the action
    const dealt = this.sent.filter((act) => act.number <= number);
    this.sent = this.sent.filter((act) => act.number > number);
    for (const act of dealt) act.resolve(!refused.includes(act.number));
    this.flush();
  }

  /** Stop waiting for answers; the promises of all unfinished actions resolve to false. */
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
const ENDED = ["dead", "terminating", "restarting", "autorestarting"]; // these states mean that the kernel is gone
// Milliseconds until the view says that Python is working, until the work can be cancelled, and until the view says
// that Python is not answering.
const SOON = 200;
const CANCELLABLE = 600;
const PATIENCE = 3000;

/**
 * Name the state of a waiting action. `begun`: Python has started on the action; `elapsed`: the wait so far, in
 * milliseconds.
 */
export function standing({ begun, elapsed }) {
  return elapsed < SOON ? "" : begun || elapsed < PATIENCE ? "computing" : "waiting";
}

/** Return the object that tells us, in JupyterLab and Notebook, whether the kernel is alive. */
const sessionOf = (model) => model.widget_manager?.context?.sessionContext ?? model.widget_manager?.kernel;

const OTHERS_FIRST = "Python is busy with something else. This will wait its turn.";
const UNSURE = [
  "Python is not answering. If a cell is running, this will wait its turn;",
  "if the kernel was restarted, run the cell again.",
].join(" ");

/**
 * Connect a view to Python. `act(kind, details, { latest })` sends what the user does; `look(traits)` stores where
 * the user is looking. Controls that send actions carry `data-acts`, and others that need Python carry `data-python`.
 * Without Python all these controls are switched off, but their text can still be copied. `line` is the status line. It
 * says what could not be done, that Python is busy, or that Python is gone.
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

  /** Whether Python has been working for so long that further actions should be sent before it has finished. */
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
   * Find out whether the kernel is busy or was restarted. A kernel handles messages in order, so if it answers a later
   * request without having begun the action, it has not received the action.
   */
  async function inquire() {
    inquiring = true;
    const { sent } = queue;
    try {
      await kernel().requestCommInfo({});
      // news about actions uses another channel and may arrive later
      await new Promise((resolve) => setTimeout(resolve, 1000));
      if (queue.sent === sent && !begun) lose();
    } catch {
      /* there is no connection, so we still do not know */
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

  const receive = (message) => {
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
    // this runs when the connection to Python is lost or restored
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

  model.on("msg:custom", receive);
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
      } // even without Python, this page shows the change
    },
    get gone() {
      return gone;
    },
    /** Call `then` when we find that Python is gone. */
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
      model.off("msg:custom", receive);
      model.off("comm_live_update", probe);
      model.off("change:notice", show);
      session?.statusChanged?.disconnect(ended);
      session?.kernelChanged?.disconnect(lose);
    },
  };
}
