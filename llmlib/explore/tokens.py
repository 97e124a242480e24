"""Show how several tokenizers split the same text. This module does not need torch."""

from collections.abc import Iterable, Mapping
from typing import Any

from llmlib.tokenization.base import Tokenizer
from llmlib.tokenization.loading import load_tokenizer
from llmlib.widgets.tokens.view import TokensView, encoding


def explore_tokens(tokenizers: Mapping[str, Tokenizer] | Iterable[str] | Tokenizer, text: str) -> TokensView:
    """Show how each tokenizer splits a text that you can edit, with colours, ids, bytes and counts.

    `tokenizers` is a tokenizer, a mapping from names to tokenizers, or names that `load_tokenizer` knows. Text that
    looks like a special token is treated as ordinary text until the user ticks a box.

    >>> from llmlib.tokenization import BPETokenizer
    >>> explore_tokens(BPETokenizer.train("low low lower", vocab_size=258), "slow")
    <TokensView: “slow” in tokens. BPETokenizer: 2 tokens, 2.00 bytes per token: s|low.>
    """
    if isinstance(tokenizers, Tokenizer):
        tokenizers = {type(tokenizers).__name__: tokenizers}
    elif isinstance(tokenizers, str):
        tokenizers = {tokenizers: load_tokenizer(tokenizers)}
    elif not isinstance(tokenizers, Mapping):
        tokenizers = {name: load_tokenizer(name) for name in tokenizers}
    known = dict(tokenizers)
    view = TokensView(text=text, encodings=_encodings(known, text, special=False))

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
