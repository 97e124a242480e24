// Holds all patterns that Python has sent, and caches what is computed from them until new patterns arrive.

import { visibleToken } from "../shared/shared.mjs";
import {
  changeScale,
  compare,
  difference,
  earlierSame,
  givenScores,
  headPattern,
  headScores,
  NAN_CODE,
  queryCounts,
  unpack,
  unpackHead,
} from "./data.mjs";
import { sideOf } from "./state.mjs";
import { CHANGE, CHANGE_OF_THUMBNAILS, SCORES } from "./words.mjs";

// how many bytes of full-size patterns this page may hold for long texts; above that, it drops the oldest
const MOST_HELD = 64e6;

/** Make the store of patterns. `still` means a page without Python; it contains the full-size patterns of the heads
 * that were opened before the page was saved. */
export function patternsFrom(model, state, still) {
  let texts = {};
  let cache = new Map();
  let held = new Map();
  let loaded = [];
  let opened = null;
  const kept = (key, make) => {
    if (!cache.has(key)) cache.set(key, make());
    return cache.get(key);
  };
  const both = (pattern, layer, head) => ["a", "b"].map((side) => pattern(side, layer, head));
  const apart = (layer, head) => kept(`apart ${layer} ${head}`, () => compare(...both(store.thumbnail, layer, head)));
  /** The value at the end of the colour scale for differences in the grid. All heads share this scale, so that users
   * can compare them. */
  const commonScale = () =>
    kept(`scale ${state.heads}`, () => {
      const { layers, heads } = texts.a;
      const all = state.heads === "each" ? Array.from({ length: heads }, (_, h) => h) : [state.heads];
      const largest = Array.from({ length: layers }, (_, layer) => all.map((head) => apart(layer, head).largest));
      return changeScale(Math.max(...largest.flat()));
    });

  const store = {
    text: (side) => texts[side],
    texts: () => texts,
    /** The text on the side that is shown. */
    shownText: () => texts[state.show === "b" ? "b" : "a"],
    sideShown: () => sideOf(state),
    comparable: () => Boolean(texts.b) && texts.a.n === texts.b.n,
    isLong: () => Boolean(texts.a.long || texts.b?.long),
    /**
     * Return a head's full-size pattern; in the grid of a long text, or if this page has only the thumbnail, return the
     * thumbnail.
     */
    pattern(side, layer, head) {
      if (state.layer === null || (side === "d" && !store.whole())) return store.thumbnail(side, layer, head);
      if (side !== "d") return held.get(`${layer} ${head}`)?.[side] ?? store.thumbnail(side, layer, head);
      return kept(`d ${layer} ${head} whole`, () => {
        const [a, b] = both(store.pattern, layer, head);
        return difference(a, b, changeScale(compare(a, b).largest));
      });
    },
    thumbnail(side, layer, head) {
      const key = `${side} ${layer} ${head}`;
      if (side === "d") return kept(key, () => difference(...both(store.thumbnail, layer, head), commonScale()));
      const isThere = typeof head === "number" || texts[side].long; // this refers to stored bytes, so it is not cached
      return isThere ? headPattern(texts[side], layer, head) : kept(key, () => headPattern(texts[side], layer, head));
    },
    /** Whether this page has the open head's full-size pattern for every text. */
    whole: () => ["a", "b"].every((side) => !texts[side]?.long || held.get(`${state.layer} ${state.head}`)?.[side]),
    /** The heads of a long text whose full-size patterns this page has: { layer, head }. */
    wholeOnes: () =>
      [...held.keys()]
        .map((key) => key.split(" "))
        .map(([layer, head]) => ({ layer: Number(layer), head: Number.isNaN(Number(head)) ? head : Number(head) })),

    scoresOf(side, layer, head) {
      if (texts[side].long) return givenScores(texts[side], layer, head);
      const same = (texts[side].same ??= earlierSame(texts[side].tokens));
      return kept(`scores ${side} ${layer} ${head}`, () => headScores(store.thumbnail(side, layer, head), same));
    },
    score: (key) => SCORES[key] ?? store.change(),
    scores(entries, key) {
      const side = state.show === "b" ? "b" : "a";
      const moved = key === "difference";
      const of = ({ layer, head }) => (moved ? store.moved(layer, head) : store.scoresOf(side, layer, head)[key]);
      return entries.map(of);
    },
    /** How many queries of a text each score is based on. */
    counts: (side) => (texts[side].counts ??= queryCounts(texts[side].tokens)),
    count(key) {
      if (key === "layer") return Infinity;
      return key === "difference" ? texts.a.n : store.counts(state.show === "b" ? "b" : "a")[key];
    },
    change: () => (store.isLong() ? CHANGE_OF_THUMBNAILS : CHANGE),
    moved: (layer, head) => apart(layer, head)[store.change() === CHANGE ? "moved" : "rows"],
    hasMissing: () => Object.values(texts).some((text) => (text.missing ??= text.codes.includes(NAN_CODE))),
    /** The space for labels to the left of a pattern and above it, in pixels; even the longest label fits. */
    labelRoom: (compact) =>
      kept(`room ${compact}`, () => {
        const most = compact ? 9 : 12;
        const letters = (token) => Math.min(most, Array.from(visibleToken(token)).length);
        const longest = Math.max(1, ...Object.values(texts).flatMap(({ tokens }) => tokens.map(letters)));
        return {
          left: Math.max(compact ? 52 : 56, 10 + Math.ceil(longest * (compact ? 6.7 : 7.3))),
          top: Math.max(40, 14 + Math.ceil(longest * (compact ? 5.8 : 6.3))),
        };
      }),

    /** Read what Python has sent. Return whether the patterns are new (`fresh`), and whether the length of the first
     * text has changed (`another`). */
    load() {
      const sources = ["a", "a_codes", "a_scores", "b", "b_codes", "b_scores"].map((name) => model.get(name));
      const before = texts.a?.n;
      const fresh = sources.some((source, k) => source !== loaded[k]);
      if (fresh) {
        const [a, aCodes, aScores, b, bCodes, bScores] = (loaded = sources);
        texts = { a: unpack(a, aCodes, aScores), ...(b.tokens && { b: unpack(b, bCodes, bScores) }) };
        [cache, held] = [new Map(), new Map()];
        if (still) holdAll(model.get("kept"), model.get("kept_codes"));
      }
      const now = model.get("opened");
      if (!still && now.sides && now !== opened) hold(now, model.get("opened_codes"));
      opened = now;
      return { fresh, another: texts.a.n !== before };
    },
  };

  function hold(head, codes) {
    const key = `${head.layer} ${head.head}`;
    const bytes = (sides) => Object.values(sides).reduce((sum, { codes: own }) => sum + own.length, 0);
    held.delete(key);
    held.set(key, unpackHead(head, codes, { a: texts.a.n, b: texts.b?.n }));
    let total = [...held.values()].reduce((sum, sides) => sum + bytes(sides), 0);
    for (const [oldest, sides] of held)
      if (total > MOST_HELD && oldest !== key) {
        held.delete(oldest);
        total -= bytes(sides);
      }
    // drop differences between full-size patterns
    for (const made of cache.keys()) if (made.endsWith(" whole")) cache.delete(made);
  }

  function holdAll(heads, codes) {
    let at = codes.byteOffset;
    for (const head of heads) {
      const size = Object.values(head.sides).reduce((sum, side) => sum + side.size, 0);
      hold(head, new DataView(codes.buffer, at, size));
      at += size;
    }
  }
  return store;
}
