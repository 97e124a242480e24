"""Learned merges follow the definition and, even if pairs tie, match those of Hugging Face's trainer."""

import collections
import itertools
import json
import tracemalloc
import weakref

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from reference_tokenizers import standard_library
from text_strategies import texts
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from llmlib.tokenization import GPT2_PATTERN, BPETokenizer, TokenizerError, bpe_training
from llmlib.tokenization.bpe_training import count_pieces, learn_merges
from llmlib.tokenization.byte_level import bytes_of_tokens


def merges_by_definition(pieces, n_merges, ties="first"):
    """Count all pairs again for each merge. Return the merges and, for each, all pairs that were as frequent."""
    words = [(list(piece.encode()), count) for piece, count in pieces.items()]
    tokens = [bytes([byte]) for byte in range(256)]
    merges, rivals = [], []
    for new_id in range(256, 256 + n_merges):
        pairs = collections.Counter()
        for word, count in words:
            for pair in itertools.pairwise(word):
                pairs[pair] += count
        if not pairs:
            break
        if ties == "first":
            best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        else:
            best = max(pairs, key=lambda pair: (pairs[pair], tokens[pair[0]], tokens[pair[1]]))
        tokens.append(tokens[best[0]] + tokens[best[1]])
        merges.append(best)
        rivals.append({pair for pair in pairs if pairs[pair] == pairs[best]})
        for word, _ in words:
            i = 0
            while i < len(word) - 1:
                if (word[i], word[i + 1]) == best:
                    word[i : i + 2] = [new_id]
                i += 1
    return merges, rivals


# --- against the definition -------------------------------------------------------------------------------------


@given(
    pieces=st.dictionaries(st.text("abc", min_size=1, max_size=12), st.integers(1, 4), max_size=8),
    n_merges=st.integers(0, 40),
)
def test_merges_follow_the_definition(pieces, n_merges):
    assert learn_merges(pieces, n_merges) == merges_by_definition(pieces, n_merges)[0]


@given(
    pieces=st.dictionaries(st.text("abcé", min_size=1, max_size=12), st.integers(1, 3), max_size=8),
    n_merges=st.integers(0, 40),
)
def test_ties_can_go_to_the_larger_bytes(pieces, n_merges):
    assert learn_merges(pieces, n_merges, ties="largest") == merges_by_definition(pieces, n_merges, "largest")[0]


@pytest.mark.slow
@given(corpus=st.lists(texts, max_size=4))
def test_no_merge_is_inside_or_across_a_special_token(corpus):
    text = "<|end|>".join(corpus)
    cut = BPETokenizer.train(text, 300, special_tokens=["<|end|>"])
    assert cut.merges == BPETokenizer.train(corpus, 300 - 1).merges[: len(cut.merges)]


def test_special_tokens_are_not_learned_even_if_there_is_little_else():
    made = BPETokenizer.train("<|end|>" * 100 + "ab<|end|>ab", 300, special_tokens=["<|end|>", "<|end|>>"])
    assert made.merges == [(b"a", b"b")]


@given(corpus=st.lists(texts, max_size=5))
def test_merges_of_any_text_follow_the_definition(corpus):
    pieces = count_pieces(corpus, GPT2_PATTERN)
    assert learn_merges(pieces, 60) == merges_by_definition(pieces, 60)[0]


@pytest.mark.slow
def test_merges_of_a_real_text_follow_the_definition():
    pieces = count_pieces(standard_library(30_000), GPT2_PATTERN)
    assert learn_merges(pieces, 300) == merges_by_definition(pieces, 300)[0]


def test_merges_match_the_example_in_the_paper():
    """In figure 1 of Sennrich et al. (2016), without the end-of-word symbol, the merges are es, est, lo, low …"""
    pieces = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    tokens = [bytes([byte]) for byte in range(256)]
    for left, right in learn_merges(pieces, 5):
        tokens.append(tokens[left] + tokens[right])
    assert tokens[256:] == [b"es", b"est", b"lo", b"low", b"ew"]


@pytest.mark.parametrize(
    ("piece", "merges"),
    [
        ("", []),
        ("a", []),
        ("aa", [(97, 97)]),
        ("aaa", [(97, 97), (256, 97)]),
        ("aaaa", [(97, 97), (256, 256)]),
        ("abab", [(97, 98), (256, 256)]),
        ("ba ab", [(32, 97), (97, 256), (98, 257), (258, 98)]),
    ],
)
def test_learning_ends_when_no_pair_is_left(piece, merges):
    assert learn_merges({piece: 1}, 100) == merges


# --- against Hugging Face ---------------------------------------------------------------------------------------


def pairs_of_bytes(tokenizer_json_merges):
    spelled = bytes_of_tokens(itertools.chain(*tokenizer_json_merges))
    return [(spelled[left], spelled[right]) for left, right in tokenizer_json_merges]


def their_merges(corpus, vocab_size):
    """Return Hugging Face's merges. Letters stand for bytes, in the same order, so both resolve ties the same way."""
    letters = [chr(0x4E00 + byte) for byte in range(256)]
    spelled = ("".join(letters[byte] for byte in piece.encode()) for piece in regex.findall(GPT2_PATTERN, corpus))
    theirs = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, show_progress=False, initial_alphabet=letters)
    theirs.train_from_iterator(spelled, trainer)  # without a pre-tokenizer, each text is one piece
    ids = theirs.get_vocab()
    assert [ids[letter] for letter in letters] == list(range(256))
    return [(ids[left], ids[right]) for left, right in json.loads(theirs.to_str())["model"]["merges"]]


@pytest.mark.parametrize(
    ("size", "vocab_size"), [(1_000, 2_000), (200_000, 512), pytest.param(1_000_000, 4_096, marks=pytest.mark.slow)]
)
def test_merges_match_those_of_hugging_face_even_if_pairs_tie(size, vocab_size):
    corpus = standard_library(size)
    ours = learn_merges(count_pieces(corpus, GPT2_PATTERN), vocab_size - 256)
    assert ours == their_merges(corpus, vocab_size)


@pytest.mark.slow
def test_merges_match_hugging_faces_usual_pipeline_up_to_the_first_tie():
    """Hugging Face's usual alphabet puts the space after the letters, so ties may be resolved differently."""
    corpus = standard_library(300_000)
    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    theirs.train_from_iterator(
        [corpus], trainers.BpeTrainer(vocab_size=1024, show_progress=False, initial_alphabet=alphabet)
    )
    expected = pairs_of_bytes(json.loads(theirs.to_str())["model"]["merges"])
    ours = BPETokenizer.train(corpus, 1024)
    same = sum(1 for _ in itertools.takewhile(lambda both: both[0] == both[1], zip(ours.merges, expected)))
    assert same > 20  # the text is Python's source, so the place of the first tie depends on its version
    if same < len(expected):
        _, rivals = merges_by_definition(count_pieces(corpus, GPT2_PATTERN), same + 1)
        tokens = [bytes([byte]) for byte in range(256)] + ours.merge_order
        tied = {(tokens[left], tokens[right]) for left, right in rivals[-1]}
        assert {ours.merges[same], expected[same]} <= tied
    assert len(set(ours.merges) & set(expected)) > 0.95 * len(expected)


# --- training a tokenizer ---------------------------------------------------------------------------------------


def test_the_vocabulary_has_bytes_then_merges_then_special_tokens():
    made = BPETokenizer.train("low lower lowest", 260, special_tokens=["<s>", "</s>"])
    assert [made.token_bytes(id) for id in range(256)] == [bytes([byte]) for byte in range(256)]
    assert [made.token_bytes(id) for id in (256, 257, 258, 259)] == [b"lo", b"low", b"<s>", b"</s>"]
    assert made.special_tokens == {"<s>": 258, "</s>": 259}
    assert made.vocab_size == 260


def test_ties_go_to_the_smaller_ids():
    made = BPETokenizer.train("bb cc aa", 262, pattern=r"\w+| ")
    assert made.merges == [(b"a", b"a"), (b"b", b"b"), (b"c", b"c")]


@pytest.mark.slow
@given(corpus=st.lists(texts, max_size=6))
def test_texts_can_be_given_as_any_iterable(corpus):
    listed = BPETokenizer.train(corpus, 300)
    assert BPETokenizer.train(iter(corpus), 300).vocabulary == listed.vocabulary
    assert BPETokenizer.train((text for text in corpus), 300).vocabulary == listed.vocabulary
    assert BPETokenizer.train(corpus[::-1], 300).vocabulary == listed.vocabulary  # ties do not depend on the order


@pytest.mark.slow
@given(text=texts)
def test_one_text_may_be_given_alone_or_in_a_list(text):
    assert BPETokenizer.train(text, 300).vocabulary == BPETokenizer.train([text], 300).vocabulary


def test_a_tokenizer_can_be_trained_on_the_lines_of_a_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("one two\nthree two one\n" * 50, encoding="utf-8")
    with open(path, encoding="utf-8") as file:
        made = BPETokenizer.train(file, 262)
    assert made.vocabulary == BPETokenizer.train(path.read_text(encoding="utf-8"), 262).vocabulary


@pytest.mark.parametrize("corpus", ["", [], [""], "a", ["a", "b"]])
def test_no_merges_are_learned_from_texts_without_pairs(corpus):
    made = BPETokenizer.train(corpus, 1000, special_tokens=["<s>"])
    assert made.vocab_size == 257
    assert made.merges == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 255}, "vocab_size 255 is too small for 256 bytes and 0 special tokens"),
        ({"vocab_size": 257, "special_tokens": ["<a>", "<b>"]}, "too small for 256 bytes and 2 special tokens"),
        ({"vocab_size": 300, "special_tokens": ["<a>", "<a>"]}, "contains the same token twice"),
        ({"vocab_size": 300, "special_tokens": [""]}, "is empty"),
    ],
)
def test_invalid_sizes_and_special_tokens_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        BPETokenizer.train("abc", **options)


def test_an_invalid_pattern_is_refused():
    with pytest.raises(TokenizerError, match=r"'\[' is not a valid regular expression"):
        BPETokenizer.train("abc", 300, pattern="[")


# --- memory and time --------------------------------------------------------------------------------------------


class Text(str):
    """A string that can be watched with a weak reference."""

    __slots__ = ("__weakref__",)


def test_texts_from_a_stream_are_not_kept_in_memory():
    watched = []

    def stream():
        for number in range(20):
            assert sum(reference() is not None for reference in watched) <= 1
            text = Text(f"text number {number} of a stream")
            watched.append(weakref.ref(text))
            yield text
            del text

    count_pieces(stream(), GPT2_PATTERN)
    assert len(watched) == 20


@pytest.mark.slow
def test_the_pieces_of_a_long_text_are_never_all_in_memory_at_once(monkeypatch):
    monkeypatch.setattr(bpe_training, "LARGE", 1000)
    text = "the cat sat on the mat " * 40_000
    tracemalloc.start()
    counts = count_pieces(text, GPT2_PATTERN)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(len(piece) * count for piece, count in counts.items()) == len(text)
    assert peak < 300_000, "a list of the pieces would take 12 MB"


@pytest.mark.slow
def test_one_long_word_takes_linear_time():
    """A text that is not cut is one word; a quadratic algorithm would take hours here."""
    merges = learn_merges({"ab" * 500_000: 1}, 3)
    assert merges == [(97, 98), (256, 256), (257, 257)]


def test_progress_is_shown_only_on_request(capsys):
    BPETokenizer.train("a b c ab", 258)
    assert capsys.readouterr().err == ""
    BPETokenizer.train(["a b c ab"], 258, progress=True)
    shown = capsys.readouterr().err
    assert "counting pieces" in shown
    assert "learning merges" in shown
