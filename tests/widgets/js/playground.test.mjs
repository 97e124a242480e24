import assert from "node:assert/strict";
import test from "node:test";

import { pageModel } from "../../../docs/playground/bridge.mjs";
import { Playground, restInWords, storyOf } from "../../../docs/playground/playground.mjs";
import { draw, inOrder, logProbabilities, probabilities } from "../../../docs/playground/sampling.mjs";
import { linear, rmsNorm, rotate, softmax, withAdapter } from "../../../docs/playground/transformer.mjs";
import { fromBfloat16, readSafetensors } from "../../../docs/playground/weights.mjs";

const close = (found, expected) =>
  found.forEach((value, k) => assert.ok(Math.abs(value - expected[k]) < 1e-5, `${[...found]} and not ${expected}`));

test("the parts of the model compute the expected numbers", () => {
  const weight = Float32Array.from([1, 0, 0, 1, 1, 1, 2, -1]); // two inputs, four outputs
  assert.deepEqual([...linear(Float32Array.from([3, 4, 1, 0]), weight, 2)], [3, 4, 7, 2, 1, 0, 1, 2]);
  close(rmsNorm(Float32Array.from([3, 4]), Float32Array.from([1, 2]), 0), [0.848528, 2.262742]);
  close(softmax(Float32Array.from([1000, 1000, -Infinity])), [0.5, 0.5, 0]);
  close(rotate(Float32Array.from([1, 0, 1, 0]), 0, 2, 2, 10000), [1, 0, Math.cos(1), Math.sin(1)]);
});

test("an adapter adds the product B A to its weights or replaces rows, and changes nothing else", () => {
  const names = ["self_attn.q_proj", "self_attn.k_proj"].map((part) => `model.layers.0.${part}`);
  const one = { shape: [2, 2], data: Float32Array.from([1, 0, 0, 1]) };
  const tensors = { [`${names[0]}.weight`]: one, [`${names[1]}.weight`]: one, "lm_head.weight": one };
  const adapter = {
    [`${names[0]}.lora_A`]: { shape: [1, 2], data: Float32Array.from([1, 2]) },
    [`${names[0]}.lora_B`]: { shape: [2, 1], data: Float32Array.from([0, 10]) },
    "lm_head.rows": { shape: [1, 2], data: Float32Array.from([7, 8]) },
  };
  const tuned = withAdapter(tensors, adapter, 1);
  assert.deepEqual([...tuned[`${names[0]}.weight`].data], [1, 0, 10, 21]);
  assert.deepEqual([...tuned["lm_head.weight"].data], [1, 0, 7, 8]);
  assert.equal(tuned[`${names[1]}.weight`], one);
  assert.deepEqual([...one.data], [1, 0, 0, 1], "the base keeps its own weights");
});

test("temperature and top_p change the probabilities", () => {
  const logits = Float32Array.from([0.1, 0.6, 0.3], Math.log);
  close(probabilities(logits, { temperature: 1, topP: 1 }), [0.1, 0.6, 0.3]);
  close(probabilities(logits, { temperature: 0, topP: 0.5 }), [0, 1, 0]);
  close(probabilities(logits, { temperature: 1e-30, topP: 1 }), [0, 1, 0]);
  close(probabilities(logits, { temperature: 1, topP: 0.8 }), [0, 2 / 3, 1 / 3]);
  close(probabilities(logits, { temperature: 1, topP: 0.5 }), [0, 1, 0]);
  close(logProbabilities(logits), [...logits]);
});

test("tokens are drawn according to their probabilities, never one with probability zero", () => {
  const p = Float32Array.from([0, 0.25, 0, 0.75, 0]);
  assert.deepEqual(
    [0, 0.24, 0.26, 0.999999].map((chance) => draw(p, chance)),
    [1, 1, 3, 3],
  );
  assert.equal(draw(p, 1), 3, "rounding may leave a little at the end");
  assert.deepEqual(inOrder([1, 3, 3, 2], 3), [1, 2, 3]);
});

/** A safetensors file with this header and these bytes. */
function fileOf(header, bytes) {
  const head = new TextEncoder().encode(JSON.stringify(header));
  const whole = new Uint8Array(8 + head.length + bytes.length);
  new DataView(whole.buffer).setBigUint64(0, BigInt(head.length), true);
  whole.set(head, 8);
  whole.set(bytes, 8 + head.length);
  return whole.buffer;
}

test("weights are read from a safetensors file", () => {
  close(fromBfloat16(Uint16Array.from([0x3f80, 0xc000])), [1, -2]);
  const header = { __metadata__: { format: "pt" }, w: { dtype: "BF16", shape: [2], data_offsets: [0, 4] } };
  const { w } = readSafetensors(fileOf(header, [0x80, 0x3f, 0x00, 0xc0]));
  assert.deepEqual([w.shape, [...w.data]], [[2], [1, -2]]);
  assert.throws(() => readSafetensors(fileOf(header, [0x80, 0x3f])), /The weights of w are cut off/);
  assert.throws(() => readSafetensors(new ArrayBuffer(4)), /cut off\. Reload the page/);
});

/** Send an action as a view does, and resolve to whether it was carried out. */
function act(model, kind, details = {}) {
  const client = String(Math.random());
  return new Promise((resolve) => {
    const listener = (message) => {
      if (message.client !== client || !message.done) return;
      model.off("msg:custom", listener);
      resolve(message.refused.length === 0);
    };
    model.on("msg:custom", listener);
    model.send({ client, acts: [{ number: 1, kind, details }] });
  });
}

test("actions are handled in order, and the work that several of them need is done once", async () => {
  const model = pageModel({ letters: "" });
  const done = [];
  model.onAct(
    "add",
    async ({ letter }) => {
      if (letter === "!") throw new Error("Not a letter.");
      model.put({ letters: model.get("letters") + letter });
    },
    () => done.push(model.get("letters")),
  );
  const answers = await Promise.all(["a", "b", "!", "c"].map((letter) => act(model, "add", { letter })));
  assert.deepEqual(answers, [true, true, false, true]);
  assert.deepEqual(done, ["a", "abc"]);
  assert.equal(await act(model, "subtract"), false);
  assert.equal(model.get("notice"), "There is no action “subtract” here.");
});

/** An engine whose tokens are letters; it always expects the next letter of the alphabet, and ends after "z". */
const alphabet = {
  encode: async ({ text }) => Array.from(text, (letter) => letter.charCodeAt(0)),
  decode: async ({ ids }) => String.fromCharCode(...ids),
  tokens: async ({ ids }) => ids.map((id) => String.fromCharCode(id)),
  next: async ({ ids }) => {
    const drawn = ids.at(-1) + 1;
    return { drawn, ids: [drawn], tokens: [String.fromCharCode(drawn)], probabilities: [0.75], others: 2000 };
  },
  attention: async ({ ids }) => ({
    codes: new Uint8Array((ids.length * (ids.length + 1)) / 2),
    predictions: [],
    logprobs: [],
  }),
  answer: async ({ words, said, tuned }) =>
    tuned ? (said.length < 2 ? words.charCodeAt(words.length - 1) : null) : words.charCodeAt(0),
};
const about = { layers: 1, heads: 1, context: 30, endId: "{".charCodeAt(0), vocabulary: 2001 };

test("all views share one text, which can be started, continued, shortened again and ended", async () => {
  const play = new Playground(alphabet, about);
  assert.equal(await act(play.next, "prompt", { text: "ab" }), true);
  assert.equal(play.next.get("rest"), "2,000 other tokens share the remaining 25%.");
  assert.equal(await act(play.next, "draw", { times: 2 }), true);
  assert.deepEqual([play.next.get("tokens").join(""), play.next.get("picked")], ["abcd", 2]);
  assert.deepEqual([play.attention.get("text"), play.attention.get("a").tokens.length], ["abcd", 4]);
  await act(play.next, "undo");
  assert.equal(play.next.get("tokens").join(""), "abc");
  await act(play.writer, "write");
  await play.growing;
  assert.equal(play.next.get("tokens").join("").at(-1), "{", "the text ends where the model ends it");
  assert.equal(play.writer.get("writing"), false);
  assert.match(play.writer.get("notice"), /^The model has ended its text here/);
  assert.equal(play.attention.get("a").tokens.length, 27);
  await act(play.attention, "text", { which: "a", text: "xy" });
  assert.deepEqual([play.next.get("prompt"), play.next.get("picked")], ["xy", 0]);
});

test("an impossible action is refused with a reason, and changes nothing", async () => {
  const play = new Playground(alphabet, about);
  await act(play.next, "prompt", { text: "ab" });
  for (const [text, why] of [
    ["", /no text to continue/],
    ["a".repeat(31), /31 tokens, but the model's context holds only 30/],
  ]) {
    assert.equal(await act(play.next, "prompt", { text }), false);
    assert.match(play.next.get("notice"), why);
    assert.equal(play.next.get("prompt"), "ab");
  }
  assert.equal(await act(play.writer, "set", { name: "top_p", value: 0 }), false);
  assert.equal(await act(play.writer, "set", { name: "temperature", value: 0.5 }), true);
  assert.deepEqual(play.writer.get("settings"), { temperature: 0.5, top_p: 1 });
  assert.equal(play.next.get("temperature"), 0.5);
  assert.equal(await act(play.attention, "continuation", { text: "a".repeat(29) }), false);
  assert.equal(play.attention.get("continuation"), "");
  assert.equal(await act(play.asker, "ask", { text: " " }), false);
});

test("a question is asked about the story alone, not about the text after it", async () => {
  const play = new Playground(alphabet, about);
  await act(play.next, "prompt", { text: "a\n\nb" });
  await act(play.asker, "ask", { text: "why" });
  assert.deepEqual(play.asker.get("turns"), [{ question: "why", answer: "yy", untuned: "a".repeat(24) }]);
  assert.equal(play.asker.get("answering"), false);
  assert.equal(storyOf("One.\nTwo.\n\nWho? Me."), "One.\nTwo.");
  assert.equal(restInWords(3, 1.0000001), "3 other tokens share the remaining 0%.");
});
