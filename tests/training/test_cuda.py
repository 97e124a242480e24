"""On an NVIDIA GPU, losses are close to those on the CPU, and the GPU does not wait for batches."""

import pytest
import torch
from small_models import KINDS

from llmlib.corpora.datasets import TokenDataset
from llmlib.training import TrainConfig, train
from llmlib.transformer import Transformer, TransformerConfig

pytestmark = pytest.mark.cuda
DATA = TokenDataset([(7 * i * i + i // 5) % 31 for i in range(2000)], vocab_size=31)
SMALL = {"steps": 12, "batch_size": 8, "seq_len": 16, "learning_rate": 0.01, "validate_every": 6}


def curve(device, folder=None, resume=False, **changes):
    model = Transformer(KINDS["llama"], seed=1).to(device)
    config = TrainConfig(**{**SMALL, "dtype": "float32", **changes})
    run = train(model, DATA, config, validation=DATA, folder=folder, resume=resume)
    steps = list(run)
    return [s.loss for s in steps] + [s.validation_loss for s in steps if s.validation_loss], run


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize(("dtype", "within"), [("float32", 1e-3), ("bfloat16", 0.05)])
def test_losses_on_a_gpu_are_close_to_those_on_the_cpu(optimizer, dtype, within):
    expected, _ = curve("cpu", optimizer=optimizer)
    got, run = curve("cuda", optimizer=optimizer, dtype=dtype)
    assert got == pytest.approx(expected, rel=within)
    assert run.model.dtype == torch.float32
    assert run.optimizers[0].param_groups[0]["fused"]


@pytest.mark.parametrize(("dtype", "within"), [("float32", 1e-3), ("bfloat16", 0.05)])
def test_losses_of_a_compiled_model_on_a_gpu_are_close_to_those_on_the_cpu(dtype, within):
    pytest.importorskip("triton")
    expected, _ = curve("cpu")
    assert curve("cuda", dtype=dtype, compile=True, accumulate=2)[0] == pytest.approx(expected, rel=within)


def test_a_checkpoint_moves_between_cpu_and_gpu(tmp_path):
    expected, _ = curve("cpu")
    for first, second in (("cpu", "cuda"), ("cuda", "cpu")):
        folder = tmp_path / first
        config = TrainConfig(**SMALL, dtype="float32", save_every=6)
        begun = train(Transformer(KINDS["llama"], seed=1).to(first), DATA, config, validation=DATA, folder=folder)
        for _ in range(6):
            next(begun)
        del begun
        got, _ = curve(second, folder, resume=True, save_every=6)
        assert got[:6] == pytest.approx(expected[6:12], rel=1e-3)


def test_the_next_batch_is_made_while_the_gpu_is_busy():
    """The model is so large that the GPU is still busy when all gradients have been requested."""
    config = TransformerConfig(vocab_size=31, max_seq_len=512, d_model=1024, n_layers=4, n_heads=8)
    busy = []

    class Watched:
        def batch(self, step, **how):
            if step:
                busy.append(not torch.cuda.current_stream().query())
            return DATA.batch(step, **how)

    list(train(Transformer(config, device="cuda"), Watched(), TrainConfig(8, 32, 512, dtype="float32")))
    assert len(busy) == 7
    assert sum(busy) >= 5


def test_batches_come_from_pinned_memory(monkeypatch):
    pinned, before = [], torch.Tensor.to

    def watched(tensor, *arguments, **options):
        if options.get("non_blocking"):
            pinned.append(tensor.is_pinned())
        return before(tensor, *arguments, **options)

    monkeypatch.setattr(torch.Tensor, "to", watched)
    x, y = DATA.batch(0, batch_size=2, seq_len=8, device="cuda")
    assert pinned == [True, True]
    assert x.device.type == y.device.type == "cuda"
