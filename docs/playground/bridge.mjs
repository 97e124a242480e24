// Stands in for Jupyter on the page: this module stores a view's traits and handles its actions. See base.py.

const unknown = (kind) => () => {
  throw new Error(`There is no action “${kind}” here.`);
};

/**
 * Make a model like the one that anywidget passes to a view. `onAct(kind, act, then)` works like `View.on_act` in
 * Python: actions are carried out in order, and `then` is called once after all actions that arrived together; an
 * error's message is shown to the reader. `check()` throws if the reader has cancelled the current action.
 */
export function pageModel(traits) {
  const state = { live: true, notice: "", ...traits };
  const listeners = new Map();
  const handlers = new Map();
  let waiting = [];
  let working = false;
  let cancelled = false;
  const tell = (event, ...details) => {
    for (const heard of listeners.get(event) ?? []) heard(...details);
  };

  async function work() {
    working = true;
    while (waiting.length) {
      const came = waiting;
      waiting = [];
      cancelled = false;
      for (const { client } of came) tell("msg:custom", { client, begun: true });
      const { refused, notices } = await done(came);
      model.put({ notice: [...notices].join(" ") });
      for (const { client, acts } of came) {
        const own = acts.map(({ number }) => number).filter((number) => refused.has(`${client} ${number}`));
        tell("msg:custom", { client, done: acts.at(-1).number, refused: own });
      }
    }
    working = false;
  }

  /** Carry out actions that arrived together; return which of them failed, and why. */
  async function done(came) {
    const [refused, notices, needed] = [new Set(), new Set(), new Map()];
    const tried = async (names, step) => {
      try {
        await step();
        return true;
      } catch (error) {
        for (const name of names) refused.add(name);
        notices.add(error.message);
        return false;
      }
    };
    for (const { client, acts } of came)
      for (const { number, kind, details } of acts) {
        const name = `${client} ${number}`;
        const [act, then] = handlers.get(kind) ?? [unknown(kind)];
        if ((await tried([name], () => act(details))) && then) needed.set(then, [...(needed.get(then) ?? []), name]);
      }
    for (const [then, names] of needed) await tried(names, then);
    return { refused, notices };
  }

  const model = {
    get: (name) => (name === "_standalone" ? false : state[name]),
    set(name, value) {
      state[name] = value;
      tell(`change:${name}`);
    },
    /** Change several traits; each follower is called once. */
    put(changes) {
      for (const [name, value] of Object.entries(changes)) model.set(name, value);
    },
    save_changes() {},
    on(event, heard) {
      listeners.set(event, [...(listeners.get(event) ?? []), heard]);
    },
    off(event, heard) {
      listeners.set(
        event,
        (listeners.get(event) ?? []).filter((one) => one !== heard),
      );
    },
    check() {
      if (cancelled) throw new Error("You cancelled this, so it was not done.");
    },
    send(content) {
      cancelled ||= Boolean(content.cancel);
      if (content.acts) waiting.push(content);
      if (content.acts && !working) work();
    },
    onAct(kind, act, then = null) {
      handlers.set(kind, [act, then]);
    },
  };
  return model;
}
