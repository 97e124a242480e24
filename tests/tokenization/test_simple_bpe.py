"""The plain byte-pair encoding of lesson 01 agrees with the library's fast one."""

from hypothesis import given
from hypothesis import strategies as st

from llmlib.tokenization import simple_bpe
from llmlib.tokenization.bpe_training import learn_merges


@given(st.text(alphabet="abcé日 ", max_size=60), st.integers(0, 20))
def test_plain_training_and_fast_training_learn_the_same_merges(text, n_merges):
    merges = simple_bpe.train(text, n_merges)
    assert merges == learn_merges({text: 1}, n_merges)
    assert simple_bpe.decode(simple_bpe.encode(text, merges), merges) == text


@given(st.text(alphabet="abé ", min_size=5, max_size=60), st.text(alphabet="abéx ", max_size=30))
def test_plain_encoding_agrees_with_the_tokenizer(text, other):
    from llmlib.tokenization import BPETokenizer

    tokenizer = BPETokenizer.train(text, 270, pattern=r"[\s\S]+")
    merges = simple_bpe.train(text, 14)
    assert simple_bpe.encode(other, merges) == tokenizer.encode(other)
