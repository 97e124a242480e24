"""Token files: windows match the file, batches depend only on seed and step, and damage is detected."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llmlib.corpora.datasets import DatasetError, TokenDataset
from llmlib.tokenization import BPETokenizer, CharTokenizer


class Numbers:
    """A tokenizer for texts such as "3 14 15"."""

    def __init__(self, vocab_size):
        self.vocab_size = vocab_size

    def encode(self, text, /):
        return [int(word) for word in text.split()]


@pytest.fixture
def counting(tmp_path):
    """A dataset of the tokens 0 to 999, in order."""
    return TokenDataset.build(tmp_path / "tokens.npy", map(str, range(1000)), Numbers(1000))


def test_the_file_holds_the_tokens_of_each_text(tmp_path):
    texts = ["once upon a time\n\n", "there was a fox"]
    tokenizer = BPETokenizer.train(texts, 270, special_tokens=["<|end|>"])
    end = tokenizer.vocab_size - 1
    data = TokenDataset.build(tmp_path / "t.npy", texts, tokenizer, end_id=end)
    expected = [*tokenizer.encode(texts[0]), end, *tokenizer.encode(texts[1]), end]
    assert data.tokens.tolist() == expected == np.load(tmp_path / "t.npy").tolist()
    assert len(data) == len(expected)
    assert isinstance(data.tokens, np.memmap)


@pytest.mark.parametrize(("vocab_size", "dtype"), [(3, "uint16"), (65_536, "uint16"), (65_537, "uint32")])
def test_tokens_take_as_few_bytes_as_the_vocabulary_allows(tmp_path, vocab_size, dtype):
    data = TokenDataset.build(tmp_path / "t.npy", f"0 1 {vocab_size - 1}", Numbers(vocab_size))
    assert data.tokens.dtype == dtype
    assert data.tokens.tolist() == [0, 1, vocab_size - 1]


def test_texts_are_read_one_at_a_time(tmp_path):
    alive = 0

    class Text(str):
        def __new__(cls, value):
            nonlocal alive
            alive += 1
            assert alive <= 2  # the one being read, and the one just encoded
            return super().__new__(cls, value)

        def __del__(self):
            nonlocal alive
            alive -= 1

    data = TokenDataset.build(tmp_path / "t.npy", (Text(str(i)) for i in range(500)), Numbers(500))
    assert data.tokens.tolist() == list(range(500))


@pytest.mark.slow
@given(step=st.integers(0, 2**40), batch=st.integers(1, 5), length=st.integers(1, 20), seed=st.integers(0, 2**64))
def test_windows_are_consecutive_tokens_and_targets_are_shifted_by_one(tmp_path_factory, step, batch, length, seed):
    path = tmp_path_factory.getbasetemp() / "counting.npy"
    if not path.exists():
        TokenDataset.build(path, map(str, range(1000)), Numbers(1000))
    x, y = TokenDataset(path).batch(step, batch_size=batch, seq_len=length, seed=seed)
    assert x.shape == y.shape == (batch, length)
    assert x.dtype == y.dtype == torch.int64
    assert torch.equal(y, x + 1)
    assert torch.equal(x, x[:, :1] + torch.arange(length))


def test_every_window_occurs_about_equally_often(counting):
    data = TokenDataset(counting.path)
    starts = torch.cat([data.batch(step, batch_size=100, seq_len=990)[0][:, 0] for step in range(100)])
    counts = torch.bincount(starts, minlength=10)
    assert len(counts) == 10, "windows must begin at tokens 0 to 9"
    assert ((counts - 1000).abs() < 150).all()  # five standard deviations


def test_batches_have_known_values(counting):
    """Batches are the same on every machine and with every version of NumPy, so that training runs can be repeated."""
    x, _ = counting.batch(7, batch_size=5, seq_len=1, seed=3)
    assert x[:, 0].tolist() == [376, 920, 26, 722, 409]


def test_batches_depend_only_on_seed_and_step(counting):
    sizes = {"batch_size": 8, "seq_len": 4}
    one = counting.batch(5, **sizes, seed=1)[0]
    counting.batch(6, **sizes, seed=1)
    again = TokenDataset(counting.path).batch(5, **sizes, seed=1)[0]
    assert torch.equal(one, again)
    assert not torch.equal(one, counting.batch(6, **sizes, seed=1)[0])
    assert not torch.equal(one, counting.batch(5, **sizes, seed=2)[0])


def test_batches_from_a_later_step_equal_the_rest_of_the_run(counting):
    sizes = {"batch_size": 3, "seq_len": 5, "seed": 9}
    whole = [x for (x, _), _ in zip(counting.batches(**sizes), range(10))]
    rest = [x for (x, _), _ in zip(pickle.loads(pickle.dumps(counting)).batches(**sizes, start=6), range(4))]
    assert all(torch.equal(a, b) for a, b in zip(whole[6:], rest, strict=True))


def test_a_pickled_dataset_holds_the_path_but_not_the_tokens(counting):
    assert len(pickle.dumps(counting)) < 500


def test_a_window_can_span_the_whole_file(counting):
    x, y = counting.batch(0, batch_size=2, seq_len=999)
    assert x[0].tolist() == list(range(999))
    assert y[1].tolist() == list(range(1, 1000))


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 1, "seq_len": 1000}, r"tokens\.npy has 1,000 tokens, but a window of 1,000 needs 1,001"),
        ({"batch_size": 1, "seq_len": 0}, "seq_len must be 1 or more, got 0"),
        ({"batch_size": -1, "seq_len": 4}, "batch_size must be 1 or more, got -1"),
        ({"batch_size": 1, "seq_len": 4, "seed": -1}, "seed must be 0 or more, got -1"),
        ({"batch_size": 1, "seq_len": 4, "step": -1}, "step must be 0 or more, got -1"),
    ],
)
def test_bad_sizes_seeds_and_steps_are_refused(counting, arguments, message):
    with pytest.raises(ValueError, match=message):
        counting.batch(arguments.pop("step", 0), **arguments)


def test_bad_sizes_are_refused_before_the_first_batch(counting):
    with pytest.raises(DatasetError, match="window"):
        counting.batches(batch_size=1, seq_len=5000)


def test_ids_outside_the_vocabulary_are_refused(tmp_path, counting):
    with pytest.raises(DatasetError, match="The tokenizer produced the id 7, but the vocabulary ends at 6"):
        TokenDataset.build(tmp_path / "other.npy", "1 7", Numbers(7))
    with pytest.raises(DatasetError, match="produced the id -1, but the vocabulary ends at 6"):
        TokenDataset.build(tmp_path / "other.npy", "1 -1", Numbers(7))
    with pytest.raises(DatasetError, match=r"tokens\.npy contains the id 999, but the vocabulary ends at 499"):
        TokenDataset(counting.path, vocab_size=500).batch(0, batch_size=1, seq_len=999)


def test_a_failed_build_keeps_the_old_file(tmp_path, counting):
    before = counting.path.read_bytes()
    for texts in ([], ["", ""], ""):
        with pytest.raises(DatasetError, match="no token"):
            TokenDataset.build(counting.path, texts, CharTokenizer("ab"))

    def broken():
        yield "1 2 3"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        TokenDataset.build(counting.path, broken(), Numbers(5))
    assert counting.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [counting.path]


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[:50], lambda b: b[:-7], lambda b: b"PK" + b[2:], lambda b: b"text file " * 50]
)
def test_damaged_files_are_refused(tmp_path, counting, damage):
    path = tmp_path / "damaged.npy"
    path.write_bytes(damage(counting.path.read_bytes()))
    with pytest.raises(DatasetError, match=r"damaged\.npy is damaged or is not a \.npy file .*TokenDataset\.build"):
        TokenDataset(path)


def test_files_without_token_ids_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"There is no file .*none\.npy"):
        TokenDataset(tmp_path / "none.npy")
    for array in (np.zeros((2, 2), np.uint16), np.zeros(3, np.float32), np.zeros(3, np.int64)):
        np.save(tmp_path / "array.npy", array)
        with pytest.raises(DatasetError, match="does not contain a one-dimensional array of unsigned token ids"):
            TokenDataset(tmp_path / "array.npy")
    np.savez(tmp_path / "many.npy", a=np.zeros(3, np.uint16))
    with pytest.raises(DatasetError, match="TokenDataset"):
        TokenDataset(tmp_path / "many.npy.npz")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DatasetError, match="damaged"):
        TokenDataset(tmp_path / "objects.npy")


def test_repr_is_short(counting):
    assert repr(counting) == "TokenDataset(tokens.npy: 1,000 tokens, uint16)"


# --- in memory --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [list, np.array, torch.tensor, lambda ids: np.array(ids, dtype=np.uint16)])
def test_tokens_in_memory_give_the_same_batches_as_a_file(tmp_path, make):
    ids = [7 * i % 100 for i in range(500)]
    file = TokenDataset.build(tmp_path / "t.npy", " ".join(map(str, ids)), Numbers(100))
    memory = TokenDataset(make(ids), vocab_size=100)
    for step in range(3):
        expected = file.batch(step, batch_size=4, seq_len=9, seed=1)
        for ours, theirs in zip(memory.batch(step, batch_size=4, seq_len=9, seed=1), expected):
            assert torch.equal(ours, theirs)
            assert ours.dtype == torch.int64
    copied = pickle.loads(pickle.dumps(memory))
    assert torch.equal(copied.batch(2, batch_size=4, seq_len=9)[0], memory.batch(2, batch_size=4, seq_len=9)[0])


def test_an_array_is_shared_but_never_changed():
    ids = np.arange(100)
    data = TokenDataset(ids)
    assert np.shares_memory(data.tokens, ids)
    x, _ = data.batch(0, batch_size=2, seq_len=5)
    x += 1
    assert np.array_equal(ids, np.arange(100))


@pytest.mark.parametrize("wrong", [np.zeros((2, 3), dtype=int), np.zeros(5), torch.zeros(5)])
def test_only_one_dimensional_integer_arrays_are_accepted(wrong):
    with pytest.raises(DatasetError, match="must be a one-dimensional array of whole numbers"):
        TokenDataset(wrong)


def test_errors_say_that_the_dataset_is_in_memory():
    with pytest.raises(DatasetError, match=r"The dataset in memory has 3 tokens, but a window of 5 needs 6"):
        TokenDataset([1, 2, 3]).batch(0, batch_size=1, seq_len=5)
    with pytest.raises(DatasetError, match=r"The dataset in memory contains the id 9, but the vocabulary ends at 4"):
        TokenDataset([9] * 20, vocab_size=5).batch(0, batch_size=1, seq_len=5)
    with pytest.raises(DatasetError, match="The dataset in memory has 0 tokens"):
        TokenDataset([]).batches(batch_size=1, seq_len=5)


def test_batches_can_be_placed_on_a_device():
    x, y = TokenDataset(torch.arange(50)).batch(0, batch_size=2, seq_len=5, device="cpu")
    assert x.device.type == y.device.type == "cpu"
    assert TokenDataset(torch.arange(50)).batch(0, batch_size=2, seq_len=5, device="meta")[0].device.type == "meta"


@pytest.mark.cuda
def test_batches_can_be_placed_on_a_gpu():
    data = TokenDataset(torch.arange(50))
    for ours, expected in zip(
        data.batch(1, batch_size=2, seq_len=5, device="cuda"), data.batch(1, batch_size=2, seq_len=5)
    ):
        assert ours.device.type == "cuda"
        assert torch.equal(ours.cpu(), expected)
