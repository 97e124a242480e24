"""A compiled model takes the same steps, and the model itself is unchanged."""

import json
import subprocess
import sys

import pytest
import torch
from needs import skip_or_fail
from small_models import KINDS

from llmlib.corpora.datasets import TokenDataset
from llmlib.training import TrainConfig, compiling, train
from llmlib.transformer import Transformer

DATA = TokenDataset([(7 * i * i + i // 5) % 31 for i in range(2000)], vocab_size=31)
SMALL = {"steps": 4, "batch_size": 4, "seq_len": 16, "learning_rate": 0.01, "dtype": "float32"}
CPU = torch.device("cpu")


COMPARED = """
import json, torch
from llmlib.corpora.datasets import TokenDataset
from llmlib.interpret import trace
from llmlib.training import TrainConfig, train
from llmlib.transformer import Transformer, TransformerConfig
data = TokenDataset([(7 * i * i + i // 5) % 31 for i in range(2000)], vocab_size=31)
curves = []
for compile in (False, True):
    model = Transformer(TransformerConfig(31, 16, 32, 1, 2, positions="rotary", norm="rmsnorm", mlp="swiglu"))
    run = train(model, data, TrainConfig(4, 4, 16, dtype="float32", learning_rate=0.01, compile=compile))
    assert (run.called is not model) == compile
    curves.append([[s.loss, s.gradient_norm] for s in run])
with trace(model) as seen:
    model(torch.tensor([[1, 2, 3]]))
print(json.dumps([curves, list(seen.pattern[0].shape), torch._dynamo.utils.counters["stats"]["unique_graphs"]]))
"""


@pytest.mark.slow
def test_compiling_for_a_cpu_does_not_change_the_steps_or_prevent_tracing():
    """The comparison runs in its own process, because the compiler should not see the shape checks of the tests."""
    try:
        compiling.require_compiler(CPU)
    except ValueError as error:
        skip_or_fail(str(error))
    done = subprocess.run([sys.executable, "-c", COMPARED], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (expected, got), shape, graphs = json.loads(done.stdout.splitlines()[-1])
    for ours, theirs in zip(got, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert shape == [1, 2, 3, 3]
    assert graphs > 0  # something was compiled


def test_without_a_compiler_the_error_says_what_is_missing(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    with pytest.raises(
        ValueError,
        match=r"On a CPU, compile=True needs a C\+\+ compiler, but there is no .* here\. Install one, or use",
    ):
        train(Transformer(KINDS["llama"]), DATA, TrainConfig(**SMALL, compile=True))
    monkeypatch.setenv("CXX", "my-compiler")
    with pytest.raises(ValueError, match="there is no my-compiler here"):
        compiling.require_compiler(CPU)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: "/bin/" + name if name == "my-compiler" else None)
    compiling.require_compiler(CPU)


def test_compiling_for_a_gpu_needs_triton(monkeypatch):
    monkeypatch.setitem(compiling.sys.modules, "triton", None)
    with pytest.raises(ValueError, match="On a GPU, compile=True needs the package triton"):
        compiling.require_compiler(torch.device("cuda"))
