"""The next batch is prepared while a GPU computes, and nothing else changes."""

import pytest
import torch
from small_models import KINDS

from llmlib.corpora.datasets import TokenDataset
from llmlib.training import TrainConfig, train
from llmlib.training.batches import Batches
from llmlib.transformer import Transformer

DATA = TokenDataset([(7 * i * i + i // 5) % 31 for i in range(2000)], vocab_size=31)
CONFIG = TrainConfig(steps=6, batch_size=4, seq_len=16, dtype="float32")


class Watched:
    """Data that records the step of each request, and what `look` returned then."""

    def __init__(self, look):
        self.look, self.seen = look, []

    def batch(self, step, **how):
        self.seen.append((step, self.look()))
        return DATA.batch(step, **how)


def test_on_a_cpu_a_batch_is_made_only_when_it_is_needed():
    data = Watched(lambda: None)
    batches = Batches(data, CONFIG, torch.device("cpu"))
    batches.of(0)
    batches.prepare(1)
    assert [step for step, _ in data.seen] == [0]


def test_batches_made_ahead_are_requested_once_and_do_not_change_the_run():
    expected = [s.loss for s in train(Transformer(KINDS["llama"]), DATA, CONFIG)]
    taken = []
    data = Watched(lambda: len(taken))
    run = train(Transformer(KINDS["llama"]), data, CONFIG)
    data.seen.clear()  # `train` has requested a batch to check that the text is long enough
    run.batches.ahead = True
    for step in run:
        taken.append(step.loss)
    assert taken == expected
    assert data.seen == [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]  # one step ahead; none after the last step


def test_an_interrupt_does_not_mix_up_batches_made_ahead(monkeypatch):
    expected = [s.loss for s in train(Transformer(KINDS["llama"]), DATA, CONFIG)]
    data = Watched(lambda: None)
    run = train(Transformer(KINDS["llama"]), data, CONFIG)
    run.batches.ahead = True
    first = next(run).loss

    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_clip", stop)
    with pytest.raises(KeyboardInterrupt):
        next(run)  # the batch of the next step is ready; this step's batch is made again
    monkeypatch.undo()
    assert [first] + [s.loss for s in run] == expected
