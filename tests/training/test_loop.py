"""The training loop takes the steps of a plain loop, and reports what goes wrong."""

import math
import signal
import threading

import pytest
import torch
import torch.nn.functional as F
from small_models import KINDS, make

from llmlib.corpora.datasets import DatasetError, TokenDataset
from llmlib.training import Step, TrainConfig, TrainingDiverged, loop, schedule_at, train
from llmlib.training.loss import IGNORED
from llmlib.transformer import Transformer

DATA = TokenDataset([(7 * i * i + i // 5) % 31 for i in range(2000)], vocab_size=31)
SMALL = {"steps": 12, "batch_size": 8, "seq_len": 16, "learning_rate": 0.01, "dtype": "float32"}


def model(kind="llama"):
    return Transformer(KINDS[kind], seed=1)


def weights(made):
    return {name: value.clone() for name, value in made.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_the_loop_takes_the_same_steps_as_a_plain_loop():
    """The plain loop uses torch's AdamW with two groups, clips all gradients together, and follows our schedule."""
    config = TrainConfig(**SMALL, warmup=3, weight_decay=0.1, clip_norm=0.5)
    ours, theirs = model(), model()
    steps = list(train(ours, DATA, config))
    matrices = [p for p in theirs.blocks.parameters() if p.ndim == 2]
    others = [p for p in theirs.parameters() if not any(p is m for m in matrices)]
    optimizer = torch.optim.AdamW(
        [{"params": others, "weight_decay": 0.0}, {"params": matrices, "weight_decay": 0.1}], betas=(0.9, 0.95)
    )
    for number, step in enumerate(steps):
        x, y = DATA.batch(number, batch_size=8, seq_len=16, seed=0)
        loss = F.cross_entropy(theirs(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * schedule_at(number, config)
        optimizer.step()
        assert step.loss == pytest.approx(loss.item(), rel=1e-5)
        assert step.gradient_norm == pytest.approx(norm.item(), rel=1e-4)
        assert step.learning_rate == pytest.approx(optimizer.param_groups[0]["lr"])
    assert [step.step for step in steps] == list(range(1, 13))
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name], atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_the_same_seed_gives_the_same_run_bit_for_bit(optimizer):
    config = TrainConfig(**SMALL, optimizer=optimizer)
    made = [model(), model(), model()]
    runs = [[s.loss for s in train(m, DATA, c)] for m, c in zip(made, (config, config, TrainConfig(**SMALL, seed=1)))]
    assert runs[0] == runs[1] != runs[2]
    assert same(weights(made[0]), weights(made[1]))


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [2, 4, 8])
def test_splitting_batches_into_parts_does_not_change_the_steps(accumulate):
    whole, parts = model(), model()
    expected = list(train(whole, DATA, TrainConfig(**SMALL)))
    got = list(train(parts, DATA, TrainConfig(**SMALL, accumulate=accumulate)))
    assert [s.loss for s in got] == pytest.approx([s.loss for s in expected], rel=1e-4)
    assert [s.gradient_norm for s in got] == pytest.approx([s.gradient_norm for s in expected], rel=1e-3)


@pytest.mark.parametrize("accumulate", [1, 2, 4, 8])
def test_parts_of_a_batch_are_weighted_by_their_number_of_targets(accumulate):
    """The mean is over all targets that count, whichever row they are in; here, a row has 16, 1 or 0 of them."""

    class Uneven:
        def batch(self, step, *, batch_size, seq_len, seed=0, device=None):
            x, y = DATA.batch(step, batch_size=batch_size, seq_len=seq_len, seed=seed)
            y = y.clone()
            y[1::2, 1:], y[2::4] = IGNORED, IGNORED
            return x, y

    ours, theirs = model(), model()
    x, y = Uneven().batch(0, batch_size=8, seq_len=16)
    loss = F.cross_entropy(theirs(x).flatten(0, 1), y.flatten(), ignore_index=IGNORED)
    loss.backward()
    config = TrainConfig(**{**SMALL, "steps": 1}, accumulate=accumulate, validation_batches=3)
    (step,) = train(ours, Uneven(), config, validation=Uneven())
    assert step.loss == pytest.approx(loss.item(), rel=1e-5)
    assert step.gradient_norm == pytest.approx(torch.nn.utils.get_total_norm([p.grad for p in theirs.parameters()]))
    with torch.no_grad():
        parts = [Uneven().batch(number, batch_size=8 // accumulate, seq_len=16) for number in range(3)]
        x, y = (torch.cat(each) for each in zip(*parts))
        seen = F.cross_entropy(ours(x).flatten(0, 1), y.flatten(), ignore_index=IGNORED)
    assert step.validation_loss == pytest.approx(seen.item(), rel=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_batch_without_a_target_that_counts_is_reported(accumulate):
    class Nothing:
        def batch(self, step, *, batch_size, seq_len, seed=0, device=None):
            x, y = DATA.batch(step, batch_size=batch_size, seq_len=seq_len, seed=seed)
            return x, torch.full_like(y, IGNORED)

    with pytest.raises(ValueError, match="All targets are ignored"):
        next(train(model(), Nothing(), TrainConfig(**SMALL, accumulate=accumulate)))


@pytest.mark.slow
def test_a_run_can_be_paused_and_continued():
    whole = [s.loss for s in train(model(), DATA, TrainConfig(**SMALL))]
    run = train(model(), DATA, TrainConfig(**SMALL))
    first = []
    for step in run:
        first.append(step.loss)
        if step.step == 5:
            break
    assert len(run) == 7
    run.model(torch.zeros(1, 4, dtype=torch.long))
    assert first + [s.loss for s in run] == whole
    assert list(run) == []


def test_validation_and_samples_come_when_due_and_at_the_end():
    config = TrainConfig(**SMALL, validate_every=5, sample_every=4, validation_batches=2)
    steps = list(train(model(), DATA, config, validation=DATA, sample=lambda m: (m.training, m.device.type)))
    assert [s.step for s in steps if s.validation_loss is not None] == [5, 10, 12]
    assert [s.step for s in steps if s.sample is not None] == [4, 8, 12]
    assert steps[3].sample == (False, "cpu")
    assert all(isinstance(s, Step) and s.tokens_per_second > 0 for s in steps)


def test_validation_uses_the_same_windows_each_time_and_changes_nothing():
    made = model()
    run = train(made, DATA, TrainConfig(**SMALL), validation=DATA)
    before = weights(made)
    assert run.validate() == run.validate()
    assert same(before, weights(made))
    x, y = DATA.batch(0, batch_size=8, seq_len=16)
    one = train(made, DATA, TrainConfig(**SMALL, validation_batches=1), validation=DATA).validate()
    assert one == pytest.approx(F.cross_entropy(made(x).flatten(0, 1), y.flatten()).item(), rel=1e-5)


@pytest.mark.slow
def test_training_more_than_halves_the_loss():
    losses = [s.loss for s in train(model(), DATA, TrainConfig(60, 16, 16, optimizer="muon", learning_rate=0.01))]
    assert losses[0] == pytest.approx(math.log(31), abs=0.1)
    assert losses[-1] < 0.5 * losses[0]


# --- what goes wrong --------------------------------------------------------------------------------------------


def test_a_nan_loss_stops_the_run_before_it_reaches_the_weights():
    made = model()
    run = train(made, DATA, TrainConfig(**SMALL))
    next(run)
    before = weights(made)
    made.final_norm.weight.data[0] = float("nan")
    with pytest.raises(TrainingDiverged, match=r"At step 2, the loss is nan.*learning rate \(0\.0\d+ here\) is"):
        next(run)
    made.final_norm.weight.data = before["final_norm.weight"]
    assert same(before, weights(made))
    assert next(run).step == 2  # the weight has been repaired, so the run continues


def test_a_loss_that_explodes_stops_the_run(monkeypatch):
    monkeypatch.setattr(loop, "RECENT", 5)
    run = train(make("gpt2"), DATA, TrainConfig(**{**SMALL, "steps": 200, "learning_rate": 30.0}, clip_norm=None))
    run.recent = type(run.recent)(maxlen=5)
    with pytest.raises(TrainingDiverged, match="gradients are not clipped"):
        list(run)
    assert all(p.isfinite().all() for p in run.model.parameters())


def test_the_advice_mentions_float16_only_if_it_was_chosen(monkeypatch):
    for dtype, advised in ((torch.float32, False), (torch.float16, True)):
        run = train(model(), DATA, TrainConfig(**SMALL))
        run.dtype = dtype
        with pytest.raises(TrainingDiverged) as raised:
            run._check(float("nan"), 1.0)
        assert ("float16 overflows above 65,504: use bfloat16" in str(raised.value)) == advised


def test_windows_longer_than_the_context_or_the_text_are_refused():
    with pytest.raises(ValueError, match=r"seq_len=25 does not fit into the model's context \(max_seq_len=24\)"):
        train(model(), DATA, TrainConfig(seq_len=25))
    with pytest.raises(DatasetError, match="has 10 tokens, but a window of 16 needs 17"):
        train(model(), TokenDataset(list(range(10))), TrainConfig(**SMALL))


def test_a_vocabulary_that_does_not_fit_the_model_is_refused():
    fits, larger = TokenDataset([3] * 100, vocab_size=31), TokenDataset([3] * 100, vocab_size=300)
    for data, validation in ((larger, None), (fits, larger)):
        with pytest.raises(ValueError, match=r"tokenizer has 300 tokens, but the model has only 31\. Build the"):
            train(model(), data, TrainConfig(**SMALL), validation=validation)


def test_ids_that_are_too_large_are_refused_even_without_a_known_vocabulary():
    run = train(model(), TokenDataset([40] * 100), TrainConfig(**SMALL))
    with pytest.raises(ValueError, match="ids must be between 0 and 30"):
        next(run)


@pytest.fixture
def ctrl_c():
    """Make Ctrl-C raise KeyboardInterrupt, as in a shell; a process started in the background may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class InterruptedAt:
    """An optimizer that gets Ctrl-C in the middle of its step."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def step(self):
        signal.raise_signal(signal.SIGINT)
        self.inner.step()


@pytest.mark.slow
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_the_middle_of_a_step_takes_effect_after_the_step():
    expected = [s.loss for s in train(model(), DATA, TrainConfig(**SMALL))]
    run = train(model(), DATA, TrainConfig(**SMALL))
    losses = [next(run).loss for _ in range(3)]
    plain = run.optimizers
    run.optimizers = [InterruptedAt(optimizer) for optimizer in plain]
    with pytest.raises(KeyboardInterrupt):
        next(run)
    run.optimizers = plain
    assert run.step == 4  # the step was completed
    assert losses == expected[:3]
    assert [s.loss for s in run] == expected[4:]


@pytest.mark.slow
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_gradients_are_computed_prevents_the_step(monkeypatch):
    expected = [s.loss for s in train(model(), DATA, TrainConfig(**SMALL))]
    run = train(model(), DATA, TrainConfig(**SMALL))
    next(run)
    monkeypatch.setattr(run, "_clip", lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        next(run)
    monkeypatch.undo()
    assert [s.loss for s in run] == expected[1:]


@pytest.mark.slow
def test_training_works_in_another_thread_too():
    losses = []
    thread = threading.Thread(target=lambda: losses.extend(s.loss for s in train(model(), DATA, TrainConfig(**SMALL))))
    thread.start()
    thread.join()
    assert losses == [s.loss for s in train(model(), DATA, TrainConfig(**SMALL))]


@pytest.mark.slow
def test_losses_in_bfloat16_are_close_to_those_in_float32():
    expected = [s.loss for s in train(model(), DATA, TrainConfig(**SMALL))]
    made = model()
    got = [s.loss for s in train(made, DATA, TrainConfig(**{**SMALL, "dtype": "bfloat16"}))]
    assert got == pytest.approx(expected, rel=0.03)
    assert got != expected
    assert made.dtype == torch.float32
