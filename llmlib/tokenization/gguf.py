"""Read the tokenizer in a GGUF file (the file format of llama.cpp)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from llmlib.files.checked_json import naming
from llmlib.files.gguf_file import GGUFError, read_gguf
from llmlib.tokenization.base import Tokenizer, TokenizerError
from llmlib.tokenization.byte_level import byte_level_tokenizer
from llmlib.tokenization.patterns import GPT2_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN, SMOLLM2_PATTERN, TEKKEN_PATTERN
from llmlib.tokenization.sentencepiece import SentencePieceTokenizer, ranks_from_scores

KEY = "tokenizer.ggml."
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # kinds of tokens
# The name that llama.cpp gives to a way of splitting texts -> our pattern, and other options that go with it.
SPLITS: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt-2": (GPT2_PATTERN, {}),
    "smollm": (SMOLLM2_PATTERN, {}),
    "llama-bpe": (LLAMA3_PATTERN, {"whole_pieces": True}),
    "tekken": (TEKKEN_PATTERN, {"whole_pieces": True}),
    "qwen2": (QWEN2_PATTERN, {"normalization": "NFC"}),
    "deepseek-r1-qwen": (QWEN2_PATTERN, {}),
}


def load_gguf(path: Path) -> Tokenizer:
    """Read the tokenizer in a GGUF file. Raises `TokenizerError` if the file is missing, damaged or unsupported."""
    try:
        metadata = read_gguf(path).metadata
    except GGUFError as error:
        raise TokenizerError(str(error)) from error
    with naming(path, TokenizerError):
        return _Vocabulary(metadata).tokenizer()


class _Vocabulary:
    """The metadata fields that make up a tokenizer, each checked when it is read."""

    def __init__(self, metadata: Mapping[str, Any]):
        self.metadata = metadata
        tokens = self.texts("tokens")
        kinds = self.numbers("token_type", len(tokens)) if KEY + "token_type" in metadata else [NORMAL] * len(tokens)
        self.special: dict[str, int] = {}
        self.ordinary: dict[str, int] = {}
        for id, (token, kind) in enumerate(zip(tokens, kinds)):
            if kind == UNUSED:
                continue
            if token in self.special or token in self.ordinary:
                raise TokenizerError(f"The token {token[:60]!r} occurs twice.")
            (self.ordinary if kind in (NORMAL, BYTE) else self.special)[token] = id
        self.n_tokens = len(tokens)

    def tokenizer(self) -> Tokenizer:
        model = self.get("model", str)
        if model == "gpt2":
            return self.byte_level()
        if model == "llama":
            return self.sentencepiece()
        raise TokenizerError(f"The tokenizer is of type {model!r}; only 'gpt2' and 'llama' are supported.")

    def byte_level(self) -> Tokenizer:
        split = self.get("pre", str, "(none)")
        if split not in SPLITS:
            raise TokenizerError(
                f"The pre-tokenizer is {split!r}, which is not supported; it must be one of {', '.join(SPLITS)}."
            )
        pattern, options = SPLITS[split]
        merges = [merge.split(" ") for merge in self.texts("merges")]
        if wrong := [merge for merge in merges if len(merge) != 2]:
            raise TokenizerError(f"The merge {' '.join(wrong[0])[:60]!r} is not a pair of tokens.")
        return byte_level_tokenizer(
            self.ordinary,
            merges,
            pattern,
            self.special,
            **options,
            **self.conventions(adds_bos=split in ("llama-bpe", "tekken")),
        )

    def sentencepiece(self) -> Tokenizer:
        scores = self.numbers("scores", self.n_tokens)
        if not np.isfinite(scores).all():
            raise TokenizerError("A token has a score that is not a finite number.")
        prefixed = self.get("add_space_prefix", bool, True)
        return SentencePieceTokenizer(
            self.ordinary,
            ranks_from_scores(self.ordinary, scores),
            self.special,
            unk_id=self.id("unknown_token_id"),
            prefix="every" if prefixed else "never",
            strips_prefix=prefixed,
            **self.conventions(adds_bos=True),
        )

    def conventions(self, *, adds_bos: bool) -> dict[str, Any]:
        """Return the arguments of `Tokenizer` other than the tokens.

        `adds_bos` is the default if the file does not specify it.
        """
        ends = [self.id(key) for key in ("eos_token_id", "eot_token_id", "eom_token_id")]
        bos = self.id("bos_token_id")
        return {
            "bos_id": bos,
            "adds_bos": bos is not None and self.get("add_bos_token", bool, adds_bos),
            "eos_ids": dict.fromkeys(id for id in ends if id is not None),
            "chat_template": self.metadata_field("tokenizer.chat_template", str, None),
        }

    def get(self, name: str, kind: type, *default: Any) -> Any:
        return self.metadata_field(KEY + name, kind, *default)

    def metadata_field(self, key: str, kind: type, *default: Any) -> Any:
        if key not in self.metadata:
            if default:
                return default[0]
            raise TokenizerError(f"The field {key} is missing from the metadata.")
        value = self.metadata[key]
        if type(value) is not kind:
            raise TokenizerError(f"The field {key} must be of type {kind.__name__}, got {type(value).__name__}.")
        return value

    def id(self, name: str) -> int | None:
        return self.get(name, int, None)

    def texts(self, name: str) -> list[str]:
        texts = self.get(name, list)
        if not all(type(text) is str for text in texts):
            raise TokenizerError(f"The field {KEY}{name} contains something other than strings.")
        return texts

    def numbers(self, name: str, length: int) -> list[Any]:
        numbers = self.get(name, np.ndarray)
        if numbers.shape != (length,):
            raise TokenizerError(f"The field {KEY}{name} has {numbers.size} entries for {length} tokens.")
        return numbers.tolist()
