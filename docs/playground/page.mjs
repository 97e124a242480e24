// Shows the views on the page, and runs the engine in a worker.

import { asker } from "./asker.mjs";
import { Playground } from "./playground.mjs";
import { writer } from "./writer.mjs";

const BEGINNINGS = [
  { name: "a frog", text: "A frog called Vera woke up at the inn, where the beds are short." },
  { name: "a rainy day", text: "Since dawn it had rained, and the ducks were the only ones who did not complain." },
  { name: "a kite", text: "Bruno the bear had a yellow kite and took it everywhere. But on Friday it was gone." },
];
const QUESTIONS = ["Tell the story in one sentence.", "List the animals in the story.", "Who helped?"];

/**
 * Return the engine's methods; each sends a request to the worker and returns a promise. While the model is loading,
 * `loaded(bytes)` is called with the number of bytes that have arrived.
 */
function engineIn(worker, loaded) {
  const waiting = new Map();
  worker.addEventListener("message", ({ data: { number, result, problem, progress } }) => {
    if (progress !== undefined) {
      loaded(progress);
      return;
    }
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    if (problem === undefined) resolve(result);
    else reject(new Error(problem));
  });
  worker.addEventListener("error", (event) => waiting.forEach(({ reject }) => reject(new Error(event.message))));
  let number = 0;
  const ask = (kind, details) =>
    new Promise((resolve, reject) => {
      waiting.set((number += 1), { resolve, reject });
      worker.postMessage({ number, kind, details }, []); // the list of objects to transfer is empty, so all are copied
    });
  return new Proxy({}, { get: (_, kind) => (kind === "then" ? undefined : (details) => ask(kind, details)) });
}

async function begin(status) {
  const loaded = (bytes) => {
    status.textContent = `Loading the model: ${(bytes / 1e6).toFixed(1)} MB …`;
  };
  const engine = engineIn(new Worker(new URL("worker.mjs", import.meta.url), { type: "module" }), loaded);
  const about = await engine.about();
  const playground = new Playground(engine, about);
  playground.writer.put({ examples: BEGINNINGS });
  playground.asker.put({ examples: QUESTIONS });
  await playground.begin(BEGINNINGS[0].text);
  await playground.show();
  const views = await Promise.all(
    ["next_token.mjs", "attention.mjs"].map((name) => import(new URL(name, import.meta.url))),
  );
  const [nextToken, attention] = views.map((view) => view.default);
  for (const [id, view, model] of [
    ["next", nextToken, playground.next],
    ["writer", writer, playground.writer],
    ["attention", attention, playground.attention],
    ["asker", asker, playground.asker],
  ])
    view.render({ model, el: document.getElementById(id) });
  status.textContent = "";
  document.body.dataset.ready = "yes";
  performance.mark("playground-ready");
  globalThis.playground = playground; // for tests, and for readers who explore the playground in the browser's console
}

const status = document.getElementById("status");
begin(status).catch((error) => {
  status.textContent = `The model could not be loaded: ${error.message}`;
});
if (globalThis.isSecureContext) navigator.serviceWorker?.register(new URL("offline.js", import.meta.url));
