"""Multiplying one row on all cores gives the same result as torch's own linear map."""

import threading

import pytest
import torch
import torch.nn.functional as F

from llmlib import linear as module
from llmlib.linear import Linear, linear


@pytest.fixture(autouse=True, params=[1, 4, 6, 7])
def threads(request, monkeypatch):
    """Make torch report this number of threads on any machine, and treat every matrix as large enough to split."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: request.param)
    monkeypatch.setattr(module, "WORTH_SHARING", 0)
    return request.param


@pytest.mark.parametrize("shape", [(8,), (1, 8), (1, 1, 8), (2, 8), (2, 1, 8), (1, 3, 8), (0, 8)])
@pytest.mark.parametrize("d_out", [1, 5, 12, 16])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_results_match_those_of_torch(shape, d_out, dtype):
    generator = torch.Generator().manual_seed(d_out)
    x, weight = (torch.randn(size, generator=generator).to(dtype) for size in (shape, (d_out, 8)))
    bias = torch.randn(d_out, generator=generator).to(dtype)
    for b in (None, bias):
        torch.testing.assert_close(linear(x, weight, b), F.linear(x, weight, b))


def test_a_product_is_split_only_where_it_helps(threads, monkeypatch):
    used = []
    monkeypatch.setattr(torch, "bmm", lambda a, b: used.append(len(a)) or torch.matmul(a, b))
    weight = torch.randn(12, 8)
    linear(torch.randn(1, 8), weight)
    pieces = {1: [], 4: [4], 6: [6], 7: []}[threads]  # 7 does not divide the 12 outputs
    assert used == pieces
    linear(torch.randn(2, 8), weight)
    linear(torch.randn(1, 8).bfloat16(), weight.bfloat16())
    assert used == pieces
    monkeypatch.setattr(module, "WORTH_SHARING", weight.numel() + 1)
    linear(torch.randn(1, 8), weight)
    assert used == pieces


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_only_a_single_row_is_multiplied_without_onednn(dtype, monkeypatch):
    used, whole = [], F.linear
    monkeypatch.setattr(F, "linear", lambda *given: used.append(torch.backends.mkldnn.enabled) or whole(*given))
    weight = torch.randn(12, 8, dtype=dtype)
    linear(torch.randn(1, 8, dtype=dtype), weight)
    linear(torch.randn(2, 8, dtype=dtype), weight)
    assert used == [False, True]
    with pytest.raises((RuntimeError, TypeError)):
        linear(torch.randn(1, 7, dtype=dtype), weight)
    assert torch.backends.mkldnn.enabled  # after an error too


def test_onednn_is_on_again_after_overlapping_products_of_two_threads(monkeypatch):
    """The first thread enters, the second enters, the first leaves, the second leaves."""
    whole, row, weight = F.linear, torch.randn(1, 8, dtype=torch.bfloat16), torch.randn(12, 8, dtype=torch.bfloat16)
    inside = {"first": threading.Event(), "second": threading.Event()}
    may_leave = {"first": threading.Event(), "second": threading.Event()}
    seen = []

    def paused(*given):
        name = threading.current_thread().name
        inside[name].set()
        assert may_leave[name].wait(10)
        seen.append(torch.backends.mkldnn.enabled)
        return whole(*given)

    monkeypatch.setattr(F, "linear", paused)
    threads = [threading.Thread(target=linear, args=(row, weight), name=name) for name in inside]
    for thread in threads:
        thread.start()
        assert inside[thread.name].wait(10)
    for thread in threads:
        may_leave[thread.name].set()
        thread.join(10)
    assert seen == [False, False]
    assert torch.backends.mkldnn.enabled


def test_onednn_is_on_again_after_an_interrupt(monkeypatch):
    row, weight = torch.randn(1, 8, dtype=torch.bfloat16), torch.randn(12, 8, dtype=torch.bfloat16)
    monkeypatch.setattr(module._WithoutOneDNN, "__exit__", lambda *_: None)  # interrupted before oneDNN is on again
    linear(row, weight)
    monkeypatch.undo()
    linear(row, weight)
    assert torch.backends.mkldnn.enabled


def test_gradients_match_those_of_torch():
    layer = Linear(8, 12)
    x = torch.randn(1, 8, requires_grad=True)
    ours = torch.autograd.grad(layer(x).square().sum(), (x, layer.weight, layer.bias))
    theirs = torch.autograd.grad(F.linear(x, layer.weight, layer.bias).square().sum(), (x, layer.weight, layer.bias))
    torch.testing.assert_close(ours, theirs)


def test_a_wrong_width_raises_torchs_error():
    with pytest.raises((RuntimeError, TypeError)):
        linear(torch.randn(1, 7), torch.randn(12, 8))
