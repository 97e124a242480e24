import assert from "node:assert/strict";
import test from "node:test";

import { barWidth, guide } from "../../../llmlib/widgets/next_token/view.mjs";
import { escapeXml, percent, spokenToken, visibleToken } from "../../../llmlib/widgets/shared/shared.mjs";

test("white space in tokens is made visible", () => {
  assert.equal(visibleToken(" Paris\n"), "·Paris⏎");
  assert.equal(visibleToken("\t\r"), "⇥␍");
  assert.equal(visibleToken(""), "∅");
  assert.equal(visibleToken("<b>🙂"), "<b>🙂");
});

test("tokens are put into words for screen readers", () => {
  assert.equal(spokenToken(" Paris"), "space, Paris");
  assert.equal(spokenToken(" "), "a space");
  assert.equal(spokenToken("   "), "3 spaces");
  assert.equal(spokenToken("\n"), "newline");
  assert.equal(spokenToken("\u0019"), "U+0019");
  assert.equal(spokenToken(""), "empty token");
});

test("a percentage is 0% only if the probability is zero", () => {
  assert.equal(percent(1), "100%");
  assert.equal(percent(0.125), "13%");
  assert.equal(percent(0.0312), "3.1%");
  assert.equal(percent(0.00004), "<0.1%");
  assert.equal(percent(0), "0%");
  assert.equal(percent(NaN), "not a number");
});

test("the width of a bar is its probability, kept between 0% and 100%", () => {
  assert.deepEqual([0.5, 0.005, 0, 1].map(barWidth), ["50%", "0.5%", "0%", "100%"]);
  assert.deepEqual([NaN, Infinity, -1, 2].map(barWidth), ["0%", "0%", "0%", "100%"]);
});

test("a page without a model says so, and promises nothing that needs one", () => {
  assert.match(guide({ live: true, still: false }), /^Each bar shows .* Click a bar/);
  assert.match(guide({ live: false, still: true }), /^Each bar shows .* to change the text, you need Python\.$/);
  for (const still of [true, false]) assert.doesNotMatch(guide({ live: false, still }), /Click|chance/);
});

test("text cannot become markup", () => {
  assert.equal(escapeXml(`<a href="x">&'\u0000`), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;\ufffd");
});
