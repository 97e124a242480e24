"""Write our tokenizers as Hugging Face's `tokenizer.json`, which `transformers` can open too.

We write a file only if it means the same to `transformers` as to us; `BPETokenizer.save` can save every tokenizer.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmlib.files.atomic import atomic_write
from llmlib.tokenization.base import TokenizerError
from llmlib.tokenization.bpe import BPETokenizer, parts_of_merges
from llmlib.tokenization.byte_level import byte_alphabet
from llmlib.tokenization.hugging_face import PATTERNS
from llmlib.tokenization.patterns import GPT2_PATTERN, SMOLLM2_PATTERN

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def write_hugging_face(tokenizer: BPETokenizer, folder: Path) -> None:
    """Write a tokenizer into a folder, as `tokenizer.json` and `tokenizer_config.json`.

    Each file is replaced completely or not at all.

    Raises the same `TokenizerError` as `hugging_face_record`, before anything is written.
    """
    record, conventions = _as_json(hugging_face_record(tokenizer)), _conventions(tokenizer)
    conventions["llmlib_crc32"] = zlib.crc32(record)  # the checksum of tokenizer.json
    for name, content in (("tokenizer.json", record), ("tokenizer_config.json", _as_json(conventions))):
        with atomic_write(folder / name) as file:
            file.write(content)


def _as_json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def hugging_face_record(tokenizer: BPETokenizer) -> dict[str, Any]:
    """Return the content of a `tokenizer.json`. Raises `TokenizerError` for a tokenizer that the format cannot express.

    The format cannot express a custom pattern (dialects of regular expressions differ in small ways), a token that is
    not made from a pair of earlier tokens, or a special token that looks like an ordinary token.

    >>> record = hugging_face_record(BPETokenizer.train("low lower", vocab_size=258, special_tokens=["<|end|>"]))
    >>> record["model"]["merges"], record["added_tokens"][0]["content"]
    ([['l', 'o']], '<|end|>')
    """
    written = {byte: character for character, byte in byte_alphabet().items()}
    names = {token: "".join(written[byte] for byte in token) for token in tokenizer.vocabulary}
    vocab = {names[token]: id for token, id in sorted(tokenizer.vocabulary.items(), key=lambda entry: entry[1])}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(text, id) for text, id in _by_id(tokenizer.special_tokens)],
        "normalizer": {"type": "NFC"} if tokenizer.normalization else None,
        "pre_tokenizer": _pre_tokenizer(tokenizer.pattern),
        "post_processor": _post_processor(tokenizer),
        "decoder": BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": _unknown(tokenizer, names),
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": tokenizer.whole_pieces,
            "vocab": vocab | _special_in_vocab(tokenizer, vocab),
            "merges": _merges(tokenizer, names),
        },
    }


def _by_id(tokens: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(tokens.items(), key=lambda entry: entry[1])


def _added(text: str, id: int) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": id, "content": text, **flags}


def _special_in_vocab(tokenizer: BPETokenizer, vocab: Mapping[str, int]) -> dict[str, int]:
    """Return the special tokens to write into the vocabulary as well, because only the vocabulary fixes their ids.

    If whole pieces are looked up in the vocabulary, it must not contain special tokens, because otherwise text that
    looks like a special token would become that token. In that case, the special tokens are numbered when the file is
    read, beginning right after the other ids.
    """
    special = tokenizer.special_tokens
    for text in special:
        if not text.strip():
            raise TokenizerError(f"The special token {text!r} contains only white space.")
        if text in vocab or len(text) == 1:
            raise TokenizerError(
                f"The special token {text!r} cannot be told apart from an ordinary token in GPT-2's alphabet."
            )
    if not tokenizer.whole_pieces:
        return special
    if [id for _, id in _by_id(special)] != list(range(len(vocab), len(vocab) + len(special))):
        raise TokenizerError("The ids of the special tokens do not come right after the other ids.")
    return {}


def _pre_tokenizer(pattern: str) -> dict[str, Any]:
    if pattern == GPT2_PATTERN:
        return BYTE_LEVEL
    if pattern == SMOLLM2_PATTERN:
        return {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL]}
    theirs = next((theirs for theirs, ours in PATTERNS.items() if ours == pattern), None)
    if theirs is None:
        raise TokenizerError(
            f"Hugging Face's library might interpret the pattern {pattern!r} differently, so it cannot be saved."
        )
    split = {"type": "Split", "pattern": {"Regex": theirs}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [split, {**BYTE_LEVEL, "use_regex": False}]}


def _merges(tokenizer: BPETokenizer, names: Mapping[bytes, str]) -> list[list[str]]:
    ranks = {token: rank for rank, token in enumerate(tokenizer.merge_order)}
    pairs = []
    for token, parts in zip(tokenizer.merge_order, parts_of_merges(tokenizer.merge_order)):
        earlier = all(part in names and ranks.get(part, -1) < ranks[token] for part in parts)
        if len(parts) != 2 or not earlier:
            raise TokenizerError(f"The token {token!r} is not the merge of two earlier tokens.")
        pairs.append([names[part] for part in parts])
    return pairs


def _unknown(tokenizer: BPETokenizer, names: Mapping[bytes, str]) -> str | None:
    if tokenizer.unk_id is None:
        return None
    known = {id: names[token] for token, id in tokenizer.vocabulary.items()}
    name = known.get(tokenizer.unk_id) or _special_name(tokenizer, tokenizer.unk_id)
    if name is None or (tokenizer.whole_pieces and tokenizer.unk_id not in known):
        raise TokenizerError(f"unk_id is {tokenizer.unk_id}, but tokenizer.json cannot store this token.")
    return name


def _special_name(tokenizer: BPETokenizer, id: int | None) -> str | None:
    return next((text for text, each in tokenizer.special_tokens.items() if each == id), None)


def _post_processor(tokenizer: BPETokenizer) -> dict[str, Any] | None:
    if tokenizer.bos_id is None:
        return None
    name = _special_name(tokenizer, tokenizer.bos_id)
    if name is None:
        raise TokenizerError(f"bos_id is {tokenizer.bos_id}, which is not the id of a special token.")
    if not tokenizer.adds_bos:
        return None
    begin, text = ({"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}})
    return {
        "type": "TemplateProcessing",
        "single": [begin, text],
        "pair": [begin, text, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {name: {"id": name, "ids": [tokenizer.bos_id], "tokens": [name]}},
    }


def _conventions(tokenizer: BPETokenizer) -> dict[str, Any]:
    names = {"bos_token": tokenizer.bos_id, "eos_token": next(iter(tokenizer.eos_ids), None)}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",  # even if the model's family usually uses another class
        "clean_up_tokenization_spaces": False,
        # The format has room for only one end id, so we add a key of our own, which other programs ignore.
        "llmlib_eos_ids": list(tokenizer.eos_ids),
        **{key: name for key, id in names.items() if (name := _special_name(tokenizer, id)) is not None},
        **({} if tokenizer.chat_template is None else {"chat_template": tokenizer.chat_template}),
    }
