"""The BPE-steps view shows, one merge at a time, how byte-pair encoding learns merges and encodes a text."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import traitlets

from llmlib.widgets.shared.base import View, escape_xml
from llmlib.widgets.shared.token_text import CELL, HUES, boxes, picture, token_label

Pair = tuple[int, int]


def join_pair(word: Sequence[int], pair: Pair, new_id: int) -> list[int]:
    """Replace every occurrence of the pair in a word with `new_id`, from left to right.

    `mergePair` in merging.mjs does the same.

    >>> join_pair([1, 2, 1, 2, 1], (1, 2), 256)
    [256, 256, 1]
    """
    joined: list[int] = []
    for id in word:
        if joined and (joined[-1], id) == pair:
            joined[-1] = new_id
        else:
            joined.append(id)
    return joined


def pair_counts(words: Sequence[Sequence[int]]) -> list[tuple[Pair, int]]:
    """Count adjacent pairs of ids, most frequent first; among equally frequent pairs, smaller ids come first.

    >>> pair_counts([[1, 2, 1, 2], [2, 1]])
    [((1, 2), 2), ((2, 1), 2)]
    """
    counts = Counter(pair for word in words for pair in pairwise(word))
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


class BPEStepsView(View):
    """A step-by-step view of BPE: a text whose pairs are merged, a text to encode, pair counts, and the vocabulary.

    `pieces` are the parts of a text that never merge with each other. `merges` are pairs of ids (0 to 255 are the
    bytes, and 256 + i is the result of merge i). `word_pieces` are the parts of the text to encode. The steps are
    replayed from these traits, in Python for pictures and in the browser for the user. The owner of a tokenizer handles
    the user's actions "train" and "encode", each with a `text`, by setting the traits (see
    `llmlib.explore.explore_bpe_steps`). With `predict`, the user predicts the next pair before the view shows it.
    `guesses` stores each step's first prediction.

    >>> BPEStepsView(pieces=["low", " lower"], merges=[[108, 111], [256, 119]], step=1)
    <BPEStepsView: Byte-pair encoding of “low lower”, after 1 of 2 merges: lo|w|·|lo|w|e|r. Next: “lo” + “w”.>
    """

    folder = Path(__file__).parent
    shown = ("pieces", "merges", "word_pieces", "mode", "step", "word_step", "show_bytes", "predict", "guesses")

    pieces = traitlets.List(traitlets.Unicode()).tag(sync=True)
    merges = traitlets.List(traitlets.List(traitlets.Int(), minlen=2, maxlen=2)).tag(sync=True)
    word_pieces = traitlets.List(traitlets.Unicode()).tag(sync=True)
    mode = traitlets.Enum(("train", "encode"), "train").tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    word_step = traitlets.Int(0, min=0).tag(sync=True)
    show_bytes = traitlets.Bool(False).tag(sync=True)
    predict = traitlets.Bool(False).tag(sync=True)  # the next pair is hidden until the user has predicted it
    guesses = traitlets.Dict().tag(sync=True)  # "train 3": the pair that the user predicted at step 3

    @traitlets.validate("merges")
    def _known_ids(self, proposal: Any) -> Any:
        for number, pair in enumerate(proposal["value"]):
            if not all(0 <= id < 256 + number for id in pair):
                raise traitlets.TraitError(
                    f"merge {number} is {pair}, but its ids must be bytes (0 to 255) or come from earlier merges "
                    f"(256 to {255 + number})."
                )
        return proposal["value"]

    @property
    def tokens(self) -> list[bytes]:
        """The bytes that each id stands for."""
        table = [bytes([b]) for b in range(256)]
        for left, right in self.merges:
            table.append(table[left] + table[right])
        return table

    def words(self) -> list[list[int]]:
        """Return the ids of each piece at the current step of the current mode."""
        return self._after(self.word_step) if self.mode == "encode" else self._after(self.step)

    @property
    def n_steps(self) -> int:
        """The number of steps: all merges in "train" mode, and the merges that apply to the text in "encode" mode."""
        return len(self._steps())

    @property
    def score(self) -> tuple[int, int]:
        """The number of correct predictions in the current mode, and the total number of predictions."""
        steps, right, made = self._steps(), 0, 0
        for key, pair in self.guesses.items():
            mode, _, step = key.partition(" ")
            if mode == self.mode:
                made += 1
                right += int(step) < len(steps) and list(pair) == list(self.merges[steps[int(step)]])
        return right, made

    def _is_open(self, done: int) -> bool:
        """Return whether the user must still predict what follows `done` steps (see `question` in predict.mjs)."""
        if not self.predict or done >= self.n_steps or f"{self.mode} {done}" in self.guesses:
            return False
        counted = pair_counts(self.words())
        return self.mode == "encode" or (bool(counted) and list(counted[0][0]) == list(self.merges[done]))

    def _steps(self) -> list[int]:
        """List, in order, the numbers of the merges that happen in the current mode.

        Going through the merges in the order in which they were learned gives the same result as always joining the
        pair that was learned first, because a merge only creates pairs that contain its new id, and these pairs were
        learned later.
        """
        if self.mode == "train":
            return list(range(len(self.merges)))
        words, steps = self._bytes(), []
        for number, pair in enumerate(self.merges):
            merged = [join_pair(word, (pair[0], pair[1]), 256 + number) for word in words]
            if merged != words:
                steps.append(number)
            words = merged
        return steps

    def _bytes(self) -> list[list[int]]:
        pieces = self.word_pieces if self.mode == "encode" else self.pieces
        return [list(piece.encode(errors="replace")) for piece in pieces]

    def _after(self, step: int) -> list[list[int]]:
        words = self._bytes()
        for number in self._steps()[:step]:
            left, right = self.merges[number]
            words = [join_pair(word, (left, right), 256 + number) for word in words]
        return words

    def _labels(self) -> list[str]:
        table = self.tokens
        return [token_label(table[id]) for word in self.words() for id in word]

    @property
    def alt(self) -> str:
        pieces = self.word_pieces if self.mode == "encode" else self.pieces
        done, steps = min(self.word_step if self.mode == "encode" else self.step, self.n_steps), self._steps()
        text = "".join(pieces)
        text = text if len(text) <= 60 else text[:59] + "…"
        labels = self._labels()
        shown = "|".join(labels[:40]) + ("|…" if len(labels) > 40 else "")
        doing = "Encoding" if self.mode == "encode" else "Byte-pair encoding of"
        coming = f" Next: {self._written(steps[done])}." if done < len(steps) else " There are no merges left."
        if self._is_open(done):
            coming = " Now it is for you to predict which pair comes next."
        if self.predict and self.guesses:
            coming += " Predictions: {} of {} right.".format(*self.score)
        return f"{doing} “{text}”, after {done} of {len(steps)} merges: {shown}.{coming}"

    def _ranks(self) -> dict[Pair, int]:
        """Map each learned pair to the number of its merge, counted from 0."""
        return {(left, right): number for number, (left, right) in enumerate(self.merges)}

    def _written(self, number: int) -> str:
        left, right = (token_label(self.tokens[id]) for id in self.merges[number])
        return f"“{left}” + “{right}”"

    def svg(self) -> str:
        """Draw the current step, with the text split into tokens, the most frequent pairs, and the newest tokens."""
        width, words, steps, table = 760, self.words(), self._steps(), self.tokens
        done = min(self.word_step if self.mode == "encode" else self.step, len(steps))
        coming = tuple(self.merges[steps[done]]) if done < len(steps) else None
        ids = [id for word in words for id in word]
        fills = ["#ffffff" if id < 256 else HUES[id % len(HUES)] for id in ids]
        head = f"After {done} of {len(steps)} merges: {len(ids)} tokens"
        drawn, y = boxes(self._labels(), fills, 10, 40.0, width - 10)
        parts = [f'<text x="10" y="26" font-weight="bold">{head}</text>', drawn]
        top = y + 24
        is_open, pairs, rank = self._is_open(done), pair_counts(words), self._ranks()
        if self.mode == "encode":  # counts do not matter: the pair that was learned first comes first
            pairs.sort(key=lambda entry: rank.get(entry[0], len(rank)))
        pairs = pairs[:6]
        order = "when they were learned" if self.mode == "encode" else "most frequent first"
        title = "Which pair is merged next?" if is_open else f"Pairs, {order}"
        parts.append(f'<text x="10" y="{top:.0f}" fill="#57606a">{title}</text>')
        parts.append(f'<text x="430" y="{top:.0f}" fill="#57606a">Newest tokens</text>')
        if is_open:  # in reading order, which does not give the answer away
            read = [pair for word in words for pair in pairwise(word)]
            pairs.sort(key=lambda entry: read.index(entry[0]))
        for row, (pair, count) in enumerate(pairs):
            y, length = top + 10 + 24 * row, 170 * count / pairs[0][1]
            label = " + ".join(token_label(table[id]) for id in pair)
            colour = "#0b5cad" if pair == coming else "#8a939d"
            parts.append(
                f'<text x="150" y="{y + 15:.0f}" text-anchor="end" font-family="monospace">{escape_xml(label)}</text>'
            )
            if is_open:
                continue
            if self.mode == "encode":
                when = f"merge number {rank[pair] + 1}" if pair in rank else "never"
                parts.append(f'<text x="160" y="{y + 15:.0f}" fill="{colour}">{when}</text>')
                continue
            parts.append(
                f'<rect x="160" y="{y:.0f}" width="{length:.0f}" height="18" fill="{colour}"/>'
                f'<text x="{168 + length:.0f}" y="{y + 15:.0f}">{count}</text>'
            )
        newest = steps[:done][-6:][::-1] if self.mode == "encode" else list(range(done))[-6:][::-1]
        for row, number in enumerate(newest):
            y = top + 10 + 24 * row
            label = token_label(table[256 + number])
            fill = HUES[(256 + number) % len(HUES)]
            parts.append(
                f'<text x="430" y="{y + 15:.0f}">{256 + number}</text>'
                f'<rect x="470" y="{y:.0f}" width="{CELL * len(label) + 10:.0f}" height="20" rx="4" fill="{fill}"/>'
                f'<text x="475" y="{y + 15:.0f}" font-family="monospace">{escape_xml(label)}</text>'
            )
        return picture("".join(parts), width, top + 20 + 24 * max(len(pairs), len(newest), 1))
