"""Our own file format for tokenizers loses nothing, and errors say what is damaged."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_tokenizers import FAMILIES, LLAMA2_LAYOUTS, ours_of, put, saved, state, write
from text_strategies import many_texts, texts

from llmlib.files import downloads
from llmlib.tokenization import BPETokenizer, TokenizerError, load_tokenizer

BYTE_LEVEL = tuple(family for family in FAMILIES if family not in LLAMA2_LAYOUTS)


@pytest.mark.slow
@given(corpus=texts, size=st.integers(258, 300), template=st.none() | texts)
@settings(max_examples=25)
def test_a_saved_tokenizer_loads_unchanged(corpus, size, template, tmp_path_factory):
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
def test_tokenizers_of_other_families_can_be_saved_and_loaded(family, tmp_path):
    ours = ours_of(family)
    ours.save(tmp_path / "saved.json")
    loaded = BPETokenizer.load(tmp_path / "saved.json")
    assert state(loaded) == state(ours)
    assert all(loaded.encode(text, "all") == ours.encode(text, "all") for text in many_texts(300))


def test_every_field_survives_saving_and_loading(tmp_path):
    vocabulary = {b"a": 9, b"\xff": 3, b"ab": 4, b"b": 5, b"\xffa": 1, b"ba": 6}
    made = BPETokenizer(
        vocabulary,
        r"\w+|.",
        {"<s>": 7, "</s>": 0},
        merge_order=[b"ab", b"\xffa"],
        whole_pieces=True,
        unk_id=5,
        normalization="NFC",
        bos_id=7,
        adds_bos=True,
        eos_ids=[0, 7],
        chat_template="{{ 'hi' }}",
    )
    made.save(tmp_path / "saved.json")
    assert state(BPETokenizer.load(tmp_path / "saved.json")) == state(made)


def test_people_can_read_a_saved_tokenizer(tmp_path):
    BPETokenizer.train("naïve naïve", 258, special_tokens=["<s>"]).save(tmp_path / "saved.json")
    lines = (tmp_path / "saved.json").read_text(encoding="utf-8").split("\n")
    assert '  [97, "a"],' in lines
    assert "  [195, [195]]," in lines
    assert ' "special_tokens": {"<s>": 257},' in lines


def own(change):
    vocabulary = [[byte, [byte]] for byte in range(256)]
    record = {
        "format": "llmlib.BPETokenizer",
        "version": 1,
        "pattern": ".",
        "normalization": None,
        "whole_pieces": False,
        "unk_id": None,
        "bos_id": None,
        "adds_bos": False,
        "eos_ids": [],
        "chat_template": None,
        "special_tokens": {},
        "merge_order": None,
        "vocabulary": vocabulary,
    }
    change(record)
    return record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("format", value="llmlib.Other"), "has the format 'llmlib.Other', version 1, but this version of llmlib"),
        (put("version", value=2), "A newer version of llmlib may have written it"),
        (lambda record: record.pop("vocabulary"), "'vocabulary' is missing"),
        (put("vocabulary", 0, value=[0]), r"contains \[0\], which is not an \(id, token\) pair"),
        (put("vocabulary", 0, value=["0", "a"]), r"is not an \(id, token\) pair"),
        (put("vocabulary", 0, value=[0, [256]]), r"\[256\] is neither a string nor a list of bytes"),
        (put("vocabulary", 0, value=[0, "\ud800"]), "is neither a string nor a list of bytes"),
        (put("vocabulary", 0, value=[0, [1]]), r"contains the token b'\\x01' twice"),
        (put("vocabulary", 0, value=[1, [0]]), "The id 1 is used twice"),
        (put("vocabulary", 0, value=[10**9, [0]]), "cannot be right"),
        (put("pattern", value="("), "is not a valid regular expression"),
        (put("pattern", value=None), "'pattern' must be a string, got None"),
        (put("normalization", value="NFD"), "unknown normalization 'NFD'"),
        (put("merge_order", value=[97]), "with two or more bytes"),
        (put("merge_order", value=[999]), "merge_order contains 999, which is not a token id"),
        (put("merge_order", value=["97"]), "merge_order contains '97'"),
        (put("special_tokens", value={"<s>": "256"}), "the id of '<s>' must be a whole number, got '256'"),
        (put("special_tokens", value={"<s>": 97}), "The id 97 is used twice"),
        (put("bos_id", value="x"), "'bos_id' must be a whole number or null, got 'x'"),
        (put("bos_id", value=999), "bos_id 999 is not in the vocabulary"),
        (put("eos_ids", value=[None]), "the id of 0 must be a whole number, got None"),
        (put("whole_pieces", value=0), "'whole_pieces' must be true or false, got 0"),
    ],
)
def test_damaged_files_in_our_own_format_are_refused(change, message, tmp_path):
    path = write(tmp_path / "saved.json", own(change))
    for load in (BPETokenizer.load, load_tokenizer):
        with pytest.raises(TokenizerError, match=message) as caught:
            load(path)
        assert str(caught.value).startswith(str(path))


def test_load_refuses_a_file_in_another_format(tmp_path):
    path = write(tmp_path / "tokenizer.json", saved("gpt2"))
    with pytest.raises(TokenizerError, match=r"was not written by BPETokenizer\.save\. Try load_tokenizer\("):
        BPETokenizer.load(path)


def test_a_failed_save_leaves_the_old_file_unchanged(tmp_path, monkeypatch):
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
