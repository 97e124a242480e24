import assert from "node:assert/strict";
import test from "node:test";

import { characters, direction, fromHex, hex, tokenLabel, wellFormed } from "../../../llmlib/widgets/shared/shared.mjs";
import { describe, joined, lines, numbers, parts } from "../../../llmlib/widgets/tokens/view.mjs";

const bytes = (text) => new TextEncoder().encode(text);
const label = (text) => tokenLabel(bytes(text));

test("labels show white space, name invisible characters and show divided characters as bytes", () => {
  assert.equal(label(" Paris\n"), "·Paris⏎");
  assert.equal(label(""), "∅");
  assert.equal(label("<b>&amp;"), "<b>&amp;");
  assert.equal(label("\u200d"), "⟨U+200D⟩");
  assert.equal(label("\u00a0x"), "⟨U+00A0⟩x");
  assert.equal(label("\ufffd"), "\ufffd"); // a real U+FFFD is a whole character
  assert.equal(label("\u0301"), "◌\u0301");
  assert.equal(tokenLabel(bytes("🙂").subarray(0, 2)), "⟨F0 9F⟩");
  assert.equal(tokenLabel(Uint8Array.of(0x20, 0xf0, 0x9f)), "·⟨F0 9F⟩");
  assert.equal(tokenLabel(Uint8Array.of(0x82, 0x61, 0xff)), "⟨82⟩a⟨FF⟩");
  assert.equal(tokenLabel(Uint8Array.of(0xc0, 0x80)), "⟨C0 80⟩"); // an overlong form is not UTF-8
});

test("whole characters are told apart from leftover bytes", () => {
  assert.deepEqual(characters(bytes("aé")), [{ text: "a" }, { text: "é" }]);
  assert.deepEqual(characters(bytes("\ufeffa")), [{ text: "\ufeff" }, { text: "a" }]);
  assert.deepEqual(characters(bytes("漢").subarray(1)), [{ bytes: [0xbc, 0xa2] }]);
});

test("bytes are sent as hexadecimal digits", () => {
  assert.deepEqual([...fromHex("00ff7f")], [0, 255, 127]);
  assert.equal(fromHex("").length, 0);
  assert.equal(hex([0, 255]), "00 FF");
});

test("the first letter of a text decides its direction", () => {
  assert.equal(direction("1. שלום abc"), "rtl");
  assert.equal(direction("مرحبا"), "rtl");
  assert.equal(direction("abc שלום"), "ltr");
  assert.equal(direction("123 …"), "ltr");
});

test("a divided character is found in each of its tokens", () => {
  const smile = bytes("🙂");
  assert.deepEqual(parts([bytes("a"), smile.subarray(0, 3), smile.subarray(3)]), [
    [],
    [{ character: "🙂", from: 1, to: 3, of: 4 }],
    [{ character: "🙂", from: 4, to: 4, of: 4 }],
  ]);
  assert.deepEqual(parts([bytes("é"), bytes("é")]), [[], []]);
  const two = bytes("éé"); // the middle token ends one character and begins the next
  assert.deepEqual(
    parts([two.subarray(0, 1), two.subarray(1, 3), two.subarray(3)]).map((p) => p.map((q) => [q.from, q.to])),
    [
      [[1, 1]],
      [
        [2, 2],
        [1, 1],
      ],
      [[2, 2]],
    ],
  );
  assert.deepEqual(parts([Uint8Array.of(0xff), bytes("a")]), [[], []]);
  assert.deepEqual(parts([]), []);
});

test("a line ends after a newline", () => {
  assert.deepEqual(lines([bytes("a\n"), bytes("b"), bytes("\n"), bytes("c")]), [[0], [1, 2], [3]]);
  assert.deepEqual(lines([bytes("a"), bytes("\n")]), [[0, 1]]);
  assert.deepEqual(lines([]), [[]]);
});

test("texts and tokens are described in words", () => {
  assert.equal(numbers("héllo", 3), "3 tokens, 2.00 bytes per token");
  assert.equal(numbers("a", 1), "1 token, 1.00 bytes per token");
  assert.equal(numbers("", 0), "0 tokens");
  assert.equal(describe(bytes("a"), 64, 0, [], false), "Token 1 · id 64 · 1 byte: 61");
  assert.match(
    describe(bytes("🙂").subarray(1), 9, 4, [{ character: "🙂", from: 2, to: 4, of: 4 }], false),
    /bytes 2–4 of 4 of “🙂”$/,
  );
  assert.match(describe(bytes("<|x|>"), 9, 4, [], true), /a special token/);
});

test("lone surrogates are replaced, and pairs of surrogates are kept", () => {
  assert.equal(wellFormed("a\ud83d🙂\ude42"), "a\ufffd🙂\ufffd");
});

test("the joined bytes of tokens give the text", () => {
  assert.equal(new TextDecoder().decode(joined([bytes("ab"), bytes("c")])), "abc");
});
