"""The logit lens: its last layer is the model's output, and an earlier layer is the output without the later blocks."""

import pytest
import torch
from small_models import KINDS, make, random_ids

from llmlib.interpret import logit_lens
from llmlib.transformer import Transformer


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_last_layer_is_the_models_own_output(kind):
    model, ids = make(kind), random_ids(2, 9)
    lens = logit_lens(model, ids)
    assert len(lens) == model.config.n_layers + 1
    assert torch.equal(lens[-1], model(ids))


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_is_the_output_of_a_model_that_ends_there(kind):
    """The shorter model has the same final norm and output layer."""
    model, ids = make(kind), random_ids(2, 9)
    lens = logit_lens(model, ids)
    for layer in range(model.config.n_layers):
        blocks = model.blocks
        model.blocks = torch.nn.ModuleList(blocks[:layer])
        torch.testing.assert_close(lens[layer], model(ids))
        model.blocks = blocks


def test_top_rank_and_entropy_agree_with_the_logits():
    model, ids = make("llama"), random_ids(2, 6)
    lens = logit_lens(model, ids)
    probabilities = torch.stack(list(lens)).softmax(-1)
    best, values = lens.top(3)
    assert best.shape == (4, 2, 6, 3)
    torch.testing.assert_close(values, probabilities.topk(3).values)
    answer = best[-1, ..., 0]
    ranks = lens.rank(answer)
    assert (ranks[-1] == 0).all()
    order = probabilities.argsort(-1, descending=True)
    assert torch.equal(ranks, (order == answer[None, ..., None]).int().argmax(-1))
    expected = torch.distributions.Categorical(probs=probabilities).entropy()
    torch.testing.assert_close(lens.entropy(), expected, atol=1e-4, rtol=1e-4)


def test_layers_can_be_sliced_and_a_missing_layer_is_an_error():
    lens = logit_lens(make("gpt2"), random_ids(1, 3))
    assert [part.shape for part in lens[1:3]] == [(1, 3, 31)] * 2
    with pytest.raises(
        IndexError, match=r"There is no layer 4: layers go from 0 \(the embedding\) to 3 \(the model's output\)"
    ):
        lens[4]


def test_the_lens_leaves_no_hooks(model):
    logit_lens(model, random_ids(1, 3))


def test_ids_that_do_not_fit_the_context_are_refused(model):
    with pytest.raises(ValueError, match="do not fit into this model's context"):
        logit_lens(model, random_ids(1, 25))
    assert isinstance(model, Transformer)


@pytest.mark.slow
@pytest.mark.network
def test_smollm2_ranks_paris_first_in_its_last_layer_but_not_in_its_first(smollm2):
    model, tokenizer = smollm2
    lens = logit_lens(model, torch.tensor([tokenizer.encode("The capital of France is")]))
    paris = torch.full((1, 5), tokenizer.encode(" Paris")[0])
    ranks = lens.rank(paris)[:, 0, -1]
    assert ranks[-1] == 0
    assert ranks[0] > 1000
