"""Tokenizers in interactive views. Needs no torch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import regex

from llmlib.tokenization.base import Tokenizer, TokenizerError
from llmlib.tokenization.bpe import BPETokenizer
from llmlib.tokenization.bpe_training import count_pieces, learn_merges
from llmlib.tokenization.loading import load_tokenizer
from llmlib.tokenization.patterns import GPT2_PATTERN
from llmlib.widgets.bpe_stepper.view import BPEStepper
from llmlib.widgets.token_view.view import TokenView, encoding

MOST_CHARACTERS = 2000  # what a person can follow step by step


def explore_tokens(tokenizers: Mapping[str, Tokenizer] | Iterable[str] | Tokenizer, text: str) -> TokenView:
    """A text to edit, and how each tokenizer cuts it: colours, ids, bytes, counts.

    `tokenizers` is a tokenizer, a mapping from names to tokenizers, or names that `load_tokenizer` knows. What
    looks like a special token stays ordinary text until the reader ticks a box.

    >>> explore_tokens(BPETokenizer.train("low low lower", vocab_size=258), "slow")
    <TokenView: “slow” in tokens. BPETokenizer: 2 tokens, 2.00 bytes per token: s|low.>
    """
    if isinstance(tokenizers, Tokenizer):
        tokenizers = {type(tokenizers).__name__: tokenizers}
    elif isinstance(tokenizers, str):
        tokenizers = {tokenizers: load_tokenizer(tokenizers)}
    elif not isinstance(tokenizers, Mapping):
        tokenizers = {name: load_tokenizer(name) for name in tokenizers}
    known = dict(tokenizers)
    view = TokenView(text=text, encodings=_encodings(known, text, special=False))

    def cut(text: str, special: bool) -> None:
        encodings = _encodings(known, text, special)
        with view.hold_sync():
            view.text, view.encodings, view.special = text, encodings, special

    view.on_act("text", lambda text: cut(text, view.special))
    view.on_act("special", lambda value: cut(view.text, bool(value)))
    return view


def _encodings(tokenizers: Mapping[str, Tokenizer], text: str, special: bool) -> list[dict[str, Any]]:
    return [_encoding(name, tokenizer, text, special) for name, tokenizer in tokenizers.items()]


def _encoding(name: str, tokenizer: Tokenizer, text: str, special: bool) -> dict[str, Any]:
    ids = tokenizer.encode(text, "all" if special else ())
    control = set(tokenizer.special_tokens.values())
    positions = [position for position, id in enumerate(ids) if id in control]
    return encoding(name, ids, [tokenizer.token_bytes(id) for id in ids], tokenizer.vocab_size, positions)


def step_bpe(
    text: str | None = None,
    vocab_size: int = 276,
    *,
    encode: str = "",
    pattern: str = GPT2_PATTERN,
    tokenizer: BPETokenizer | None = None,
    step: int = 0,
    predict: bool = False,
) -> BPEStepper:
    """Byte-pair encoding one merge at a time: learn merges from `text`, then encode other texts with them.

    With `encode` the view begins by encoding that text. With a `tokenizer` its first `vocab_size` - 256 merges
    are used instead of learning from `text`; then `text` only shows what they do. Both texts may be edited.
    With `predict`, the view hides the next pair until the reader has picked one, and keeps the score.
    Raises ValueError if a text is longer than 2,000 characters, or `vocab_size` is below 256.

    >>> step_bpe("low lower", vocab_size=258, step=2)
    <BPEStepper: Byte-pair encoding of “low lower”, after 2 of 2 merges: low|·|low|e|r. No merge is left.>
    """
    if vocab_size < 256:
        raise ValueError(f"vocab_size {vocab_size} is too small: the 256 bytes are always part of it.")
    pattern = tokenizer.pattern if tokenizer else pattern
    fixed = _as_ids(tokenizer.merges[: vocab_size - 256]) if tokenizer else None

    def learn(source: str) -> dict[str, Any]:
        pieces = _cut(source, pattern)
        learned = learn_merges(count_pieces(source, pattern), vocab_size - 256) if fixed is None else fixed
        return {"pieces": pieces, "merges": [list(pair) for pair in learned], "step": 0, "word_step": 0, "guesses": {}}

    view = BPEStepper(**learn(text or ""), word_pieces=_cut(encode, pattern), mode="encode" if encode else "train")
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


def _but_encoding(view: BPEStepper) -> dict[str, Any]:
    """The predictions without those for a text that is encoded no longer."""
    return {key: pair for key, pair in view.guesses.items() if not key.startswith("encode ")}


def _cut(text: str, pattern: str) -> list[str]:
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"The stepper follows texts of up to {MOST_CHARACTERS:,} characters; this one has {len(text):,}. "
            "Give it a part of the text, or train with BPETokenizer.train."
        )
    return [match.group() for match in regex.finditer(pattern, text)]


def _as_ids(merges: Sequence[tuple[bytes, bytes]]) -> list[tuple[int, int]]:
    """Pairs of bytes as pairs of ids, numbered anew: 0 to 255 are the bytes, 256 + i is what merge i makes."""
    numbers = {bytes([b]): b for b in range(256)}
    pairs: list[tuple[int, int]] = []
    for left, right in merges:
        if left not in numbers or right not in numbers:
            raise TokenizerError(f"The merge of {left!r} and {right!r} uses a token that no earlier merge has made.")
        pairs.append((numbers[left], numbers[right]))
        numbers.setdefault(left + right, 256 + len(pairs) - 1)
    return pairs
