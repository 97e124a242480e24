// What Jupyter does for a view, done in the page: it keeps the view's traits, and answers its acts. See base.py.

/**
 * A model as anywidget gives one to a view. `onAct(kind, act, then)` is as `View.on_act` in Python: acts are done in
 * order, `then` once after all that have come meanwhile; an error's message is for the reader.
 */
export function pageModel(traits) {
  const state = { live: true, notice: "", ...traits };
  const listeners = new Map();
  const handlers = new Map();
  let waiting = [];
  let working = false;
  const tell = (event, ...details) => {
    for (const heard of listeners.get(event) ?? []) heard(...details);
  };

  async function work() {
    working = true;
    while (waiting.length) {
      const [came, thens, refused, notices] = [waiting, new Map(), [], new Set()];
      waiting = [];
      const tried = async (numbers, step) => {
        try {
          await step();
        } catch (error) {
          refused.push(...numbers);
          notices.add(error.message);
        }
      };
      for (const { client } of came) tell("msg:custom", { client, begun: true });
      for (const { number, kind, details } of came.flatMap(({ acts }) => acts)) {
        const [act, then] = handlers.get(kind) ?? [];
        const before = refused.length;
        await tried([number], () => {
          if (!act) throw new Error(`This page has no act called “${kind}”.`);
          return act(details);
        });
        if (then && refused.length === before) thens.set(then, [...(thens.get(then) ?? []), number]);
      }
      for (const [then, numbers] of thens) await tried(numbers, then);
      model.put({ notice: [...notices].join(" ") });
      for (const { client, acts } of came) tell("msg:custom", { client, done: acts.at(-1).number, refused });
    }
    working = false;
  }

  const model = {
    get: (name) => (name === "_standalone" ? false : state[name]),
    set(name, value) {
      state[name] = value;
      tell(`change:${name}`);
    },
    /** Change several traits; whoever follows them is called once. */
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
    send(content) {
      if (content.acts) waiting.push(content);
      if (content.acts && !working) work();
    },
    onAct(kind, act, then = null) {
      handlers.set(kind, [act, then]);
    },
  };
  return model;
}
