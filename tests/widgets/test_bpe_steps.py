"""The BPE steps view takes the same steps as real training and encoding, in Python and in JavaScript."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
import traitlets
from acting import act
from hypothesis import given
from hypothesis import strategies as st
from needs import skip_or_fail

from llmlib.explore.bpe_steps import explore_bpe_steps
from llmlib.tokenization import BPETokenizer
from llmlib.widgets import BPEStepsView
from llmlib.widgets.bpe_steps.view import pair_counts

TEXT = "the cat sat on the mat. the hat that the cat had. café café 🙂🙂 <b>"
texts = st.text(alphabet="ab cé🙂\n", max_size=40)


def at_end(view):
    view.step = view.word_step = view.n_steps
    return view


@pytest.mark.slow
@given(texts, st.integers(0, 12))
def test_training_ends_with_the_ids_of_the_trained_tokenizer(text, n_merges):
    tokenizer = BPETokenizer.train(text, vocab_size=256 + n_merges)
    view = at_end(explore_bpe_steps(text, 256 + n_merges))
    assert [id for word in view.words() for id in word] == tokenizer.encode(text)
    assert view.tokens == [tokenizer.token_bytes(id) for id in range(tokenizer.vocab_size)]


@pytest.mark.slow
@given(texts)
def test_each_merge_joins_the_pair_that_leads_the_counts_just_before_it(text):
    view = explore_bpe_steps(text, 266)
    for step, merge in enumerate(view.merges):
        view.step = step
        assert list(pair_counts(view.words())[0][0]) == merge


@pytest.mark.slow
@given(texts, texts)
def test_encoding_ends_with_the_ids_of_the_tokenizer(corpus, text):
    tokenizer = BPETokenizer.train(corpus, vocab_size=270)
    view = at_end(explore_bpe_steps(corpus, 270, encode=text or "a"))
    assert [id for word in view.words() for id in word] == tokenizer.encode(text or "a")


def test_the_merges_of_a_given_tokenizer_are_used():
    tokenizer = BPETokenizer.train(TEXT, vocab_size=280)
    view = at_end(explore_bpe_steps(encode="the café", tokenizer=tokenizer, vocab_size=280))
    assert [id for word in view.words() for id in word] == tokenizer.encode("the café")
    assert len(explore_bpe_steps(TEXT, 260, tokenizer=tokenizer).merges) == 4


def test_a_tokenizer_whose_ids_are_in_another_order_gives_the_same_words():
    tokenizer = BPETokenizer.train(TEXT, vocab_size=280)
    shuffled = BPETokenizer(
        {token: 279 - id for token, id in tokenizer.vocabulary.items()}, merge_order=tokenizer.merge_order
    )
    views = [at_end(explore_bpe_steps(encode="that hat", tokenizer=t, vocab_size=280)) for t in (tokenizer, shuffled)]
    assert views[0].words() == views[1].words()


def test_merges_may_cross_word_boundaries_if_the_text_is_not_split():
    whole = at_end(explore_bpe_steps("of the, of the, of the", 270, pattern=r"(?s).+"))
    assert any(b"f t" in token for token in whole.tokens)
    assert not any(b"f t" in token for token in at_end(explore_bpe_steps("of the, of the, of the", 270)).tokens)


def test_the_reader_can_train_on_a_new_text_and_encode_another():
    view = explore_bpe_steps("aaaa", 258, step=1)
    act(view, "train", text="bbb bbb")
    assert view.pieces == ["bbb", " bbb"]
    assert (view.step, view.merges[0]) == (0, [98, 98])
    view.mode = "encode"
    act(view, "encode", text="bbbb")
    assert view.word_pieces == ["bbbb"]
    assert at_end(view).words() == [[256, 256]]


def test_a_text_that_is_too_long_is_refused_with_advice_and_nothing_is_lost():
    view = explore_bpe_steps("abab", 257)
    act(view, "train", text="x" * 3000)
    assert "2,000 characters" in view.notice
    assert view.pieces == ["abab"]
    with pytest.raises(ValueError, match=r"BPETokenizer\.train"):
        explore_bpe_steps("x" * 3000)
    with pytest.raises(ValueError, match="too small"):
        explore_bpe_steps("x", 255)


def test_merges_must_build_on_earlier_ones():
    with pytest.raises(traitlets.TraitError, match="merge 0 is"):
        BPEStepsView(merges=[[97, 256]])


@pytest.mark.parametrize("text", ["", "a", TEXT, "\x00\ud800", "שלום שלום"])
@pytest.mark.parametrize("mode", ["train", "encode"])
def test_pictures_at_every_step_are_valid(text, mode):
    view = explore_bpe_steps(text, 262, encode=text)
    view.mode = mode
    for step in (0, 1, 3, 99):
        view.step = view.word_step = step
        ET.fromstring(view.svg())
        assert "merges" in view.alt
    assert re.search(r'alt="[^"]{20,}"', view.fallback_html())
    assert view.svg() == view.svg()


def test_python_and_javascript_take_the_same_steps():
    """One Node process takes every step: the words, and the pairs with their order and counts, must agree."""
    if not shutil.which("node"):
        skip_or_fail("no Node.js; install it to test the widgets' JavaScript")
    cases, expected = [], []
    for corpus, text in [
        (TEXT, "that thatch 🙃 é"),
        ("aaaa aaa aa a" * 9, "aaaaaaa"),
        ("", ""),
        ("abcabc\n\n\n" * 4, "cab\n\n"),
    ]:
        view = explore_bpe_steps(corpus, 300, encode=text)
        cases.append({"pieces": view.pieces, "words": view.word_pieces, "merges": view.merges})
        rows = []
        for view.mode in ("train", "encode"):
            for step in range(view.n_steps + 1):
                view.step = view.word_step = step
                pairs = [[list(pair), count] for pair, count in pair_counts(view.words())]
                rows.append([view.words(), pairs])
        expected.append(rows)
    script = f"""
        import {{ pairCounts, replay }} from {json.dumps((BPEStepsView.folder / "merging.mjs").as_uri())};
        import {{ readFileSync }} from "node:fs";
        const rows = ({{ words }}) => [words, pairCounts(words).map((entry) => [entry.pair, entry.count])];
        console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(({{ pieces, words, merges }}) =>
          [...replay(pieces, merges, true), ...replay(words, merges, false)].map(rows))));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == expected


def test_the_text_is_split_into_the_pieces_used_in_training():
    view = explore_bpe_steps(TEXT, 256)
    assert "".join(view.pieces) == TEXT
    assert view.pieces[:3] == ["the", " cat", " sat"]


def test_the_next_merge_stays_hidden_until_it_is_predicted():
    view = explore_bpe_steps("cdab cdab cdab", 259, predict=True)
    assert "for you to predict" in view.alt
    assert "Next" not in view.alt
    assert "Pairs, most frequent first" not in view.svg()
    view.guesses = {"train 0": [97, 98]}
    assert "Next: “a” + “b”" in view.alt
    assert "Predictions: 1 of 1 right" in view.alt
    assert "Pairs, most frequent first" in view.svg()


def test_a_picture_of_encoding_shows_when_each_pair_was_learned():
    view = explore_bpe_steps("cdab ab", 258, encode="xxx ab")
    view.mode, asked = "encode", re.compile(r"merge number \d|never")
    assert [list(pair) for pair in view.merges] == [[97, 98], [32, 256]]
    assert asked.findall(view.svg()) == ["merge number 1", "never", "never"]
    view.word_step = 1
    assert asked.findall(view.svg()) == ["merge number 2", "never"]
    assert "most frequent first" not in view.svg()


@given(texts, texts, st.integers(0, 5))
def test_the_score_counts_correct_predictions(corpus, text, wrong):
    view = explore_bpe_steps(corpus, 266, encode=text, predict=True)
    for view.mode in ("train", "encode"):
        steps = list(range(len(view.merges)) if view.mode == "train" else view._steps())
        view.guesses = {
            **view.guesses,
            **{f"{view.mode} {at}": [0, 0] if at < wrong else view.merges[of] for at, of in enumerate(steps)},
        }
        assert view.score == (max(0, len(steps) - wrong), len(steps))


def test_predictions_are_forgotten_when_their_text_is_replaced():
    view = explore_bpe_steps("abab", 258, encode="ab", predict=True)
    view.guesses = {"train 0": [97, 98], "encode 0": [97, 98]}
    act(view, "encode", text="aab")
    assert view.guesses == {"train 0": [97, 98]}
    act(view, "train", text="x" * 3000)  # refused, and nothing is lost
    assert view.guesses == {"train 0": [97, 98]}
    act(view, "train", text="cdcd")
    assert view.guesses == {}


def test_no_prediction_is_asked_for_if_the_text_does_not_determine_the_merge():
    tokenizer = BPETokenizer.train("xyxyxy", vocab_size=257)
    view = explore_bpe_steps("abab xy", 257, tokenizer=tokenizer, predict=True)
    assert "Next: “x” + “y”" in view.alt
