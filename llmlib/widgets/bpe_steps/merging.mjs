// Pure functions that replay byte-pair encoding step by step, as view.py does.

/** Return the bytes of each id: ids 0 to 255 are the bytes, and id 256 + i is the result of merge i. */
export function vocabulary(merges) {
  const table = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  for (const [left, right] of merges) table.push(Uint8Array.of(...table[left], ...table[right]));
  return table;
}

/** Join every occurrence of the pair in a word, from left to right. */
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

/** Count adjacent pairs, the most frequent first; in a tie, smaller ids come first. */
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
 * Return all states of a replay: [{words, merge, places}], where `merge` is the number of the merge that led to the
 * state (null at the start), and `places` is how many pairs this merge joined. With `all`, include merges that join
 * nothing.
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

/** Count the tokens of all words. */
export function count(words) {
  return words.reduce((sum, word) => sum + word.length, 0);
}

/** List each adjacent pair once, in reading order, with the number of the merge that joins it, or null. */
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

/** Write a number of times: 1 -> "once", 2 -> "twice", 3 -> "3 times". */
export const times = (n) => (n === 1 ? "once" : n === 2 ? "twice" : `${n} times`);
