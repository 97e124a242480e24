// The engine in its own thread: it receives requests as { number, kind, details }, and sends replies as { number, … }.

import { Engine } from "./engine.mjs";

/** Fetch a file of this page; `progress(bytes)` is called while it arrives. */
async function fetched(name, progress = () => {}) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`${name} is missing (${answer.status}). Build the page again.`);
  const parts = [];
  let size = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    progress((size += value.length));
  }
  return new Blob(parts).arrayBuffer();
}

const json = async (name) => JSON.parse(new TextDecoder().decode(await fetched(name)));

async function load() {
  const progress = (bytes) => postMessage({ progress: bytes });
  const [config, tokenizer, weights] = await Promise.all([
    json("config.json"),
    json("tokenizer.json"),
    fetched("model.safetensors", progress),
  ]);
  return new Engine({ config, tokenizer, weights, fetchAdapter: () => fetched("assistant.safetensors") });
}

const ready = load();
ready.catch(() => {}); // the first request reports the error

onmessage = async ({ data: { number, kind, details } }) => {
  try {
    const engine = await ready;
    postMessage({ number, result: await engine[kind](details) });
  } catch (error) {
    postMessage({ number, problem: error.message });
  }
};
