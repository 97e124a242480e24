"""A view reads a model while cells, other views and training use it."""

import threading

import pytest
import torch
from acting import act, acts

from llmlib import Transformer, TransformerConfig, trace
from llmlib.explore import (
    explore_architecture,
    explore_attention,
    explore_logit_lens,
    explore_next_token,
    explore_sampling,
)
from llmlib.explore.shared.own_model import CHANGED, own_model
from llmlib.finetuning import LoRAConfig, apply_lora
from llmlib.hooks import unhooked
from llmlib.interpret import ablate
from llmlib.tokenization import CharTokenizer

TEXT = "the cat sat"


@pytest.fixture
def pair():
    tokenizer = CharTokenizer.train(TEXT + " on mat")
    config = TransformerConfig(tokenizer.vocab_size, 64, d_model=16, n_layers=2, n_heads=4, positions="rotary")
    return Transformer(config, seed=1), tokenizer


def test_a_model_and_its_unhooked_copy_ignore_each_others_hooks(pair):
    model, tokenizer = pair
    ids = torch.tensor([tokenizer.encode(TEXT)])
    plain = model(ids)
    with ablate(model, [(0, 1), (1, 2)]):
        assert not torch.equal(model(ids), plain)
        assert torch.equal(unhooked(model)(ids), plain)
    own = unhooked(model)
    with ablate(own, [(0, 1)]):
        assert torch.equal(model(ids), plain)
        assert not torch.equal(own(ids), plain)
    assert torch.equal(own(ids), plain)


def test_an_unhooked_model_shares_the_weights_but_not_the_modules(pair):
    model, _ = pair
    own = unhooked(model)
    assert [a is b for a, b in zip(model.parameters(), own.parameters(), strict=True)].count(False) == 0
    assert not {id(module) for module in model.modules()} & {id(module) for module in own.modules()}
    model.embed.weight = torch.nn.Parameter(torch.zeros_like(model.embed.weight))  # one model gets a new weight
    assert own.embed.weight is model.embed.weight
    own.blocks[0].attention.query.weight.data.zero_()
    assert model.blocks[0].attention.query.weight.abs().sum() == 0


def test_adapters_and_modules_used_twice_survive_unhooking(pair):
    twice = torch.nn.Linear(2, 2)
    own = unhooked(torch.nn.Sequential(twice, torch.nn.ReLU(), twice))
    assert own[0] is own[2]
    model, tokenizer = pair
    lora = apply_lora(model, LoRAConfig(rank=2))
    for linear in lora.maps.values():
        for adapter in linear.parameters(recurse=False):
            torch.nn.init.normal_(adapter)
    ids = torch.tensor([tokenizer.encode(TEXT)])
    assert torch.equal(unhooked(model)(ids), model(ids))


VIEWS = {
    "attention": (
        lambda *of: explore_attention(*of, TEXT),
        [("text", {"which": "a", "text": "the mat"})] * 2,
        "predictions",
    ),
    "lens": (
        lambda *of: explore_logit_lens(*of, TEXT),
        [("text", {"which": "a", "text": "the mat"}), ("who", {"side": "a", "position": 3})],
        "a_cells",
    ),
    "architecture": (lambda *of: explore_architecture(*of, TEXT), [("follow", {})], "followed"),
    "next token": (lambda *of: explore_next_token(*of, TEXT), [("prompt", {"text": "the mat"})], "probabilities"),
    "sampling lab": (lambda *of: explore_sampling(*of, TEXT), [("step", {}), ("race", {})], "tokens"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_and_a_cell_do_not_affect_each_other(pair, name):
    """A cell traces and ablates in a loop while the view is used from another thread."""
    make, kinds, trait = VIEWS[name]
    alone = make(*pair)
    acts(alone, *kinds)
    view, (model, tokenizer) = make(*pair), pair
    ids, over, problems = torch.tensor([tokenizer.encode(TEXT)]), threading.Event(), []
    with torch.no_grad(), trace(model):
        expected = model(ids)

    def cell():
        while not over.is_set():
            with torch.no_grad(), trace(model) as t:
                if not torch.equal(model(ids), expected) or len(t.pattern) != 2:
                    problems.append("the view's hooks were seen in the cell")
            with torch.no_grad(), ablate(model, [(0, 0), (1, 1)]):
                model(ids)

    thread = threading.Thread(target=cell)
    thread.start()
    try:
        for _ in range(10):
            refused = acts(view, *kinds)
            assert refused == [], view.notice
    finally:
        over.set()
        thread.join()
    assert problems == []
    if name != "sampling lab":  # its text has grown
        assert getattr(view, trait) == getattr(alone, trait)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["attention", "lens", "architecture", "next token"])
def test_training_during_a_run_is_reported(pair, name, monkeypatch):
    make, kinds, _ = VIEWS[name]
    view, (model, _) = make(*pair), pair
    forward = Transformer.forward

    def trained_meanwhile(self, *args, **keywords):
        with torch.no_grad():
            model.final_norm.weight.mul_(1.01)
        return forward(self, *args, **keywords)

    assert act(view, kinds[0][0], **kinds[0][1])
    assert view.notice == ""
    monkeypatch.setattr(Transformer, "forward", trained_meanwhile)
    details = {**kinds[0][1], **({"text": "the sat"} if "text" in kinds[0][1] else {})}
    assert act(view, kinds[0][0], **details)
    assert view.notice == CHANGED


@pytest.mark.parametrize("name", VIEWS)
def test_every_run_of_a_model_can_be_cancelled(pair, name, monkeypatch):
    make, kinds, _ = VIEWS[name]
    view = make(*pair)
    before, notices = {trait: getattr(view, trait) for trait in view.shown}, []
    runs = []
    forward = Transformer.forward

    def cancelled_in_the_midst(self, *args, **keywords):
        runs.append(self)
        view._worker.call_off()
        return forward(self, *args, **keywords)

    monkeypatch.setattr(Transformer, "forward", cancelled_in_the_midst)
    view.observe(lambda change: notices.append(change["new"]), "notice")
    assert not act(view, kinds[0][0], **kinds[0][1])
    assert runs
    assert "You cancelled this" in notices[-1]
    assert {trait: getattr(view, trait) for trait in view.shown} == before


def test_models_from_other_libraries_are_left_alone():
    model = torch.nn.Linear(2, 2)
    assert own_model(model, print) is model
