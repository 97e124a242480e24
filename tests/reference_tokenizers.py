"""Build and train tokenizers of the families that we read, with Hugging Face's `tokenizers`."""

import functools
import json
import sysconfig
import tempfile
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

from llmlib.tokenization import load_tokenizer

CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
O200K = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
TEKKEN = O200K.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}")
MORE = "日本語のテキスト。 привет мир! ¿Qué tal? naïve café, 東京 🙂 👩‍👩‍👧 مرحبا שלום 12345 6789\n\n\t  "


def standard_library(n_characters):
    """Return real text that every machine has: the source of Python's own library."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    text = ""
    for file in files:
        if len(text) >= n_characters:
            break
        text += file.read_text(encoding="utf-8", errors="replace")
    return text[:n_characters]


def _byte_level(**options):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, **options)


def _split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), _byte_level(use_regex=False)])


PRE_TOKENIZERS = {
    "gpt2": _byte_level,
    "gpt2 as a split": lambda: _split(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
    "smollm2": lambda: pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _byte_level()]),
    "llama3": lambda: _split(CL100K),
    "qwen2": lambda: _split(CL100K.replace(r"\p{N}{1,3}", r"\p{N}")),
    "o200k": lambda: _split(O200K),
    "tekken": lambda: _split(TEKKEN),
}
LLAMA2_LAYOUTS = ("normalizer", "metaspace first", "metaspace always", "metaspace never")
FAMILIES = (*PRE_TOKENIZERS, *LLAMA2_LAYOUTS)


@functools.cache
def saved(family):
    """Return the tokenizer.json of a small tokenizer of a family, as `tokenizers` writes it."""
    made = _like_llama2(family) if family in LLAMA2_LAYOUTS else _byte_level_bpe(family)
    return made.to_str(pretty=False)


@functools.cache
def reference(family):
    return Tokenizer.from_str(saved(family))


@functools.cache
def ours_of(family):
    """Return our tokenizer for a family, read from the family's tokenizer.json."""
    with tempfile.TemporaryDirectory() as folder:
        return load_tokenizer(write(Path(folder) / "tokenizer.json", saved(family)))


def _byte_level_bpe(family):
    made = Tokenizer(models.BPE(ignore_merges=family in ("llama3", "tekken")))
    made.pre_tokenizer, made.decoder = PRE_TOKENIZERS[family](), decoders.ByteLevel()
    if family == "qwen2":
        made.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(
        vocab_size=1200,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<|endoftext|>", "<|im_start|>"],
    )
    made.train_from_iterator([standard_library(150_000), MORE * 20], trainer)
    if family == "llama3":
        made.post_processor = TemplateProcessing("<|endoftext|> $A", None, [("<|endoftext|>", 0)])
    return made


def _like_llama2(layout):
    """Build a tokenizer like Llama 2's, with bytes for rare characters, and with merges of runs of spaces."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    special, in_bytes = ["<unk>", "<s>", "</s>"], [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=1500, show_progress=False, limit_alphabet=120, special_tokens=special + in_bytes
    )
    made.train_from_iterator([standard_library(150_000), MORE * 20], trainer)
    record = json.loads(made.to_str())
    record["added_tokens"] = [token for token in record["added_tokens"] if token["content"] in special]
    model = record["model"]
    for spaces in (1, 2, 4):
        model["vocab"]["▁" * 2 * spaces] = len(model["vocab"])
        model["merges"].insert(7 * spaces, ["▁" * spaces, "▁" * spaces])
    steps = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]
    record["pre_tokenizer"] = record["normalizer"] = None
    if layout == "normalizer":
        replace = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
        record["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace]}
    else:
        scheme = layout.split()[1]
        record["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}
        steps = steps[:-1] if scheme == "never" else steps
    record["decoder"] = {"type": "Sequence", "decoders": steps}
    made = Tokenizer.from_str(json.dumps(record))
    made.post_processor = TemplateProcessing("<s> $A", None, [("<s>", 1)])
    return made


def from_vocabulary(tokenizer, pre_tokenizer):
    """Return a tokenizer from `tokenizers` with the same vocabulary and merges as one of our tokenizers."""
    from llmlib.tokenization.byte_level import byte_alphabet

    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    spell = lambda token: "".join(letters[byte] for byte in token)  # noqa: E731
    vocabulary = {spell(token): id for token, id in tokenizer.vocabulary.items()}
    merges = [(spell(left), spell(right)) for left, right in tokenizer.merges]
    made = Tokenizer(models.BPE(vocabulary | tokenizer.special_tokens, merges))
    made.pre_tokenizer, made.decoder = PRE_TOKENIZERS[pre_tokenizer](), decoders.ByteLevel()
    made.add_special_tokens([AddedToken(name, normalized=False) for name in tokenizer.special_tokens])
    return made


def write(path, content):
    """Write a text as it is and any other value as JSON; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def put(*path, value):
    """Return a function that sets `value` in a record, at the place given by the keys and indices."""

    def change(record):
        for key in path[:-1]:
            record = record[key]
        record[path[-1]] = value

    return change


def write_gguf(path, **fields):
    """Write a GGUF file without tensors. A field whose value is None is left out."""
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    for name, value in fields.items():
        key = "tokenizer." + name if name == "chat_template" else "tokenizer.ggml." + name
        if value is None:
            continue
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        else:
            writer.add_array(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def gguf_fields(family):
    """Return the tokens of a family, their kinds and the merges, for `write_gguf`."""
    record = json.loads(saved(family))
    special = {token["content"] for token in record["added_tokens"]}
    tokens = sorted(record["model"]["vocab"], key=record["model"]["vocab"].get)
    kinds = [3 if token in special else 6 if token.startswith("<0x") else 1 for token in tokens]
    return {"tokens": tokens, "token_type": kinds, "merges": [" ".join(m) for m in record["model"]["merges"]]}


STATE = (
    "vocabulary",
    "pattern",
    "special_tokens",
    "merge_order",
    "whole_pieces",
    "unk_id",
    "normalization",
    "bos_id",
    "adds_bos",
    "eos_ids",
    "chat_template",
)


def state(tokenizer):
    """Return everything that must survive saving and loading a tokenizer."""
    return {name: getattr(tokenizer, name) for name in STATE}
