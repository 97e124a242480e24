"""Learn a byte-pair encoding: count the distinct pieces of a text, then merge the most common pair, again and again.

Counting all pairs again for each merge would mean going over the whole text thousands of times. Two observations make
training fast. Most pieces of a text occur many times, so each distinct piece is kept once with its count. And a merge
changes counts only where its pair occurs. So we remember which pieces contain each pair, correct the counts there, and
find the next most common pair with a heap.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import regex

from llmlib.tokenization.base import TokenizerError, any_of, without_surrogates

LARGE = 1 << 20  # in a text with more characters than this, pieces are counted one by one and never held in a list

Pair = tuple[int, int]


def count_pieces(
    text: str | Iterable[str], pattern: str, *, special_tokens: Sequence[str] = (), progress: bool = False
) -> Counter[str]:
    """Split one text, or each of several texts, into pieces with `pattern`, and count how often each piece occurs.

    The text is first split at `special_tokens`, so they are not counted, and no piece reaches across them.

    >>> count_pieces("so so so<end>so", r" ?\\w+", special_tokens=["<end>"])
    Counter({'so': 2, ' so': 2})
    """
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise TokenizerError(f"The pattern {pattern!r} is not a valid regular expression: {error}.") from None
    counts: Counter[str] = Counter()
    if isinstance(text, bytes) or not isinstance(text, Iterable):
        raise TypeError(f"Training takes a string or several strings, got {type(text).__name__}.")
    texts = [text] if isinstance(text, str) else text
    for part in _bar(texts, desc="counting pieces", unit="text", disable=not progress):
        if not isinstance(part, str):
            raise TypeError(f"Training takes a string or several strings, but one of them is {type(part).__name__}.")
        for stretch in any_of(tuple(special_tokens)).split(part) if special_tokens else (part,):
            if len(stretch) < LARGE and not compiled.groups:
                # findall is quick, but holds all pieces in a list, and returns the groups if the pattern has any
                counts.update(compiled.findall(stretch))
            else:
                counts.update(match[0] for match in compiled.finditer(stretch))
    return counts


def learn_merges(
    piece_counts: Mapping[str, int],
    n_merges: int,
    *,
    ties: Literal["first", "largest"] = "first",
    progress: bool = False,
) -> list[Pair]:
    """Learn up to `n_merges` pairs of ids; pair number i makes the token with the id 256 + i.

    The pair with the highest count comes first. If two pairs are tied, `ties="first"` takes the one with the smaller
    left id, then the smaller right id; `ties="largest"` compares the bytes of the tokens instead (the left
    tokens, then the right tokens) and takes the pair with the larger bytes, as some courses do. Ids 0 to 255 are the
    bytes. Raises `ValueError` for any other `ties`.

    >>> learn_merges({"low": 1, " lower": 1, " lowest": 1}, 3)
    [(108, 111), (256, 119), (32, 257)]
    """
    if ties not in ("first", "largest"):
        raise ValueError(f"ties must be 'first' or 'largest', got {ties!r}.")
    tokens = [bytes([b]) for b in range(256)]
    entry = _entry if ties == "first" else partial(_entry_with_bytes, tokens)
    pieces = [list(without_surrogates(piece).encode()) for piece in piece_counts]
    counts = list(piece_counts.values())
    pair_counts, pieces_with = _count_pairs(pieces, counts)
    heap = [entry(count, pair) for pair, count in pair_counts.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    with _bar(total=n_merges, desc="learning merges", unit="merge", disable=not progress) as bar:
        while len(merges) < n_merges and (pair := _pop_commonest(heap, pair_counts)):
            new_id = 256 + len(merges)
            merges.append(pair)
            tokens.append(tokens[pair[0]] + tokens[pair[1]])
            changes: defaultdict[Pair, int] = defaultdict(int)
            for index in pieces_with.pop(pair):
                _merge_in_piece(pieces[index], pair, new_id, counts[index], changes, index, pieces_with)
            del pair_counts[pair]
            changes.pop(pair, None)
            for changed, change in changes.items():
                pair_counts[changed] += change
                if new_id in changed and change > 0:  # all other counts fall; `_pop_commonest` corrects them
                    heapq.heappush(heap, entry(change, changed))
            bar.update()
    return merges


def _count_pairs(
    pieces: list[list[int]], counts: list[int]
) -> tuple[defaultdict[Pair, int], defaultdict[Pair, set[int]]]:
    """Return how often each adjacent pair of ids occurs in the text, and which pieces contain it."""
    pair_counts: defaultdict[Pair, int] = defaultdict(int)
    pieces_with: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, (piece, count) in enumerate(zip(pieces, counts)):
        for pair in pairwise(piece):
            pair_counts[pair] += count
            pieces_with[pair].add(index)
    return pair_counts, pieces_with


def _bar(*arguments: Any, **options: Any) -> Any:
    from tqdm.auto import tqdm  # tqdm takes longer to import than everything else in tokenization

    return tqdm(*arguments, **options)


def _entry(count: int, pair: Pair) -> tuple[Any, ...]:
    """Return a pair's entry in the heap; the smallest entry comes out first."""
    return -count, pair


def _entry_with_bytes(tokens: Sequence[bytes], count: int, pair: Pair) -> tuple[Any, ...]:
    """Return a heap entry that sorts equal counts by bytes, largest first; 256 puts a prefix after longer tokens."""
    left, right = ((*(255 - byte for byte in tokens[id]), 256) for id in pair)
    return -count, left, right, pair


def _pop_commonest(heap: list[tuple[Any, ...]], pair_counts: Mapping[Pair, int]) -> Pair | None:
    """Remove and return the most common pair in the heap, where counts may be too high but never too low."""
    while heap:
        noted, *order, pair = heapq.heappop(heap)
        count = pair_counts.get(pair, 0)
        if count == -noted:
            return pair
        if count > 0:
            heapq.heappush(heap, (-count, *order, pair))
    return None


def _merge_in_piece(
    piece: list[int],
    pair: Pair,
    new_id: int,
    count: int,
    changes: defaultdict[Pair, int],
    index: int,
    pieces_with: defaultdict[Pair, set[int]],
) -> None:
    """From left to right, replace `pair` in piece number `index`, which occurs `count` times; note what changes.

    ... a [l r] b ...  becomes  ... a new b ...: the pairs (a, l) and (r, b) disappear, and (a, new) and (new, b)
    appear.
    """
    left, right = pair
    merged: list[int] = []
    i, n = 0, len(piece)
    while i < n:
        if piece[i] != left or i + 1 == n or piece[i + 1] != right:
            merged.append(piece[i])
            i += 1
            continue
        if merged:
            before = merged[-1]
            changes[before, left] -= count
            changes[before, new_id] += count
            pieces_with[before, new_id].add(index)
        merged.append(new_id)
        i += 2
        if i < n:
            after = piece[i]
            changes[right, after] -= count
            changes[new_id, after] += count
            pieces_with[new_id, after].add(index)
    piece[:] = merged
