"""SentencePiece's byte-pair encoding follows its definition; `test_hugging_face` has the other comparisons."""

import copy
import itertools
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_strategies import many_texts, texts

from llmlib.tokenization.base import TokenizerError
from llmlib.tokenization.sentencepiece import SPACE, SentencePieceTokenizer, ranks_from_scores

IN_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SPECIAL = {"<unk>": 0, "<s>": 1, "</s>": 2}


def tokenizer_of(words, scores=None, in_bytes=True, **options):
    """Return a tokenizer for bytes and the given words, and its scores; by default, earlier words score higher."""
    listed = [*SPECIAL, *(IN_BYTES if in_bytes else []), SPACE, *words]
    pieces = {piece: id for id, piece in enumerate(listed) if piece not in SPECIAL}
    first = len(listed) - len(words)
    values = [0.0] * first + list(scores or [-float(rank) for rank in range(len(words))])
    made = SentencePieceTokenizer(pieces, ranks_from_scores(pieces, values), SPECIAL, unk_id=0, **options)
    return made, {piece: values[id] for piece, id in pieces.items() if piece not in IN_BYTES}


def encode_by_definition(score, text):
    """Repeatedly join the two neighbours that make the piece with the highest score (the leftmost if equal)."""
    parts = list(text)
    while True:
        joined = [(-score[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in score]  # noqa: RUF007
        if not joined:
            return parts
        _, i = min(joined)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


SPELLED = ["".join(letters) for n in (2, 3, 4) for letters in itertools.product("a▁", repeat=n)]


@pytest.mark.slow
@given(
    chosen=st.lists(st.sampled_from(SPELLED), unique=True, min_size=14),
    scores=st.lists(st.integers(-9, 0).map(float), min_size=len(SPELLED), max_size=len(SPELLED)),
    text=st.text("aa b", min_size=5, max_size=40),
)
@settings(max_examples=200)
def test_ids_follow_the_definition(chosen, scores, text):
    words = ["a", "b", *chosen]
    made, score = tokenizer_of(words, [0.0, 0.0, *scores[: len(chosen)]], prefix="never")
    expected = encode_by_definition({word: score[word] for word in [SPACE, *words]}, text.replace(" ", SPACE))
    assert [made.token_bytes(id).decode().replace(" ", SPACE) for id in made.encode(text)] == expected


@pytest.fixture(scope="module")
def english():
    words = ["t", "h", "e", "c", "a", "▁t", "he", "▁the", "▁c", "at", "▁cat", "▁▁", "▁▁▁▁"]
    return tokenizer_of(words)[0]


@given(text=texts)
def test_any_text_survives_encoding_and_decoding(english, text):
    assert english.decode(english.encode(text)) == text.replace(SPACE, " ")
    assert "".join(english.decode_stream(english.encode(text))) == text.replace(SPACE, " ")
    assert not set(SPECIAL.values()) & set(english.encode(text))


def test_words_bytes_and_special_tokens_are_encoded_as_expected(english):
    name = lambda id: english.token_bytes(id)  # noqa: E731
    assert [name(id) for id in english.encode("the cat é")] == [b" the", b" cat", b" ", b"\xc3", b"\xa9"]
    assert english.encode("<s>the</s>", "all") == [1, *english.encode("the"), 2]
    assert [name(id) for id in english.encode("     the")] == [b"    ", b" ", b" the"]


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        ({"prefix": "every"}, "a</s>a", [b" ", b"a", b"</s>", b" ", b"a"]),
        ({"prefix": "first"}, "a</s>a", [b" ", b"a", b"</s>", b"a"]),
        ({"prefix": "first"}, "</s>a", [b"</s>", b"a"]),
        ({"prefix": "never"}, "a</s>a", [b"a", b"</s>", b"a"]),
        ({"prefix": "every", "doubles_prefix": True}, " a", [b" ", b" ", b"a"]),
        ({"prefix": "every", "doubles_prefix": False}, " a", [b" ", b"a"]),
        ({"prefix": "every"}, "", []),
    ],
)
def test_the_options_decide_where_a_space_is_added(options, text, expected):
    made, _ = tokenizer_of(["a"], **options)
    assert [made.token_bytes(id) for id in made.encode(text, "all")] == expected


def test_decoding_removes_the_added_space_unless_stripping_is_off():
    with_strip, _ = tokenizer_of(["a"])
    without, _ = tokenizer_of(["a"], strips_prefix=False)
    for made, expected in ((with_strip, "a  a"), (without, " a  a")):
        ids = made.encode("a  a")
        assert made.decode(ids) == expected
        assert "".join(made.decode_stream(ids)) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, [3, 4, 0, 4]), ({"fuses_unk": False}, [3, 4, 0, 0, 4])],
)
def test_characters_that_cannot_be_encoded_become_unknown_tokens(options, expected):
    made, _ = tokenizer_of(["a"], in_bytes=False, byte_fallback=False, **options)
    assert made.encode("aéüa") == expected


def test_a_text_that_looks_like_a_byte_token_is_not_read_as_a_byte():
    """Pieces that together happen to spell <0x0A> must not become a line break."""
    made, _ = tokenizer_of(["<", "0", "x", "A", ">", "<0", "<0x", "<0x0", "A>"], prefix="never")
    assert made.decode(made.encode("<0x0A>")) == "<0x0A>"
    assert made.pieces["<0x0A>"] not in made.encode("<0x0A>")


def test_merges_may_cross_spaces():
    made, _ = tokenizer_of(["a", "b", "a▁", "a▁b"], prefix="never")
    assert [made.token_bytes(id) for id in made.encode("a b a")] == [b"a b", b" ", b"a"]


@pytest.mark.parametrize("text", ["a", " ", "é", "the "])
def test_long_texts_survive_encoding_and_decoding(english, text):
    assert english.decode(english.encode(text * 100_000)) == text * 100_000


def test_broken_surrogates_are_replaced(english):
    assert english.encode("a\ud800") == english.encode("a\ufffd")


@pytest.mark.parametrize(
    ("pieces", "ranks", "options", "message"),
    [
        ({}, {}, {}, "The vocabulary has no token '▁'|byte tokens"),
        ({SPACE: 3, "<0x00>": 4}, {}, {}, "Only 1 of the 256 byte tokens"),
        ({"a": 3}, {}, {"byte_fallback": False}, "no token '▁' for a space"),
        ({SPACE: 2}, {}, {"byte_fallback": False}, "The id 2 is used twice"),
        ({SPACE: 3, "a": 3}, {}, {"byte_fallback": False}, "The id 3 is used twice"),
        ({SPACE: 3, "a": 10**9}, {}, {"byte_fallback": False}, "cannot be right"),
        ({SPACE: 3, "": 4}, {}, {"byte_fallback": False}, "is empty"),
        ({SPACE: 3, "\ud800": 4}, {}, {"byte_fallback": False}, "half a surrogate pair"),
        ({SPACE: 3, "a": 4}, {("a", "a"): 0}, {"byte_fallback": False}, "refers to 'aa', which is not a token"),
        ({SPACE: 3}, {}, {"byte_fallback": False, "unk_id": 99}, "unk_id 99 is not in the vocabulary"),
    ],
)
def test_inconsistent_vocabularies_are_refused(pieces, ranks, options, message):
    with pytest.raises(TokenizerError, match=message):
        SentencePieceTokenizer(pieces, ranks, SPECIAL, **options)


def test_copies_and_pickles_encode_like_the_original(english):
    for other in (copy.deepcopy(english), pickle.loads(pickle.dumps(english))):
        for text in many_texts(50):
            assert other.encode(text) == english.encode(text)
