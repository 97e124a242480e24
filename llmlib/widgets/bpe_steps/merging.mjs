// Byte-pair encoding step by step: what a view replays. Pure functions, as in view.py.

/** The bytes of each id: 0 to 255 are the bytes, 256 + i is what merge i makes. */
export function vocabulary(merges) {
  const table = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  for (const [left, right] of merges) table.push(Uint8Array.of(...table[left], ...table[right]));
  return table;
}

/** The word with every occurrence of the pair joined, from left to right. */
export function mergePair(word, [left, right], newId) {
  const merged = [];
  for (let i = 0; i < word.length; i++) {
    if (word[i] === left && word[i + 1] === right) {
      merged.push(newId);
      i += 1;
    } else merged.push(word[i]);
  }
  return merged;
}

/** Adjacent pairs and how often they occur, the commonest first; among ties the smaller ids first. */
export function pairCounts(words) {
  const counts = new Map();
  for (const word of words)
    for (let i = 0; i + 1 < word.length; i++) {
      const key = `${word[i]},${word[i + 1]}`;
      const entry = counts.get(key) ?? { pair: [word[i], word[i + 1]], count: 0 };
      entry.count += 1;
      counts.set(key, entry);
    }
  return [...counts.values()].sort((a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1]);
}

/**
 * All states of a run: [{words, merge, places}], where `merge` is the number of the merge that led there (null at the
 * start) and `places` how often it was done. `all` includes merges that find nothing to join.
 */
export function replay(pieces, merges, all) {
  let words = pieces.map((piece) => [...new TextEncoder().encode(piece)]);
  const states = [{ words, merge: null, places: 0 }];
  merges.forEach((pair, number) => {
    const next = words.map((word) => mergePair(word, pair, 256 + number));
    const places = count(words) - count(next);
    if (places || all) states.push({ words: next, merge: number, places });
    words = next;
  });
  return states;
}

/** How many tokens all words have together. */
export function count(words) {
  return words.reduce((sum, word) => sum + word.length, 0);
}

/** Adjacent pairs in the order of reading, each once, with the number of the merge that joins it, or null. */
export function rankedPairs(words, merges) {
  const ranks = new Map(merges.map((pair, number) => [pair.join(), number]));
  const seen = new Map();
  for (const word of words)
    for (let i = 0; i + 1 < word.length; i++) {
      const pair = [word[i], word[i + 1]];
      seen.set(pair.join(), { pair, rank: ranks.get(pair.join()) ?? null });
    }
  return [...seen.values()];
}

/** 1 -> "once". */
export const times = (n) => (n === 1 ? "once" : n === 2 ? "twice" : `${n} times`);
