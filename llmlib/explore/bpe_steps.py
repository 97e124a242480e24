"""Show byte-pair encoding, one merge at a time. This module does not need torch."""

from collections.abc import Sequence
from typing import Any

import regex

from llmlib.tokenization.base import TokenizerError
from llmlib.tokenization.bpe import BPETokenizer
from llmlib.tokenization.bpe_training import count_pieces, learn_merges
from llmlib.tokenization.patterns import GPT2_PATTERN
from llmlib.widgets.bpe_steps.view import BPEStepsView

MOST_CHARACTERS = 2000  # about as much as a person can follow step by step


def explore_bpe_steps(
    text: str | None = None,
    vocab_size: int = 276,
    *,
    encode: str = "",
    pattern: str = GPT2_PATTERN,
    tokenizer: BPETokenizer | None = None,
    step: int = 0,
    predict: bool = False,
) -> BPEStepsView:
    """Follow byte-pair encoding one merge at a time, as it learns merges from `text` and then encodes other texts.

    With `encode`, the view begins by encoding that text. With a `tokenizer`, the view uses the tokenizer's first
    `vocab_size` - 256 merges, and `text` serves only to show what these merges do. Both texts can be edited. With
    `predict`, the view hides the next pair until the user has picked a pair, and keeps score. Raises `ValueError` if a
    text is longer than 2,000 characters, or if `vocab_size` is below 256.

    >>> explore_bpe_steps("low lower", vocab_size=258, step=2)
    <BPEStepsView: Byte-pair encoding of “low lower”, after 2 of 2 merges: low|·|low|e|r. There are no merges left.>
    """
    if vocab_size < 256:
        raise ValueError(f"vocab_size {vocab_size} is too small: the 256 bytes are always part of the vocabulary.")
    pattern = tokenizer.pattern if tokenizer else pattern
    fixed = _as_ids(tokenizer.merges[: vocab_size - 256]) if tokenizer else None

    def learn(source: str) -> dict[str, Any]:
        pieces = _cut(source, pattern)
        learned = learn_merges(count_pieces(source, pattern), vocab_size - 256) if fixed is None else fixed
        return {"pieces": pieces, "merges": [list(pair) for pair in learned], "step": 0, "word_step": 0, "guesses": {}}

    view = BPEStepsView(**learn(text or ""), word_pieces=_cut(encode, pattern), mode="encode" if encode else "train")
    view.step, view.word_step = (0, step) if encode else (step, 0)
    view.predict = predict

    def change(**traits: Any) -> None:
        with view.hold_sync():
            for name, value in traits.items():
                setattr(view, name, value)

    view.on_act("train", lambda text: change(**learn(text)))
    view.on_act(
        "encode", lambda text: change(word_pieces=_cut(text, pattern), word_step=0, guesses=_but_encoding(view))
    )
    return view


def _but_encoding(view: BPEStepsView) -> dict[str, Any]:
    """Return the user's predictions except those for the encoded text, which is about to change."""
    return {key: pair for key, pair in view.guesses.items() if not key.startswith("encode ")}


def _cut(text: str, pattern: str) -> list[str]:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"This view can show at most {MOST_CHARACTERS:,} characters, but your text has {len(text):,}. Pass only "
            "a part of it. (To train on the whole text, use BPETokenizer.train.)"
        )
    return [match.group() for match in regex.finditer(pattern, text)]


def _as_ids(merges: Sequence[tuple[bytes, bytes]]) -> list[tuple[int, int]]:
    """Turn pairs of tokens into pairs of ids, where 0 to 255 are the bytes, and 256 + i is the token of merge i."""
    numbers = {bytes([b]): b for b in range(256)}
    pairs: list[tuple[int, int]] = []
    for left, right in merges:
        if left not in numbers or right not in numbers:
            raise TokenizerError(
                f"The merge of {left!r} and {right!r} uses a token that no earlier merge has produced."
            )
        pairs.append((numbers[left], numbers[right]))
        numbers.setdefault(left + right, 256 + len(pairs) - 1)
    return pairs
