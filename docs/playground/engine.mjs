// Everything that the page asks of the model. It runs in a worker, so that the page stays quick.

import { tokenText } from "../../llmlib/widgets/shared/shared.mjs";
import { draw, inOrder, logProbabilities, probabilities } from "./sampling.mjs";
import { Tokenizer } from "./tokenizer.mjs";
import { Cache, softmax, Transformer, withAdapter } from "./transformer.mjs";
import { readSafetensors } from "./weights.mjs";

const CANDIDATES = 10; // for the next token, in the view of the same name
const ROWS = 8; // in the table of the attention view
const LIKELIEST = { temperature: 0, topP: 1 };

/** A model and the text that it has read last: a text with the same beginning is read on from there. */
class Reader {
  constructor(model) {
    Object.assign(this, { model, cache: new Cache(model), latest: null });
  }

  /** The logits after a text. */
  logits(ids, off = null) {
    const read = this.cache.ids;
    if (!this.latest || ids.length !== read.length || ids.some((id, k) => id !== read[k]))
      this.latest = this.model.forward(this.cache.keep(ids), this.cache, { off });
    return this.latest;
  }

  /** The log-probability of `more` after the text in the cache, whose logits are given. */
  score(logits, more, off) {
    this.latest = null; // the cache continues after the text
    const later = more.length > 1 ? this.model.forward(more.slice(0, -1), this.cache, { off, lastOnly: false }) : [];
    const size = logits.length;
    return more.reduce((sum, id, k) => {
      const row = k ? later.subarray((k - 1) * size, k * size) : logits;
      return sum + logProbabilities(row)[id];
    }, 0);
  }
}

export class Engine {
  /** From the three files of the model's folder; `fetchAdapter` gets the file that makes it answer questions. */
  constructor({ config, tokenizer, weights, fetchAdapter }) {
    this.config = config;
    this.tokenizer = new Tokenizer(tokenizer);
    this.tensors = readSafetensors(weights);
    this.fetchAdapter = fetchAdapter;
    this.model = new Transformer(config, this.tensors);
    this.base = new Reader(this.model);
    this.without = new Reader(this.model); // some heads
    this.withoutWhat = "";
    this.tuned = null;
    this.untuned = null;
  }

  about() {
    const { nLayers, nHeads, context, endId } = this.model;
    return { layers: nLayers, heads: nHeads, context, endId, vocabulary: this.config.vocab_size };
  }

  encode({ text }) {
    return this.tokenizer.encode(text);
  }

  /** A question to the tuned model, up to where its answer begins. */
  question({ words }) {
    return this.tokenizer.encodeQuestion(words);
  }

  decode({ ids }) {
    return this.tokenizer.decode(ids);
  }

  tokens({ ids }) {
    return ids.map((id) => tokenText(this.tokenizer.bytesOf[id]));
  }

  /** What the model expects after a text, and the token that `chance`, a number from 0 up to 1, picks. */
  next({ ids, settings, chance = Math.random() }) {
    const logits = this.base.logits(ids);
    const p = probabilities(logits, settings);
    const likeliest = inOrder(logits, CANDIDATES); // the same order with all settings
    return {
      ids: likeliest,
      tokens: this.tokens({ ids: likeliest }),
      probabilities: likeliest.map((id) => p[id]),
      others: logits.length - likeliest.length,
      drawn: draw(p, chance),
    };
  }

  /** Every head's pattern over a text, and what is expected after it, with all heads and without those in `off`. */
  attention({ ids, more = [], off = [], how = "zero" }) {
    const intact = this.look(this.base, ids, more);
    if (!off.length) return { codes: intact.codes, ...this.compared(intact, intact) };
    const replaced = this.replacements(ids, off, how);
    const changed = this.look(this.without, ids, more, (layer, head) => replaced.get(`${layer},${head}`) ?? null);
    return { codes: intact.codes, changed: changed.codes, ...this.compared(intact, changed) };
  }

  look(reader, ids, more, off = null) {
    const logits = reader.logits(ids, off);
    return { logits, codes: reader.cache.codes(), score: more.length ? reader.score(logits, more, off) : null };
  }

  /** What stands in for the output of each head that is off: nothing, or its mean over this text with all heads on. */
  replacements(ids, off, how) {
    const what = JSON.stringify([off, how, how === "mean" ? ids : null]);
    if (what !== this.withoutWhat) this.without.cache.ids = []; // what it read with other heads is useless now
    this.withoutWhat = what;
    if (how === "mean") this.base.logits(ids); // without the continuation, so the mean is over the text alone
    const instead = (layer, head) =>
      how === "mean" ? this.model.meanOutput(this.base.cache, layer, head) : new Float32Array(this.model.dHead);
    return new Map(off.map(([layer, head]) => [`${layer},${head}`, instead(layer, head)]));
  }

  compared(intact, changed) {
    const [before, after] = [intact, changed].map(({ logits }) => softmax(Float32Array.from(logits)));
    const most = before.map((p, id) => Math.max(p, after[id]));
    const chosen = inOrder(most, ROWS).sort((a, b) => before[b] - before[a]);
    const tokens = this.tokens({ ids: chosen });
    return {
      predictions: chosen.map((id, k) => ({ token: tokens[k], before: before[id], after: after[id] })),
      logprobs: [intact.score, changed.score].filter((score) => score !== null),
    };
  }

  /** The same model after instruction tuning: the adapter is fetched when it is first asked for. */
  async tunedReader() {
    if (!this.tuned) {
      const adapter = readSafetensors(await this.fetchAdapter());
      this.tuned = new Reader(new Transformer(this.config, withAdapter(this.tensors, adapter, this.model.nLayers)));
    }
    return this.tuned;
  }

  /**
   * The next token of the tuned model's answer to `words`, after it has said `said`; null: it has finished. The base
   * model goes on with the words as with a page of a book.
   */
  async answer({ words, said, tuned = true }) {
    this.untuned ??= new Reader(this.model); // apart from the text in the other views
    const reader = tuned ? await this.tunedReader() : this.untuned;
    const ids = [...(tuned ? this.question({ words }) : this.encode({ text: words })), ...said];
    const { context, endId } = this.model;
    if (ids.length > context)
      throw new Error(`The story and the question fill the model's context of ${context} tokens. Shorten the story.`);
    const id = draw(probabilities(reader.logits(ids), LIKELIEST), 0);
    return id === endId ? null : id;
  }

  /** The logits after every token of a text, for whoever compares them with Python's. */
  async logits({ ids, tuned = false }) {
    const { model } = tuned ? await this.tunedReader() : this.base;
    return model.forward(ids, new Cache(model), { lastOnly: false });
  }
}
