"""In a user's own loop, exactly what was saved of the model and the optimizer is restored."""

import math
import shutil

import pytest
import torch
from small_models import KINDS
from torch import nn

from llmlib.pretrained import CheckpointError, load_pretrained
from llmlib.training import RunError, latest_checkpoint, load_checkpoint, save_checkpoint
from llmlib.transformer import Transformer


class Tied(nn.Module):
    """A model as in tutorials: one table with two names, one mask for two layers, and a norm that counts batches."""

    def __init__(self):
        super().__init__()
        self.embed, self.norm, self.head = nn.Embedding(7, 4), nn.BatchNorm1d(4), nn.Linear(4, 7, bias=False)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.head.weight = self.embed.weight
        mask, positions = torch.full((4, 4), -math.inf).triu(1), torch.arange(4.0)
        for layer in (self.norm, self.head):
            layer.register_buffer("mask", mask)
            layer.register_buffer("positions", positions)

    def forward(self, ids):
        return self.head(self.norm(self.embed(ids)) * self.scale)


KINDS_OF = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "amsgrad": lambda p: torch.optim.AdamW(p, lr=torch.tensor(0.01), amsgrad=True),
    "adafactor": lambda p: torch.optim.Adafactor(p, lr=0.01),
}


def made(kind="sgd", seed=0):
    torch.manual_seed(seed)
    model = Tied()
    optimizer = KINDS_OF[kind](model.parameters())
    return model, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8)


def steps(model, optimizer, scheduler, numbers):
    losses = []
    for number in numbers:
        ids = torch.arange(number, number + 5) % 7
        loss = nn.functional.cross_entropy(model(ids), (ids + 1) % 7)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


def content(model, optimizer):
    states = [value for state in optimizer.state.values() for value in state.values()]
    tensors = [*model.state_dict().values(), *(value for value in states if isinstance(value, torch.Tensor))]
    return [tensor.clone() for tensor in tensors]


@pytest.mark.parametrize("kind", KINDS_OF)
def test_a_loop_continues_as_if_it_had_not_stopped(tmp_path, kind):
    whole = steps(*made(kind), range(8))
    model, optimizer, scheduler = made(kind)
    assert latest_checkpoint(tmp_path / "new") is None
    for n in (2, 2, 1):
        done = scheduler.last_epoch
        steps(model, optimizer, scheduler, range(done, done + n))
        save_checkpoint(tmp_path, scheduler.last_epoch, model, optimizer, {"scheduler": scheduler.state_dict()})
    model, optimizer, scheduler = made(kind, seed=1)
    step, state = load_checkpoint(latest_checkpoint(tmp_path), model, optimizer)
    scheduler.load_state_dict(state["scheduler"])
    assert step == 5
    assert steps(model, optimizer, scheduler, range(5, 8)) == whole[5:]
    assert model.head.weight is model.embed.weight


def test_a_state_is_restored_in_its_json_form(tmp_path):
    """Keys that are numbers become strings in JSON, and are sorted as strings."""
    model = nn.Linear(1, 1)
    path = save_checkpoint(tmp_path, 3, model, state={"of": {2: (1, None), 10: torch.tensor(0.5)}})
    assert load_checkpoint(path, model) == (3, {"of": {"2": [1, None], "10": 0.5}})
    with pytest.raises(ValueError, match=r"state cannot be written as JSON .*Tensor.* state may contain numbers"):
        save_checkpoint(tmp_path, 4, model, state={"losses": torch.zeros(2)})
    with pytest.raises(ValueError, match="step must be at least 0, got -1"):
        save_checkpoint(tmp_path, -1, model)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]


def test_a_loop_that_starts_over_does_not_mix_its_checkpoints_with_older_ones(tmp_path):
    model, optimizer, scheduler = made()
    path = save_checkpoint(tmp_path, 2, model, optimizer)
    assert save_checkpoint(tmp_path, 2, model, optimizer) == path  # a loop may save its last step twice
    steps(model, optimizer, scheduler, range(1))
    with pytest.raises(
        RunError, match=r"step-00000002 already exists, with different weights\. Continue from it with load_ch"
    ):
        save_checkpoint(tmp_path, 2, model, optimizer)


def others():
    """Yield error messages, and functions that make a model and an optimizer unlike those in a checkpoint."""
    yield "kinds .*SGD.* in the checkpoint and .*AdamW.* here", lambda: made("adamw")[:2]
    yield r"kinds \['SGD'\] in the checkpoint and \[\] here", lambda: (made()[0], [])
    yield (
        r"weight 0 is .* in the checkpoint and .* here",
        lambda: (made()[0], torch.optim.SGD(list(Tied().parameters())[::-1], 0.1)),
    )
    yield "the weights are grouped differently", lambda: _in_groups(made()[0])
    yield "only one of the two runs has norm.bias", lambda: _frozen(*made()[:2])


def _in_groups(model):
    return model, torch.optim.SGD([{"params": [weight]} for weight in model.parameters()], 0.1)


def _frozen(model, optimizer):
    model.norm.bias.requires_grad_(False)
    return model, optimizer


@pytest.mark.parametrize(("message", "make"), others())
def test_mismatches_are_reported_before_anything_is_changed(tmp_path, message, make):
    model, optimizer, scheduler = made()
    steps(model, optimizer, scheduler, range(2))
    path = save_checkpoint(tmp_path, 2, model, optimizer)
    with pytest.raises(CheckpointError, match=r"not a Transformer: use llmlib\.training\.load_checkpoint"):
        load_pretrained(path)
    model, optimizer = make()
    before = [tensor.clone() for tensor in model.state_dict().values()]
    with pytest.raises(RunError, match=message):
        load_checkpoint(path, model, optimizer)
    assert all(map(torch.equal, before, model.state_dict().values()))
    assert not getattr(optimizer, "state", None)


def test_a_damaged_checkpoint_file_is_refused(tmp_path):
    model, optimizer, scheduler = made("adafactor")
    steps(model, optimizer, scheduler, range(2))
    path = save_checkpoint(tmp_path, 2, model, optimizer)
    before = content(model, optimizer)
    file = path / "optimizers.pt"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(RunError, match=r"is damaged .*optimizers\.pt differs from what was written"):
        load_checkpoint(path, model, optimizer)
    assert all(map(torch.equal, before, content(model, optimizer)))
    shutil.rmtree(path)
    for nothing in (tmp_path, latest_checkpoint(tmp_path)):
        with pytest.raises(
            RunError, match=r"is not a checkpoint\. latest_checkpoint\(folder\) returns a folder's last checkpoint"
        ):
            load_checkpoint(nothing, model, optimizer)


def test_our_own_model_can_be_saved_and_loaded_in_a_users_loop(tmp_path):
    model = Transformer(KINDS["llama"], seed=1)
    path = save_checkpoint(tmp_path, 1, model)
    load_checkpoint(path, again := Transformer(KINDS["llama"], seed=2))
    assert all(map(torch.equal, model.state_dict().values(), again.state_dict().values()))
    differing = r"has a different architecture: .*positions is rotary in the checkpoint and learned here"
    with pytest.raises(RunError, match=differing):
        load_checkpoint(path, Transformer(KINDS["gpt2"]))
