"""Batches of conversations: only answers are targets, each once per epoch, and the cost of truncation is reported."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finetuning.conftest import said, small_model
from llmlib.chat import encode_chat_with_mask
from llmlib.finetuning import ChatData
from llmlib.finetuning.chat_data import TruncationWarning, pack
from llmlib.training import cross_entropy, train
from llmlib.training.config import TrainConfig
from llmlib.training.loss import IGNORED

MANY = [said(f"{'q' * (n % 5)}{n}", f"a{n}" * (1 + n % 3)) for n in range(40)]


def answers(tokenizer, y):
    """Return the answers in the targets of a batch."""
    text = tokenizer.decode(y[y != IGNORED])
    return [answer.removeprefix(" ") for answer in text.split("<|endoftext|>")[:-1]]


@pytest.mark.parametrize("packed", [True, False])
def test_every_answer_is_a_target_once_per_epoch_in_a_new_order(tokenizer, packed):
    data = ChatData(tokenizer, MANY, packed=packed)
    epochs = []
    seen = 0
    for epoch in range(3):
        rows = len(data._epoch(epoch, 5, 63))
        found = [answers(tokenizer, data.batch(seen + r, batch_size=1, seq_len=63, seed=5)[1]) for r in range(rows)]
        seen += rows
        epochs.append([answer for row in found for answer in row])
        assert sorted(epochs[-1]) == sorted(messages[1]["content"] for messages in MANY)
    assert epochs[0] != epochs[1] != epochs[2]
    assert (data.rows_per_epoch(63) < len(MANY)) == packed


@pytest.mark.parametrize("packed", [True, False])
def test_targets_are_the_next_tokens_and_rows_begin_with_a_conversation(tokenizer, packed):
    x, y = ChatData(tokenizer, MANY, packed=packed).batch(3, batch_size=8, seq_len=50, seed=1)
    for read, wanted in zip(x, y):
        counted = wanted[:-1] != IGNORED
        assert torch.equal(read[1:][counted], wanted[:-1][counted])
        assert read[0] == tokenizer.special_tokens["<|user|>"]
    asks, ends = tokenizer.special_tokens["<|assistant|>"], tokenizer.special_tokens["<|endoftext|>"]
    assert (y != asks).all()
    assert (y == ends).sum() == (x == asks).sum()  # each answer that begins in a row also ends in that row


def test_batches_depend_only_on_step_and_seed(tokenizer):
    def batch(step, seed, data=None):
        return (data or ChatData(tokenizer, MANY)).batch(step, batch_size=4, seq_len=40, seed=seed)

    used = ChatData(tokenizer, MANY)
    for step in range(30):
        batch(step, 0, used)
    for step in (0, 7, 29, 12):
        for ours, fresh in zip(batch(step, 0, used), batch(step, 0)):
            assert torch.equal(ours, fresh)
    assert not torch.equal(batch(3, 0)[0], batch(3, 1)[0])


def test_a_step_of_many_rows_equals_many_steps_of_one_row(tokenizer):
    data = ChatData(tokenizer, MANY)
    x, y = data.batch(1, batch_size=30, seq_len=40)
    ones = [data.batch(30 + n, batch_size=1, seq_len=40) for n in range(30)]
    assert x.shape == y.shape == (30, max(one.shape[1] for one, _ in ones))
    for row_x, row_y, (one_x, one_y) in zip(x, y, ones):
        width = one_x.shape[1]
        assert torch.equal(row_x[:width], one_x[0])
        assert torch.equal(row_y[:width], one_y[0])
        assert (row_y[width:] == IGNORED).all()


def test_rows_are_no_wider_than_the_longest_conversation(tokenizer):
    short, long = ([said("a" * n, "b")] for n in (3, 20))
    ids, _ = encode_chat_with_mask(tokenizer, long[0])
    for conversations, seq_len, width in ((short + long, 60, len(ids) - 1), (short + long, len(ids) - 1, len(ids) - 1)):
        x, y = ChatData(tokenizer, conversations, packed=False).batch(0, batch_size=2, seq_len=seq_len)
        assert x.shape == y.shape == (2, width)
        assert (y == tokenizer.special_tokens["<|endoftext|>"]).sum() == 2


def test_packed_and_padded_rows_have_the_same_loss(tokenizer):
    """If each token attends only to itself, it does not matter which conversations share a row."""
    model = small_model(tokenizer.vocab_size, sliding_window=1)
    losses = []
    for packed in (True, False):
        data = ChatData(tokenizer, MANY, packed=packed)
        with torch.no_grad():
            x, y = data.batch(0, batch_size=data.rows_per_epoch(63), seq_len=63)
            losses.append((cross_entropy(model(x), y), (y != IGNORED).sum()))
    assert losses[0][1] == losses[1][1]
    torch.testing.assert_close(losses[0][0], losses[1][0])


def test_the_loss_matches_the_loss_computed_by_hand(tokenizer, model):
    (messages,) = MANY[7:8]
    ids, mask = encode_chat_with_mask(tokenizer, messages)
    with torch.no_grad():
        log_probs = model(torch.tensor([ids])).log_softmax(-1)[0]
        by_hand = -sum(log_probs[i, ids[i + 1]] for i in range(len(ids) - 1) if mask[i + 1]) / sum(mask)
        x, y = ChatData(tokenizer, [messages], packed=False).batch(0, batch_size=3, seq_len=60)
        torch.testing.assert_close(cross_entropy(model(x), y), by_hand)


@given(st.lists(st.integers(1, 30), max_size=60))
def test_packing_neither_loses_nor_splits_a_conversation(lengths):
    rows = pack(lengths, 30)
    assert sorted(place for row in rows for place in row) == list(range(len(lengths)))
    assert all(row and sum(lengths[place] for place in row) <= 30 for row in rows)
    if lengths:
        assert len(rows) <= max(1, 2 * sum(lengths) / 30)  # first fit leaves at most one row less than half full


def test_a_conversation_that_exactly_fills_a_row_is_not_cut(tokenizer):
    ids, _ = encode_chat_with_mask(tokenizer, said("abc", "def"))
    data = ChatData(tokenizer, [said("abc", "def")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, y = data.batch(0, batch_size=1, seq_len=len(ids) - 1)
    assert x[0].tolist() == ids[:-1]
    assert answers(tokenizer, y) == ["def"]
    with pytest.warns(TruncationWarning, match="1 of 1 conversations .* Of 1 answers, 1 lose their end and 0 are lost"):
        x, y = data.batch(0, batch_size=1, seq_len=len(ids) - 2)
    assert x[0].tolist() == ids[:-2]
    assert tokenizer.decode(y[y != IGNORED]) == " def"


def test_the_cost_of_truncation_is_reported_once_for_each_length(tokenizer):
    data = ChatData(
        tokenizer,
        [
            said("q" * 30, "lost"),
            said("a", "kept"),
            said("b", "kept", "c" * 20, "lost"),
            said("d", "cut here and no more"),
        ],
    )
    message = (
        r"3 of 4 conversations have more tokens than seq_len=20 .*Of 5 answers, 1 lose their end and 2 are lost "
        r"entirely; 1 conversations have no answer left and are dropped\. Choose a larger seq_len"
    )
    with pytest.warns(TruncationWarning, match=message):
        data.batch(0, batch_size=1, seq_len=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(9):
            _, y = data.batch(step, batch_size=2, seq_len=20)
            assert (y != IGNORED).any(dim=1).all()
        data.batch(0, batch_size=1, seq_len=60)


def test_an_answer_with_no_tokens_left_counts_as_lost(tokenizer):
    data = ChatData(tokenizer, [said("abc", "def"), said("a", "b")])  # the answers begin at tokens 5 and 3
    with pytest.warns(
        TruncationWarning, match="Of 2 answers, 1 lose their end and 1 are lost entirely; 1 conversations"
    ):
        data.batch(0, batch_size=1, seq_len=4)
    data = ChatData(tokenizer, [said("abc", "def")])
    with pytest.warns(TruncationWarning, match="1 lose their end and 0 are lost entirely"):
        _, y = data.batch(0, batch_size=1, seq_len=5)
    assert tokenizer.decode(y[y != IGNORED]) == " "


def test_an_empty_answer_has_a_space_and_an_end_token(tokenizer):
    _, y = ChatData(tokenizer, [said("a", "")]).batch(0, batch_size=1, seq_len=8)
    assert tokenizer.decode(y[y != IGNORED]) == " <|endoftext|>"


def test_data_with_nothing_to_learn_from_is_refused_before_the_first_step(tokenizer, model):
    data = ChatData(tokenizer, [said("a long question indeed", "b")] * 3)
    with pytest.raises(
        ValueError, match=r"There is nothing to learn from: 3 of 3 conversations .* 3 are lost entirely"
    ):
        train(model, data, TrainConfig(2, 2, 16))
    with pytest.raises(ValueError, match="There are no conversations to learn from"):
        ChatData(tokenizer, [])


def test_the_error_for_an_invalid_conversation_gives_its_number(tokenizer):
    with pytest.raises(ValueError, match="Conversation 1: Message 1 is from 'user'"):
        ChatData(tokenizer, [said("a", "b"), said("a", "b")[:1] * 2])
    with pytest.raises(ValueError, match="Conversation 0: There is no message"):
        ChatData(tokenizer, [[]])


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"seq_len": 0}, {"step": -1}, {"seed": -1}])
def test_invalid_arguments_are_refused(tokenizer, wrong):
    arguments = {"step": 0, "batch_size": 1, "seq_len": 8, "seed": 0, **wrong}
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        ChatData(tokenizer, MANY).batch(arguments.pop("step"), **arguments)


def test_repr_counts_conversations_and_tokens(tokenizer):
    assert repr(ChatData(tokenizer, [said("a", "b")])) == (
        "ChatData(1 conversations: 6 tokens, 3 of them the assistant's)"
    )
