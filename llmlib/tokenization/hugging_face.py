"""Read Hugging Face's tokenizer.json for the families GPT-2, Llama, Mistral, Qwen2, Qwen3 and SmolLM2.

The file describes a pipeline of a normalizer, a pre-tokenizer, a model, a post-processor and a decoder. We support the
pipelines of these families, and refuse a file unless we can reproduce every part of its pipeline exactly.
"""

import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llmlib.files.checked_json import field, integers, naming, read_json, short
from llmlib.tokenization.base import Tokenizer, TokenizerError
from llmlib.tokenization.byte_level import byte_level_tokenizer
from llmlib.tokenization.patterns import (
    CL100K_PATTERN,
    GPT2_PATTERN,
    LLAMA3_PATTERN,
    O200K_PATTERN,
    QWEN2_PATTERN,
    SMOLLM2_PATTERN,
    TEKKEN_PATTERN,
)
from llmlib.tokenization.sentencepiece import SPACE, SentencePieceTokenizer

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_CL100K = _CONTRACTIONS + (r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# Each family's pattern, and the same pattern as we write it. Dialects of regular expressions differ in small
# ways, so an unknown pattern might mean something else here than it does in Hugging Face's library.
PATTERNS = {
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": GPT2_PATTERN,
    _CL100K: LLAMA3_PATTERN,
    _CL100K.replace(r"\p{N}{1,3}", r"\p{N}"): QWEN2_PATTERN,
    O200K_PATTERN: O200K_PATTERN,
    TEKKEN_PATTERN: TEKKEN_PATTERN,
    # Hugging Face's dialect reads a possessive {1,3}+ as a repeated group, and $ as the end of a line.
    CL100K_PATTERN.replace("{1,3}+", "{1,3}").replace("$", r"\z"): CL100K_PATTERN,
}
PREPEND = {"type": "Prepend", "prepend": SPACE}
REPLACE_SPACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
UNDO_REPLACE = {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}
STRIP_FIRST = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def load_hugging_face(record: dict[str, Any], path: Path) -> Tokenizer:
    """Build the tokenizer that a tokenizer.json describes; `record` is the file's content, read from `path`.

    Other files in the same folder, such as tokenizer_config.json, add the ids that begin and end a text, and the chat
    template. Raises `TokenizerError` if one of the files is damaged, or if our tokenizer would not do exactly what
    `tokenizers` does.
    """
    with naming(path, TokenizerError):
        special = _added_tokens(record)
        model = _model(record)
        conventions = _conventions(record, special, path)
        tokens = {token: id for token, id in model["vocab"].items() if token not in special}
        for token, id in special.items():
            if model["vocab"].get(token, id) != id:
                raise TokenizerError(
                    f"{token!r} has the id {id} in added_tokens, but {model['vocab'][token]} in vocab."
                )
        splitters = _flat(record, "pre_tokenizer", "pretokenizers")
        if any(step.get("type") == "ByteLevel" for step in splitters):
            return _byte_level(record, model, tokens, special, splitters, conventions)
        return _sentencepiece(record, model, tokens, special, splitters, conventions)


def _byte_level(
    record: Any, model: Any, tokens: Any, special: dict[str, int], splitters: list[Any], conventions: dict[str, Any]
) -> Tokenizer:
    normalizers = _flat(record, "normalizer", "normalizers")
    if normalizers not in ([], [{"type": "NFC"}]):
        raise TokenizerError(f"The normalizer {short(normalizers)} is not supported here; it must be NFC or absent.")
    if model["byte_fallback"]:
        raise TokenizerError("The model uses byte_fallback, although its pre-tokenizer is ByteLevel.")
    if any(step.get("type") != "ByteLevel" for step in _flat(record, "decoder", "decoders")):
        raise TokenizerError(f"The decoder {short(record.get('decoder'))} is not supported here; it must be ByteLevel.")
    unknown = model["unk_token"] or None
    missing = 256 - sum(len(token) == 1 for token in tokens)
    if unknown is not None and missing and (model["fuse_unk"] or unknown not in model["vocab"]):
        raise TokenizerError(
            f"{missing} bytes are not in the vocabulary, and fuse_unk with unk_token {unknown!r} is not supported."
        )
    return byte_level_tokenizer(
        tokens,
        model["merges"],
        _pattern(splitters),
        special,
        whole_pieces=model["ignore_merges"],
        unk_id=model["vocab"].get(unknown) if missing else None,
        normalization="NFC" if normalizers else None,
        **conventions,
    )


def _pattern(splitters: list[Any]) -> str:
    """Return one pattern that splits a text as the pre-tokenizers do when they are applied one after the other."""
    *before, byte_level = splitters
    if byte_level.get("type") != "ByteLevel":
        raise TokenizerError(f"The pre-tokenizer {short(byte_level)} after ByteLevel is not supported.")
    if byte_level.get("add_prefix_space", True):
        raise TokenizerError("The ByteLevel pre-tokenizer with add_prefix_space is not supported.")
    with_gpt2 = byte_level.get("use_regex", True)
    if not before and with_gpt2:
        return GPT2_PATTERN
    if before == [{"type": "Digits", "individual_digits": True}] and with_gpt2:
        return SMOLLM2_PATTERN
    if len(before) == 1 and not with_gpt2:
        split = dict(before[0])
        expression = split.pop("pattern", None)
        if split == {"type": "Split", "behavior": "Isolated", "invert": False} and isinstance(expression, dict):
            known = PATTERNS.get(str(expression.get("Regex")))
            if known is not None:
                return known
            raise TokenizerError(
                f"The pre-tokenizer's pattern {expression!r} is unknown, so it might mean something else here. "
                "The known patterns come from GPT-2, Llama 3, Qwen2, o200k and Mistral Nemo."
            )
    raise TokenizerError(f"The pre-tokenizer {splitters!r} is not supported.")


def _sentencepiece(
    record: Any, model: Any, tokens: Any, special: dict[str, int], splitters: list[Any], conventions: dict[str, Any]
) -> Tokenizer:
    normalizers = _flat(record, "normalizer", "normalizers")
    prefix: Any = "never"
    doubles = True
    if not splitters and normalizers in ([REPLACE_SPACE], [PREPEND, REPLACE_SPACE]):
        prefix = "every" if PREPEND in normalizers else "never"
    elif len(splitters) == 1 and splitters[0].get("type") == "Metaspace" and not normalizers:
        prefix, doubles = _metaspace(splitters[0]), False
    else:
        raise TokenizerError(
            f"The normalizer {short(normalizers)} with the pre-tokenizer {short(splitters)} is not supported."
        )
    if model["ignore_merges"]:
        raise TokenizerError("ignore_merges is supported only with the ByteLevel pre-tokenizer.")
    decoders = _flat(record, "decoder", "decoders")
    steps = [step for step in decoders if step.get("type") not in ("ByteFallback", "Fuse")]
    if steps not in ([UNDO_REPLACE], [UNDO_REPLACE, STRIP_FIRST]):
        raise TokenizerError(f"The decoder {short(decoders)} is not supported.")
    unknown = model["unk_token"]
    if unknown is not None and unknown not in model["vocab"] | special:
        raise TokenizerError(f"The unk_token {unknown!r} is not in the vocabulary.")
    return SentencePieceTokenizer(
        tokens,
        {(left, right): rank for rank, (left, right) in enumerate(model["merges"])},
        special,
        unk_id=None if unknown is None else (model["vocab"] | special)[unknown],
        fuses_unk=model["fuse_unk"],
        byte_fallback=model["byte_fallback"],
        prefix=prefix,
        doubles_prefix=doubles,
        strips_prefix=STRIP_FIRST in steps,
        **conventions,
    )


def _metaspace(step: dict[str, Any]) -> str:
    scheme = step.get("prepend_scheme", "always")
    if step.get("replacement") != SPACE or step.get("split", True) is not False:
        raise TokenizerError(f"The pre-tokenizer {step!r} is not supported; expected Metaspace with split false.")
    try:
        return {"always": "every", "first": "first", "never": "never"}[scheme]
    except (KeyError, TypeError):
        raise TokenizerError(f"The Metaspace pre-tokenizer has an unknown prepend_scheme: {scheme!r}.") from None


def _flat(record: Mapping[str, Any], key: str, inner: str) -> list[dict[str, Any]]:
    """Return the steps of one part of the pipeline: no step, one step, or the steps of a sequence."""
    part = field(record, key, (dict, None), "tokenizer", None)
    if part is None:
        return []
    steps = field(part, inner, list, key) if part.get("type") == "Sequence" else [part]
    for step in steps:
        field(step, "type", str, key)
        if step["type"] == "Sequence":
            raise TokenizerError(f"The {key} contains a Sequence within a Sequence, which is not supported.")
    return steps


def _added_tokens(record: Mapping[str, Any]) -> dict[str, int]:
    """Return the strings that are not in the ordinary vocabulary, and their ids."""
    added: dict[str, int] = {}
    normalizes = record.get("normalizer") is not None
    for entry in field(record, "added_tokens", list, "tokenizer", []):
        text = field(entry, "content", str, "added_tokens")
        flags = [name for name in ("single_word", "lstrip", "rstrip") if field(entry, name, bool, text, False)]
        if normalizes and field(entry, "normalized", bool, text, not entry.get("special")):
            flags.append("normalized")
        if flags:
            raise TokenizerError(f"The added token {text!r} has {' and '.join(flags)}, which is not supported.")
        if not text.strip():
            raise TokenizerError(f"The added token {text!r} contains only white space, which is not supported.")
        if added.setdefault(text, id := field(entry, "id", int, text)) != id:
            raise TokenizerError(f"The added token {text!r} occurs twice, with different ids.")
    return added


def _model(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the model, and check the type of each."""
    model = field(record, "model", dict, "tokenizer")
    kind = field(model, "type", (str, None), "model", None)
    if kind not in ("BPE", None):  # old files do not give a type
        raise TokenizerError(f"The model is of type {kind!r}; only BPE is supported.")
    for name in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise TokenizerError(f"The model has {name} {short(model[name])}, which is not supported.")
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in field(model, "merges", list, "model")]
    for merge in merges:
        if not (isinstance(merge, list) and len(merge) == 2 and all(isinstance(part, str) for part in merge)):
            raise TokenizerError(f"The merge {short(merge)} is not a pair of tokens.")
    if len({(left, right) for left, right in merges}) < len(merges):
        raise TokenizerError("A merge occurs twice.")
    return {
        "vocab": integers(field(model, "vocab", dict, "model"), "vocab"),
        "merges": merges,
        "unk_token": field(model, "unk_token", (str, None), "model", None),
        **{
            name: field(model, name, (bool, None), "model", False) or False
            for name in ("fuse_unk", "byte_fallback", "ignore_merges")
        },
    }


def _conventions(record: Mapping[str, Any], special: Mapping[str, int], path: Path) -> dict[str, Any]:
    """Return the start and end ids and the chat template, from the post-processor and the model's other files."""
    others = {
        name: read_json(file) if (file := path.with_name(name)).is_file() else {}
        for name in ("tokenizer_config.json", "config.json", "generation_config.json")
    }
    config = others["tokenizer_config.json"]
    written = config.get("llmlib_crc32")
    if written is not None and written != zlib.crc32(path.read_bytes()):
        print(
            f"{path} differs from the file that was saved: it has been changed since, or is damaged.", file=sys.stderr
        )
    begin = _template_begin(record)
    ends = [_token_id(config.get("eos_token"), special)]
    for name in ("config.json", "generation_config.json"):
        listed = others[name].get("eos_token_id")
        ends += listed if isinstance(listed, list) else [listed]
    if (own := field(config, "llmlib_eos_ids", (list, None), "tokenizer_config.json", None)) is not None:
        ends = own
    known = {*special.values(), *field(record["model"], "vocab", dict, "model").values()}
    return {
        "bos_id": _token_id(config.get("bos_token"), special) if begin is None else begin,
        "adds_bos": begin is not None,
        "eos_ids": dict.fromkeys(id for id in ends if type(id) is int and id in known),
        "chat_template": _chat_template(config, path),
    }


def _token_id(token: Any, special: Mapping[str, int]) -> int | None:
    """Return the id of a special token, which older files write as a string and newer files as an object."""
    text = token.get("content") if isinstance(token, dict) else token
    return special.get(text) if isinstance(text, str) else None


def _template_begin(record: Mapping[str, Any]) -> int | None:
    """Return the id that the post-processor puts before a text, or None."""
    begin = None
    for step in _flat(record, "post_processor", "processors"):
        if step["type"] == "ByteLevel":  # this step changes offsets, not ids
            continue
        if step["type"] != "TemplateProcessing":
            raise TokenizerError(f"The post-processor {step['type']!r} is not supported.")
        single = field(step, "single", list, "post_processor")
        parts = [(name, value.get("id")) for part in single for name, value in _items(part)]
        if parts == [("Sequence", "A")]:
            continue
        if begin is not None or len(parts) != 2 or parts[0][0] != "SpecialToken" or parts[1] != ("Sequence", "A"):
            raise TokenizerError(f"The post-processor's template {short(single)} is not supported.")
        entry = field(field(step, "special_tokens", dict, "post_processor"), str(parts[0][1]), dict, "special_tokens")
        ids = field(entry, "ids", list, "special_tokens")
        if len(ids) != 1 or type(ids[0]) is not int:
            raise TokenizerError(f"The post-processor puts {short(ids)} before a text; expected one id.")
        begin = ids[0]
    return begin


def _items(part: Any) -> list[tuple[str, dict[str, Any]]]:
    if not isinstance(part, dict) or not all(isinstance(value, dict) for value in part.values()):
        raise TokenizerError(f"The post-processor's template contains {short(part)}, which is not supported.")
    return list(part.items())


def _chat_template(config: Mapping[str, Any], path: Path) -> str | None:
    file = path.with_name("chat_template.jinja")
    if file.is_file():
        try:
            return file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise TokenizerError(f"{file.name} in the same folder is not UTF-8 text: {error}.") from None
    template = config.get("chat_template")
    if isinstance(template, list):  # several templates, by name
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None
