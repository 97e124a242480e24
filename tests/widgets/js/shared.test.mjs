import assert from "node:assert/strict";
import test from "node:test";

import { Queue, standing } from "../../../llmlib/widgets/shared/acts.mjs";
import { picturesOf, withPictures } from "../../../llmlib/widgets/shared/saved.mjs";
import { follow, howMany, oncePerFrame, runs, shorten, visibleToken } from "../../../llmlib/widgets/shared/shared.mjs";
import {
  keepTexts,
  ownText,
  placeOfView,
  setAside,
  takeTexts,
  unusedIn,
} from "../../../llmlib/widgets/shared/drafts.mjs";
import { following } from "../../../llmlib/widgets/shared/view.mjs";
import { switched } from "../../../llmlib/widgets/attention/board.mjs";

function queue() {
  const sent = [];
  return {
    sent,
    queue: new Queue(
      (acts) => sent.push(acts),
      () => sent.push("lost"),
    ),
  };
}
const kinds = (acts) => acts.map(({ kind }) => kind).join(" ");

test("actions are sent in order, one message at a time, and none is lost", async () => {
  const { sent, queue: one } = queue();
  const promises = ["a", "b", "c"].map((kind) => one.add(kind));
  assert.deepEqual(sent.map(kinds), ["a"]);
  one.done(1);
  assert.deepEqual(sent.map(kinds), ["a", "b c"]);
  promises.push(one.add("d"));
  one.done(3, [2]);
  one.done(4);
  assert.deepEqual(sent.map(kinds), ["a", "b c", "d"]);
  assert.deepEqual(await Promise.all(promises), [true, false, true, true]);
  assert.ok(one.idle);
});

test("an action is replaced only by one of the same kind that comes right after it", async () => {
  const { sent, queue: one } = queue();
  one.add("pick");
  const skipped = one.add("heat", { value: 1 }, "heat");
  one.add("heat", { value: 2 }, "heat");
  one.add("pick");
  one.add("heat", { value: 3 }, "heat");
  one.done(1);
  assert.deepEqual(
    sent[1].map(({ kind, details }) => kind + (details.value ?? "")),
    ["heat2", "pick", "heat3"],
  );
  assert.equal(await skipped, true);
});

test("abandoned actions are refused, and their late answers are ignored", async () => {
  const { sent, queue: one } = queue();
  const promises = [one.add("a"), one.add("b")];
  one.abandon();
  assert.deepEqual(await Promise.all(promises), [false, false]);
  one.add("c");
  one.done(1);
  assert.ok(!one.idle);
  one.done(3);
  assert.ok(one.idle);
  assert.deepEqual(sent.map(kinds), ["a", "c"]);
  const dead = new Queue(
    () => {
      throw new Error("Cannot send");
    },
    () => dead.abandon(),
  );
  assert.equal(await dead.add("a"), false);
});

test("waiting actions can be sent while earlier ones are under way, and each is answered once", async () => {
  const sent = [];
  const one = new Queue(
    (acts, first) => sent.push([kinds(acts), first]),
    () => {},
  );
  const promises = [one.add("a"), one.add("b")];
  one.hurry();
  one.hurry();
  assert.deepEqual(sent, [
    ["a", true],
    ["b", false],
  ]);
  promises.push(one.add("c"));
  one.done(1);
  assert.deepEqual(sent.length, 2, "b is still under way");
  one.done(2, [2]);
  one.done(3);
  assert.deepEqual(sent.at(-1), ["c", true]);
  assert.deepEqual(await Promise.all(promises), [true, false, true]);
  assert.ok(one.idle);
});

test("a view soon says “computing”, but later “waiting” if Python has not begun", () => {
  assert.equal(standing({ begun: false, elapsed: 50 }), "");
  assert.equal(standing({ begun: false, elapsed: 500 }), "computing");
  assert.equal(standing({ begun: true, elapsed: 60_000 }), "computing");
  assert.equal(standing({ begun: false, elapsed: 60_000 }), "waiting");
});

const VIEW = "application/vnd.jupyter.widget-view+json";
const STATE = "application/vnd.jupyter.widget-state+json";

test("a saved notebook holds each view's picture under the view's id, and leaves other widgets alone", () => {
  const outputs = [
    { [VIEW]: { model_id: "one" }, "text/html": ["<img", ">"] },
    { [VIEW]: { model_id: "plain slider" } },
    { "text/html": "<p>" },
  ];
  const pictures = picturesOf(outputs);
  assert.deepEqual(Object.keys(pictures), ["one"]);
  assert.match(pictures.one.state.value, /Run the cell again.*<img>$/);
  assert.match(
    picturesOf(outputs, [
      { id: "other", html: "<b>" },
      { id: "one", html: "<i>" },
    ]).one.state.value,
    /<i>$/,
    "a view that changes on its own has a newer picture",
  );
  const before = withPictures(undefined, picturesOf([{ [VIEW]: { model_id: "gone" }, "text/html": "" }]));
  before[STATE].state.slider = { model_name: "IntSliderModel", state: {} };
  assert.deepEqual(Object.keys(withPictures({ ...before, other: 1 }, pictures)[STATE].state).sort(), ["one", "slider"]);
  const whole = { [STATE]: { state: { one: { model_name: "AnyModel", state: {} } } } };
  assert.equal(
    withPictures(whole, pictures)[STATE].state.one.model_name,
    "AnyModel",
    "what the reader saved takes precedence",
  );
});

test("tokens are grouped by direction and keep the order of the text", () => {
  const of = (base, ...tokens) =>
    runs(tokens, base).map(({ dir, from, to }) => `${dir} ${tokens.slice(from, to).join("")}`);
  assert.deepEqual(of("rtl", "مرح", "با", " ab", "c", " ", "123"), ["rtl مرحبا", "ltr  abc 123"]);
  assert.deepEqual(of("rtl", "שלום", " ", "12", "3", "!"), ["rtl שלום ", "ltr 123", "rtl !"]);
  assert.deepEqual(of("ltr", "one", " שלום", "⟨D7⟩", "⟨A9⟩", "ש"), ["ltr one", "rtl  שלום⟨D7⟩⟨A9⟩ש"]);
  assert.deepEqual(of("ltr"), []);
});

test("a view is updated only after all parts of a change have arrived", async () => {
  const values = { a: 1, b: 1 };
  const listeners = {};
  const seen = [];
  const model = {
    on: (event, f) => {
      listeners[event] = f;
    },
    off: (event) => {
      delete listeners[event];
    },
  };
  const change = (news) => {
    Object.assign(values, news);
    for (const name of Object.keys(news)) listeners[`change:${name}`]?.();
  };
  const stop = follow(model, ["a", "b"], () => seen.push({ ...values }));
  change({ a: 2 });
  change({ b: 2 });
  assert.deepEqual(seen, [{ a: 1, b: 1 }]);
  await Promise.resolve();
  assert.deepEqual(seen, [
    { a: 1, b: 1 },
    { a: 2, b: 2 },
  ]);
  change({ a: 3 });
  stop();
  await Promise.resolve();
  assert.equal(seen.length, 2);
  assert.deepEqual(listeners, {});
});

test("bytes of a divided character stay as Python wrote them", () => {
  assert.equal(visibleToken(" ⟨F0 9F⟩"), "·⟨F0 9F⟩");
  assert.equal(visibleToken("\u200d"), "⟨U+200D⟩");
  assert.equal(visibleToken("\u0301"), "◌\u0301");
  assert.equal(visibleToken("⟨a b⟩"), "⟨a·b⟩");
});

/** A text field, and a function that types into it as a reader does. */
function typedField(used) {
  const box = Object.assign(new EventTarget(), { value: "" });
  return {
    box,
    field: following(box, used),
    type(text) {
      box.value = text;
      box.dispatchEvent(new Event("input"));
    },
  };
}

test("what is typed is not overwritten if it briefly matches an earlier text", () => {
  let used = "one";
  const { box, field, type } = typedField(() => used);
  field.follow();
  type("o");
  type("one");
  used = "o"; // Python lags behind
  field.follow();
  assert.equal(box.value, "one");
  type("one two");
  used = "one two";
  field.follow();
  used = "three";
  field.follow();
  assert.equal(box.value, "three", "all that was typed has been used");
});

test("several requests to draw before the next frame lead to one drawing", () => {
  const frames = new Map();
  globalThis.requestAnimationFrame = (draw) => frames.set(frames.size + 1, draw).size;
  globalThis.cancelAnimationFrame = (frame) => frames.delete(frame);
  const nextFrame = () => {
    const due = [...frames.values()];
    frames.clear();
    due.forEach((draw) => draw());
  };
  let drawn = 0;
  const later = oncePerFrame(() => (drawn += 1));
  later();
  later();
  nextFrame();
  assert.equal(drawn, 1);
  later();
  nextFrame();
  assert.equal(drawn, 2);
  later();
  later.stop();
  nextFrame();
  assert.equal(drawn, 2);
});

test("a field shows the text in use until the reader types", () => {
  let used = "one";
  const { box, field, type } = typedField(() => used);
  assert.equal(box.value, "one", "from the beginning");
  used = "two";
  field.follow();
  assert.equal(box.value, "two", "untouched");
  type("mine");
  used = "three";
  field.follow();
  assert.equal(box.value, "mine");
  used = "mine"; // what was typed is now in use
  field.follow();
  used = "four";
  field.follow();
  assert.equal(box.value, "four");
});

test("the board shows heads on or off as the reader left them until Python has switched them", () => {
  const turned = new Map([
    ["0,1", true],
    ["2,3", false],
  ]);
  assert.deepEqual(
    [
      ...switched(
        [
          [2, 3],
          [4, 5],
        ],
        turned,
      ),
    ].sort(),
    ["0,1", "4,5"],
  );
  assert.deepEqual(
    [
      ...switched(
        [
          [0, 1],
          [4, 5],
        ],
        turned,
      ),
    ].sort(),
    ["0,1", "4,5"],
    "no flicker if Python is faster",
  );
});

test("counts use the singular for one", () => {
  assert.deepEqual(
    [0, 1, 1200].map((n) => howMany(n, "token")),
    ["0 tokens", "1 token", "1,200 tokens"],
  );
});

const boxOf = (label, value) => ({
  value,
  label,
  getAttribute() {
    return this.label;
  },
});

test("text that was typed but not used is found, with the label of its box", () => {
  const [used, typed, tabs, others] = ["a", "b", "c", "d"].map((label) => boxOf(label, `text ${label}`));
  ownText(used, (text) => text === "text a");
  ownText(typed);
  ownText(tabs, () => true);
  setAside(tabs, "of the first tab");
  tabs.label = "second tab";
  assert.deepEqual(unusedIn([used, typed, tabs, others]), { b: "text b", c: "of the first tab" });
  tabs.label = "c"; // this draft is back in the box, where its text counts as used
  assert.deepEqual(unusedIn([tabs]), {});
});

test("a draft is returned only once, and not at all if it has been used meanwhile", () => {
  const kept = new Map();
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, text) => kept.set(key, text),
    removeItem: (key) => kept.delete(key),
  };
  assert.equal(keepTexts(storage, "here", { "Your text": "<b>🙂" }), true);
  assert.deepEqual(takeTexts(storage, "elsewhere"), {});
  assert.deepEqual(takeTexts(storage, "here"), { "Your text": "<b>🙂" });
  assert.deepEqual(takeTexts(storage, "here"), {});
  keepTexts(storage, "here", { "Your text": "old" });
  keepTexts(storage, "here", {}); // the reader has used the draft
  assert.deepEqual(takeTexts(storage, "here"), {});
  keepTexts(storage, "here", { "Your text": "old" });
  const full = {
    ...storage,
    setItem() {
      throw new Error("full");
    },
  };
  assert.equal(keepTexts(full, "here", { "Your text": "new" }), false);
  assert.deepEqual(takeTexts(storage, "here"), {}); // losing the draft is better than returning an old one
});

test("a view is identified by its notebook, cell, output and kind", async () => {
  const cells = [
    { id: "one", outputs: [undefined, "m1"] },
    { id: "two", outputs: ["m2", "m3"] },
  ];
  const at = (path, kind, mine) => placeOfView(path, cells, kind, async (id) => id === mine);
  const all = [
    ["a", "chat", "m1"],
    ["a", "chat", "m2"],
    ["a", "chat", "m3"],
    ["b", "chat", "m3"],
    ["b", "lens", "m3"],
  ];
  const places = await Promise.all(all.map((one) => at(...one)));
  assert.equal(new Set(places).size, 5);
  assert.equal(await at("a", "chat", "m3"), places[2]);
  assert.equal(await at("a", "chat", "gone"), null);
});

test("tokens are cut to a given length without splitting a character", () => {
  assert.equal(shorten("·understanding", 6), "·unde…");
  assert.equal(shorten("🙂🙂", 2), "🙂🙂");
  assert.equal(shorten("🙂🙂🙂", 2), "🙂…");
});
