// Does everything that the page asks of the model. It runs in a worker, so that the page stays responsive.

import { tokenText } from "../../llmlib/widgets/shared/shared.mjs";
import { draw, inOrder, logProbabilities, probabilities } from "./sampling.mjs";
import { Tokenizer } from "./tokenizer.mjs";
import { Cache, softmax, Transformer, withAdapter } from "./transformer.mjs";
import { readSafetensors } from "./weights.mjs";

const CANDIDATES = 10; // how many next tokens the next-token view shows
const ROWS = 8; // how many rows the table in the attention view has
const LIKELIEST = { temperature: 0, topP: 1 };

/** A model with its latest text: if a new text begins in the same way, the model reads only the rest of it. */
class Reader {
  constructor(model) {
    Object.assign(this, { model, cache: new Cache(model), latest: null });
  }

  /** Return the logits after a text. */
  logits(ids, off = null) {
    const read = this.cache.ids;
    if (!this.latest || ids.length !== read.length || ids.some((id, k) => id !== read[k]))
      this.latest = this.model.forward(this.cache.keep(ids), this.cache, { off });
    return this.latest;
  }

  /** Return the log-probability of `more` after the text in the cache; `logits` are the logits after this text. */
  score(logits, more, off) {
    this.latest = null; // the cache grows beyond the text
    const later = more.length > 1 ? this.model.forward(more.slice(0, -1), this.cache, { off, lastOnly: false }) : [];
    const size = logits.length;
    return more.reduce((sum, id, k) => {
      const row = k ? later.subarray((k - 1) * size, k * size) : logits;
      return sum + logProbabilities(row)[id];
    }, 0);
  }
}

export class Engine {
  /** Make an engine from a model's three files; `fetchAdapter` loads the file that makes the model answer questions. */
  constructor({ config, tokenizer, weights, fetchAdapter }) {
    this.config = config;
    this.tokenizer = new Tokenizer(tokenizer);
    this.tensors = readSafetensors(weights);
    this.fetchAdapter = fetchAdapter;
    this.model = new Transformer(config, this.tensors);
    this.base = new Reader(this.model);
    this.without = new Reader(this.model); // reads with some heads off
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

  /** Return the ids of a question to the tuned model, up to where the answer begins. */
  question({ words }) {
    return this.tokenizer.encodeQuestion(words);
  }

  decode({ ids }) {
    return this.tokenizer.decode(ids);
  }

  tokens({ ids }) {
    return ids.map((id) => tokenText(this.tokenizer.bytesOf[id]));
  }

  /** Return the likeliest tokens after a text, and the token that is drawn with `chance`, a number from 0 up to 1. */
  next({ ids, settings, chance = Math.random() }) {
    const logits = this.base.logits(ids);
    const p = probabilities(logits, settings);
    const likeliest = inOrder(logits, CANDIDATES); // their order does not depend on the settings
    return {
      ids: likeliest,
      tokens: this.tokens({ ids: likeliest }),
      probabilities: likeliest.map((id) => p[id]),
      others: logits.length - likeliest.length,
      drawn: draw(p, chance),
    };
  }

  /** Return every head's pattern over a text, and the predictions after it, with and without the heads in `off`. */
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

  /** Return what replaces the output of each head that is off: zeros, or its mean over this text with all heads on. */
  replacements(ids, off, how) {
    const what = JSON.stringify([off, how, how === "mean" ? ids : null]);
    if (what !== this.withoutWhat) this.without.cache.ids = []; // computed with other heads off
    this.withoutWhat = what;
    if (how === "mean") this.base.logits(ids); // without the continuation: the mean is only over the text
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

  /** Return a `Reader` for the model after instruction tuning; the first call fetches the adapter. */
  async tunedReader() {
    if (!this.tuned) {
      const adapter = readSafetensors(await this.fetchAdapter());
      this.tuned = new Reader(new Transformer(this.config, withAdapter(this.tensors, adapter, this.model.nLayers)));
    }
    return this.tuned;
  }

  /**
   * Return the next token of the tuned model's answer to `words` after the tokens `said`, or null at the end of the
   * answer. If `tuned` is false, the base model continues the words as if they were a page of a book.
   */
  async answer({ words, said, tuned = true }) {
    this.untuned ??= new Reader(this.model); // a separate reader: `base` holds the text of the other views
    const reader = tuned ? await this.tunedReader() : this.untuned;
    const ids = [...(tuned ? this.question({ words }) : this.encode({ text: words })), ...said];
    const { context, endId } = this.model;
    if (ids.length > context)
      throw new Error(`The story and the question fill the model's context of ${context} tokens. Shorten the story.`);
    const id = draw(probabilities(reader.logits(ids), LIKELIEST), 0);
    return id === endId ? null : id;
  }

  /** Return the logits after every token of a text, to compare them with Python's. */
  async logits({ ids, tuned = false }) {
    const { model } = tuned ? await this.tunedReader() : this.base;
    return model.forward(ids, new Cache(model), { lastOnly: false });
  }
}
