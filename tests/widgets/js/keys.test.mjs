import assert from "node:assert/strict";
import test from "node:test";

import { arrowOf, roving, stepEitherWay, stepping, stepTo } from "../../../llmlib/widgets/shared/keys.mjs";

/** A list that knows which part has the focus, its parts, and a function that presses a key on the focused part. */
function listOf(count) {
  const listeners = {};
  const list = { addEventListener: (name, f) => (listeners[name] ??= []).push(f) };
  const send = (name, event) => (listeners[name] ?? []).forEach((f) => f(event));
  const parts = Array.from({ length: count }, (_, k) => ({
    contains: (target) => target === parts[k],
    closest: () => null,
    setAttribute: (_name, value) => (parts[k].tabindex = value),
    focus() {
      list.focused = k;
      send("focusin", { target: parts[k] });
    },
  }));
  const press = (key, more = {}) => {
    const event = { key, target: parts[list.focused], preventDefault: () => (event.defaultPrevented = true), ...more };
    send("keydown", event);
    return Boolean(event.defaultPrevented);
  };
  return { list, parts, press };
}

test("keys step along a line, but not beyond its ends", () => {
  assert.deepEqual(
    [
      stepTo("ArrowRight", 0, 3),
      stepTo("ArrowRight", 2, 3),
      stepTo("ArrowLeft", 0, 3),
      stepTo("End", 0, 3),
      stepTo("Home", 2, 3),
    ],
    [1, 2, 0, 2, 0],
  );
  assert.deepEqual([stepTo("ArrowRight", 1, 3, true), stepTo("Enter", 1, 3), stepTo("Home", -1, 3)], [0, null, null]);
  assert.deepEqual(
    ["ArrowUp", "ArrowDown", "ArrowLeft", "End", "a"].map((key) => stepEitherWay(key, 1, 4)),
    [0, 2, 0, 3, null],
  );
  assert.deepEqual([arrowOf("ArrowUp"), arrowOf("ArrowRight"), arrowOf("Home")], [[-1, 0], [0, 1], null]);
});

test("Tab reaches the part of a list that last had the focus, and arrow keys move to the others", () => {
  const { list, parts, press } = listOf(3);
  const reached = () => parts.map(({ tabindex }) => tabindex);
  const visited = [];
  roving(
    list,
    () => parts,
    (key, here) => stepTo(key, here, 3),
    (to) => visited.push(to),
  );
  parts[0].focus();
  assert.deepEqual(reached(), [0, -1, -1]);
  assert.equal(press("ArrowRight"), true);
  assert.deepEqual([list.focused, reached(), visited], [1, [-1, 0, -1], [1]]);
  assert.equal(press("Enter"), false);
  assert.deepEqual([list.focused, visited], [1, [1]]);
});

test("keys step through the states of a view unless something else uses the keys", () => {
  const { list, parts, press } = listOf(1);
  let state = 1;
  stepping(list, "input", { here: () => state, count: () => 4, go: (to) => (state = to) });
  parts[0].focus();
  assert.deepEqual([press("ArrowRight"), state], [true, 2]);
  assert.deepEqual([press("ArrowRight", { ctrlKey: true }), state], [false, 2]);
  press("ArrowRight", { defaultPrevented: true });
  assert.equal(state, 2, "a list within the view has used the key");
  parts[0].closest = (controls) => (controls === "input" ? parts[0] : null);
  assert.deepEqual([press("Home"), state], [false, 2]);
});
