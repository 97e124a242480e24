"""Tokenizers from a folder, and files of our own that are saved and loaded."""

import json
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_tokenizers import FAMILIES, LLAMA2_LAYOUTS, gguf_fields, ours_of, put, saved, state, write, write_gguf
from text_strategies import many_texts, texts

from llmlib import downloads
from llmlib.tokenization import BPETokenizer, TokenizerError, load_tokenizer

# --- conventions in the files beside it -------------------------------------------------------------------------


def test_what_stands_beside_the_tokenizer(tmp_path):
    write(tmp_path / "tokenizer.json", saved("gpt2"))
    bare = load_tokenizer(tmp_path)
    assert (bare.bos_id, bare.eos_ids, bare.chat_template) == (None, (), None)
    end = bare.special_tokens["<|endoftext|>"]
    start = bare.special_tokens["<|im_start|>"]
    config = {"bos_token": "<|im_start|>", "eos_token": {"content": "<|endoftext|>"}, "chat_template": "from config"}
    write(tmp_path / "tokenizer_config.json", config)
    write(tmp_path / "config.json", {"eos_token_id": start})
    write(tmp_path / "generation_config.json", {"eos_token_id": [end, start, 10**6]})
    for path in (tmp_path, tmp_path / "tokenizer.json", str(tmp_path)):
        ours = load_tokenizer(path)
        assert (ours.bos_id, ours.adds_bos, ours.eos_ids) == (start, False, (end, start))
        assert ours.chat_template == "from config"
    write(tmp_path / "chat_template.jinja", "from its own file")
    assert load_tokenizer(tmp_path).chat_template == "from its own file"


@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "config.json", "generation_config.json", "chat_template.jinja"]
)
def test_damage_beside_the_tokenizer(name, tmp_path):
    write(tmp_path / "tokenizer.json", saved("gpt2"))
    (tmp_path / name).write_bytes(b"{\xff")
    with pytest.raises(TokenizerError, match=name):
        load_tokenizer(tmp_path)


def test_no_tokenizer_needs_torch(tmp_path):
    gguf = write_gguf(tmp_path / "model.gguf", model="gpt2", pre="gpt-2", **gguf_fields("gpt2"))
    ours_of("gpt2").save(tmp_path / "own.json")
    families = [write(tmp_path / f"{family}.json", saved(family)) for family in ("gpt2", "metaspace first")]
    paths = [str(path) for path in (*families, gguf, tmp_path / "own.json")]
    code = f"""
import sys
from llmlib.tokenization import BPETokenizer, load_tokenizer
BPETokenizer.train("abc", 257)
for path in {paths!r}:
    load_tokenizer(path).encode("abc")
print("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_one_of_several_chat_templates(tmp_path):
    write(tmp_path / "tokenizer.json", saved("gpt2"))
    several = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "the usual"}]
    write(tmp_path / "tokenizer_config.json", {"chat_template": several})
    assert load_tokenizer(tmp_path).chat_template == "the usual"


def test_the_files_that_transformers_saves(tmp_path):
    import transformers

    record = json.loads(saved("gpt2"))["model"]
    merges = [tuple(merge) for merge in record["merges"]]
    llama = json.loads(saved("metaspace first"))["model"]
    cases = [
        (transformers.GPT2Tokenizer, record["vocab"], merges),
        (transformers.Qwen2Tokenizer, record["vocab"], merges),
        (transformers.LlamaTokenizer, llama["vocab"], [tuple(merge) for merge in llama["merges"]]),
    ]
    for kind, vocabulary, pairs in cases:
        theirs = kind(vocab=vocabulary, merges=pairs)
        theirs.save_pretrained(tmp_path / kind.__name__)
        ours = load_tokenizer(tmp_path / kind.__name__)
        for text in many_texts(500, seed=5):
            if unicodedata.normalize("NFC", text) == text:
                assert ours.encode(text, "all") == theirs.encode(text, add_special_tokens=False), kind
        assert ours.eos_ids == (theirs.eos_token_id,)


def test_a_folder_without_a_tokenizer(tmp_path):
    with pytest.raises(TokenizerError, match=r"tokenizer\.json is missing.*save_pretrained"):
        load_tokenizer(tmp_path)


# --- our own format ---------------------------------------------------------------------------------------------


BYTE_LEVEL = tuple(family for family in FAMILIES if family not in LLAMA2_LAYOUTS)


@given(corpus=texts, size=st.integers(258, 300), template=st.none() | texts)
@settings(max_examples=25)
def test_saved_and_loaded_is_the_same(corpus, size, template, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "a folder" / "tokenizer.json"
    made = BPETokenizer.train(corpus, size, special_tokens=["<|end|>", "<é 🙂>"])
    made.chat_template = template
    made.save(path)
    for loaded in (BPETokenizer.load(path), load_tokenizer(path), BPETokenizer.load(str(path))):
        assert state(loaded) == state(made)
        assert list(loaded.vocabulary.items()) == list(made.vocabulary.items())
    before = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize("family", BYTE_LEVEL)
def test_other_families_saved_and_loaded(family, tmp_path):
    ours = ours_of(family)
    ours.save(tmp_path / "saved.json")
    loaded = BPETokenizer.load(tmp_path / "saved.json")
    assert state(loaded) == state(ours)
    assert all(loaded.encode(text, "all") == ours.encode(text, "all") for text in many_texts(300))


def test_every_field_survives(tmp_path):
    vocabulary = {b"a": 9, b"\xff": 3, b"ab": 4, b"b": 5, b"\xffa": 1, b"ba": 6}
    made = BPETokenizer(
        vocabulary, r"\w+|.", {"<s>": 7, "</s>": 0}, merge_order=[b"ab", b"\xffa"], whole_pieces=True, unk_id=5,
        normalization="NFC", bos_id=7, adds_bos=True, eos_ids=[0, 7], chat_template="{{ 'hi' }}",
    )  # fmt: skip
    made.save(tmp_path / "saved.json")
    assert state(BPETokenizer.load(tmp_path / "saved.json")) == state(made)


def test_people_can_read_it(tmp_path):
    BPETokenizer.train("naïve naïve", 258, special_tokens=["<s>"]).save(tmp_path / "saved.json")
    lines = (tmp_path / "saved.json").read_text(encoding="utf-8").split("\n")
    assert '  [97, "a"],' in lines
    assert "  [195, [195]]," in lines
    assert ' "special_tokens": {"<s>": 257},' in lines


def own(change):
    vocabulary = [[byte, [byte]] for byte in range(256)]
    record = {
        "format": "llmlib.BPETokenizer", "version": 1, "pattern": ".", "normalization": None, "whole_pieces": False,
        "unk_id": None, "bos_id": None, "adds_bos": False, "eos_ids": [], "chat_template": None, "special_tokens": {},
        "merge_order": None, "vocabulary": vocabulary,
    }  # fmt: skip
    change(record)
    return record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("format", value="llmlib.Other"), "has the format 'llmlib.Other', version 1; this llmlib reads"),
        (put("version", value=2), "A newer llmlib may have written it"),
        (lambda record: record.pop("vocabulary"), "'vocabulary' is missing"),
        (put("vocabulary", 0, value=[0]), r"\[0\] in vocabulary is no pair"),
        (put("vocabulary", 0, value=["0", "a"]), "is no pair of an id and a token"),
        (put("vocabulary", 0, value=[0, [256]]), r"\[256\] is neither a text nor a list of bytes"),
        (put("vocabulary", 0, value=[0, "\ud800"]), "is neither a text nor a list of bytes"),
        (put("vocabulary", 0, value=[0, [1]]), r"holds the token b'\\x01' twice"),
        (put("vocabulary", 0, value=[1, [0]]), "Id 1 is used twice"),
        (put("vocabulary", 0, value=[10**9, [0]]), "cannot be right"),
        (put("pattern", value="("), "is not a regular expression"),
        (put("pattern", value=None), "'pattern' is None, expected a text"),
        (put("normalization", value="NFD"), "normalization 'NFD' is not known"),
        (put("merge_order", value=[97]), "with two or more bytes"),
        (put("merge_order", value=[999]), "merge_order holds 999, which is not the id of a token"),
        (put("merge_order", value=["97"]), "merge_order holds '97'"),
        (put("special_tokens", value={"<s>": "256"}), "'<s>' has the id '256'"),
        (put("special_tokens", value={"<s>": 97}), "Id 97 is used twice"),
        (put("bos_id", value="x"), "'bos_id' is 'x', expected a whole number or null"),
        (put("bos_id", value=999), "bos_id 999 is outside"),
        (put("eos_ids", value=[None]), "has the id None"),
        (put("whole_pieces", value=0), "'whole_pieces' is 0, expected true or false"),
    ],
)
def test_own_files_that_are_damaged(change, message, tmp_path):
    path = write(tmp_path / "saved.json", own(change))
    for load in (BPETokenizer.load, load_tokenizer):
        with pytest.raises(TokenizerError, match=message) as caught:
            load(path)
        assert str(caught.value).startswith(str(path))


def test_load_says_when_the_file_is_of_another_kind(tmp_path):
    path = write(tmp_path / "tokenizer.json", saved("gpt2"))
    with pytest.raises(TokenizerError, match=r"was not written by BPETokenizer\.save\. Try load_tokenizer\("):
        BPETokenizer.load(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "saved.json"
    BPETokenizer.train("old", 257).save(path)
    before = path.read_bytes()

    def no_space(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads.os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        BPETokenizer.train("new", 258).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["saved.json"]
