// One text in several views: how the text grows, and how the model reads it. This module does not depend on the page.

import { pageModel } from "./bridge.mjs";

const LONGEST = 96; // how many tokens an answer may have
const PAUSE = 50; // milliseconds before a growing text is drawn again, as drawing takes longer than computing a token
const A_LINE = 24; // how many tokens the base model may write instead of an answer
const NOTHING = new DataView(new ArrayBuffer(0));

/** Say how many tokens have no bar, and what share of the probability they have. */
export function restInWords(others, share) {
  const left = Math.round(100 * Math.max(0, 1 - share));
  return `${others.toLocaleString("en")} other tokens share the remaining ${left}%.`;
}

/** Return the story from a page of the reading book (the model's training text): what precedes the first blank line. */
export const storyOf = (text) => text.split("\n\n")[0];

/**
 * The models of the four views: `next` (next tokens), `writer` (how the text grows), `attention` and `asker`.
 * `engine` has the methods of `Engine`, but each returns a promise.
 */
export class Playground {
  constructor(engine, about) {
    Object.assign(this, { engine, about, picked: 0, ids: [], prompt: "", settings: { temperature: 1, top_p: 1 } });
    this.wish = { text_b: "", continuation: "", ablated: [], how: "zero" };
    this.next = pageModel({
      prompt: "",
      picked: 0,
      temperature: 1,
      tokens: [],
      candidates: [],
      ids: [],
      probabilities: [],
      rest: "",
    });
    this.writer = pageModel({ settings: this.settings, vocabulary: about.vocabulary, writing: false, said: "" });
    this.attention = pageModel({
      ...this.wish,
      a: {},
      a_codes: NOTHING,
      b: {},
      b_codes: NOTHING,
      opened: {},
      opened_codes: NOTHING,
      place: {},
      notes: [],
      source: "tinytales",
      text: "",
      predictions: [],
      logprobs: [],
    });
    this.asker = pageModel({ turns: [], question: "", answering: false });
    this.answerActs();
  }

  answerActs() {
    const show = () => this.show();
    const { next, writer, attention, asker } = this;
    next.onAct("prompt", ({ text }) => this.begin(text), show);
    next.onAct("pick", ({ id }) => this.append(id), show);
    next.onAct("draw", ({ times }) => this.drawSome(times), show);
    next.onAct("undo", () => this.undo(), show);
    next.onAct("temperature", ({ value }) => this.set("temperature", value), show);
    writer.onAct("set", ({ name, value }) => this.set(name, value), show);
    writer.onAct("write", () => this.write());
    writer.onAct("stop", () => this.stop());
    writer.onAct("begin", ({ text }) => this.begin(text), show);
    attention.onAct("text", ({ which, text }) => (which === "a" ? this.begin(text) : this.compare(text)), show);
    attention.onAct("switch", ({ layer, head, off }) => this.turn(layer, head, off), show);
    attention.onAct("all on", () => this.want({ ablated: [] }), show);
    attention.onAct("how", ({ how }) => this.want({ how }), show);
    attention.onAct("continuation", ({ text }) => this.want({ continuation: text }), show);
    asker.onAct("ask", ({ text }) => this.ask(text));
    asker.onAct("forget", () => asker.put({ turns: [], question: "" }));
  }

  // --- the text ---

  async begin(text) {
    const ids = await this.checked(text);
    this.stop();
    Object.assign(this, { prompt: text, ids, picked: 0 });
  }

  /** Return the ids of a text, or throw an error that says why the model cannot read it. */
  async checked(text) {
    const ids = await this.engine.encode({ text });
    const { context } = this.about;
    if (!ids.length) throw new Error("There is no text to continue. Type at least one word.");
    if (ids.length > context)
      throw new Error(
        `This text has ${ids.length} tokens, but the model's context holds only ${context}. Shorten the text.`,
      );
    return ids;
  }

  append(id) {
    if (this.full) throw new Error(`The text fills the model's context of ${this.about.context} tokens.`);
    Object.assign(this, { ids: [...this.ids, id], picked: this.picked + 1 });
  }

  undo() {
    this.stop();
    if (this.picked) Object.assign(this, { ids: this.ids.slice(0, -1), picked: this.picked - 1 });
  }

  get full() {
    return this.ids.length >= this.about.context;
  }

  get ended() {
    return this.picked > 0 && this.ids.at(-1) === this.about.endId;
  }

  async drawSome(times) {
    for (let k = 0; k < times && !this.ended; k++) {
      const { ids } = this;
      const { drawn } = await this.expected();
      this.next.check();
      if (this.ids !== ids) continue; // the text has changed in the meantime
      this.append(drawn);
      await this.showNext();
    }
  }

  /** Let the model write until the story ends, the context is full, or the reader stops the model. */
  async write() {
    if (this.writer.get("writing")) return;
    this.writer.put({ writing: true, said: "" });
    this.growing = this.grow(); // not awaited, so that other actions can continue
  }

  async grow() {
    const [began, before] = [performance.now(), this.picked];
    const tell = () => this.tellSpeed(this.picked - before, performance.now() - began);
    let shown = began;
    try {
      while (this.writer.get("writing") && !this.full && !this.ended) {
        const { ids } = this;
        const { drawn } = await this.expected();
        if (!this.writer.get("writing")) break;
        if (this.ids !== ids) continue; // the reader changed the text first
        this.append(drawn);
        if (performance.now() - shown > PAUSE) {
          await this.showNext();
          tell();
          shown = performance.now();
        }
        const latest = this.ids.slice(-Math.min(2, this.picked - before));
        if ((await this.engine.decode({ ids: latest })).includes("\n\n")) break; // the story ends
      }
      if (this.picked > before) tell();
      if (this.full) throw new Error(`The text fills the model's context of ${this.about.context} tokens.`);
      if (this.ended)
        throw new Error("The model has ended its text here. Take tokens back with Undo, or start another text.");
    } catch (error) {
      this.writer.put({ notice: error.message });
    }
    this.stop();
    await this.show().catch((error) => this.writer.put({ notice: error.message }));
  }

  tellSpeed(tokens, milliseconds) {
    const many = `${tokens} token${tokens === 1 ? "" : "s"}`;
    this.writer.put({ said: `${many}, ${((1000 * tokens) / milliseconds).toFixed(0)} a second` });
  }

  stop() {
    if (this.writer.get("writing")) this.writer.put({ writing: false });
  }

  // --- the settings, and what the attention view should show ---

  set(name, value) {
    const least = name === "temperature" ? 0 : Number.MIN_VALUE;
    const most = name === "temperature" ? Infinity : 1;
    if (!(value >= least && value <= most))
      throw new Error(
        name === "temperature" ? "temperature must be 0 or more." : "top_p must be greater than 0 and at most 1.",
      );
    this.settings = { ...this.settings, [name]: value };
  }

  async want(changes) {
    const more = await this.engine.encode({ text: changes.continuation ?? this.wish.continuation });
    if (this.ids.length + more.length > this.about.context)
      throw new Error("The text and its continuation do not fit into the model's context. Shorten either of them.");
    this.wish = { ...this.wish, ...changes };
  }

  async compare(text) {
    if (text) await this.checked(text);
    await this.want({ text_b: text });
  }

  turn(layer, head, off) {
    const others = this.wish.ablated.filter(([l, h]) => l !== layer || h !== head);
    return this.want({ ablated: off ? [...others, [layer, head]] : others });
  }

  // --- what the views show ---

  /** Stop here if the reader has cancelled the current action. */
  check() {
    for (const model of [this.next, this.writer, this.attention]) model.check();
  }

  expected() {
    const { temperature, top_p: topP } = this.settings;
    return this.engine.next({ ids: this.ids, settings: { temperature, topP } });
  }

  /** Show everything; if that fails, return to what was shown before. */
  async show() {
    const { ids, prompt, picked, wish } = this;
    try {
      await this.showNext();
      if (!this.writer.get("writing")) await this.showAttention(); // too slow to do while the model writes
      this.shown = { ids, prompt, picked, wish };
    } catch (error) {
      Object.assign(this, this.shown);
      await this.showNext();
      throw error;
    }
  }

  async showNext() {
    const { ids, picked, prompt, settings } = this;
    const expected = await this.expected();
    const tokens = await this.engine.tokens({ ids });
    const share = expected.probabilities.reduce((sum, p) => sum + p, 0);
    this.next.put({
      prompt,
      picked,
      tokens,
      temperature: settings.temperature,
      candidates: expected.tokens,
      ids: expected.ids,
      probabilities: expected.probabilities,
      rest: restInWords(expected.others, share),
    });
    this.writer.put({ settings, grown: picked });
  }

  async showAttention() {
    const { ids, wish } = this;
    const { ablated: off, how } = wish;
    const most = this.about.context - ids.length; // the text may have grown since the continuation was typed
    const more = (await this.engine.encode({ text: wish.continuation })).slice(0, most);
    const seen = await this.engine.attention({ ids, more, off, how });
    this.check();
    const other = wish.text_b ? await this.engine.encode({ text: wish.text_b }) : null;
    const b = other ? await this.engine.attention({ ids: other, off, how }) : null;
    const changed = seen.changed ?? seen.codes;
    const titles = other ? ["text A", "text B"] : ["all heads", "without"];
    const shown = await this.described(ids, titles[0]);
    const beside = other
      ? { b: await this.described(other, titles[1]), b_codes: viewOf(b.changed ?? b.codes) }
      : off.length
        ? { b: { ...shown, title: titles[1] }, b_codes: viewOf(changed) }
        : { b: {}, b_codes: NOTHING };
    this.attention.put({
      ...beside,
      ...wish,
      a: shown,
      a_codes: viewOf(other ? changed : seen.codes),
      text: this.picked ? await this.engine.decode({ ids }) : this.prompt,
      predictions: seen.predictions,
      logprobs: seen.logprobs,
    });
  }

  async described(ids, title) {
    const { layers, heads } = this.about;
    return { tokens: await this.engine.tokens({ ids }), layers, heads, causal: true, scale: 1, title };
  }

  // --- questions about the story ---

  async ask(question) {
    const { asker, engine } = this;
    if (!question.trim()) throw new Error("There is no question. Type a question first.");
    const words = `${storyOf(await engine.decode({ ids: this.ids }))}\n\n${question}`;
    const turn = { question, answer: "", untuned: "" };
    const before = asker.get("turns");
    const show = () => asker.put({ turns: [...before, { ...turn }] });
    asker.put({ question, answering: true });
    try {
      for await (const answer of this.answers({ words, tuned: true }, LONGEST)) show((turn.answer = answer));
      turn.answer ||= "(The answer is empty.)";
      for await (const page of this.answers({ words, tuned: false }, A_LINE)) show((turn.untuned = page));
      show();
    } finally {
      asker.put({ answering: false });
    }
  }

  /** Yield an answer as it grows, token by token. */
  async *answers(asked, most) {
    for (const said = []; said.length < most;) {
      const id = await this.engine.answer({ ...asked, said });
      this.asker.check();
      if (id === null) return;
      said.push(id);
      yield (await this.engine.decode({ ids: said })).trim();
    }
  }
}

const viewOf = (codes) => new DataView(codes.buffer, codes.byteOffset, codes.byteLength);
