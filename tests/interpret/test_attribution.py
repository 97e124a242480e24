"""Direct logit attribution: the parts add up to the logit; each is what a component adds to it under the fixed norm."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference_models import FAMILIES, load, their_model
from small_models import KINDS, make, random_ids

from llmlib.interpret import NormNotFoldedWarning, direct_logit_attribution, trace
from llmlib.transformer import Transformer

MORE = {
    **KINDS,
    "untied with biases": dataclasses.replace(KINDS["gpt2"], tied_embeddings=False),
    "rmsnorm with biases": dataclasses.replace(KINDS["llama"], qkv_bias=True, output_bias=True, mlp_bias=True),
}


def random_model(config, seed=0):
    """Return a model whose biases and norm weights are random too."""
    model = Transformer(config, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.empty_like(parameter).normal_(generator=generator)
        parameter.data = parameter.data * 4 + (0.3 * noise if parameter.ndim == 1 else 0)
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize("kind", MORE)
@pytest.mark.parametrize("against", [None, 7])
@pytest.mark.parametrize("position", [-1, 0, 4])
def test_the_parts_add_up_to_the_logit(kind, against, position):
    model, ids = random_model(MORE[kind]), random_ids(3, 9)
    found = direct_logit_attribution(model, ids, token=5, against=against, position=position)
    logits = model(ids)[:, position]
    expected = logits[:, 5] - (logits[:, against] if against is not None else 0)
    torch.testing.assert_close(found.logit, expected)
    torch.testing.assert_close(found.sum(), expected, atol=1e-4, rtol=1e-4)
    assert found.heads.shape == (3, model.config.n_layers, model.config.n_heads)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_the_parts_add_up_in_every_family(family, tmp_path):
    theirs = their_model(family)
    theirs.save_pretrained(tmp_path)
    model, ids = load(tmp_path), random_ids(2, 12)
    found = direct_logit_attribution(model, ids, token=torch.tensor([3, 11]))
    with torch.no_grad():
        expected = theirs(ids).logits[:, -1].gather(1, torch.tensor([[3], [11]]))[:, 0]
    torch.testing.assert_close(found.sum(), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@given(kind=st.sampled_from(list(MORE)), seed=st.integers(0, 20), layer=st.integers(0, 2), head=st.integers(0, 3))
def test_a_heads_part_is_what_its_output_adds_under_the_fixed_norm(kind, seed, layer, head):
    """The head's vector is multiplied by its slice of the output matrix, the norm's fixed scale and the unembedding."""
    model, ids = random_model(MORE[kind], seed), random_ids(1, 6, seed=seed)
    found = direct_logit_attribution(model, ids, token=2)
    with torch.no_grad(), trace(model) as t:
        model(ids)
    d_head = model.config.d_head
    matrix = model.blocks[layer].attention.output.weight[:, head * d_head : (head + 1) * d_head]
    written = t.z[layer][0, head, -1] @ matrix.T
    final = t.residual[-1][0, -1]
    if model.config.norm == "layernorm":
        written, final = written - written.mean(), final - final.mean()
    scaled = written / (final.square().mean() + model.config.norm_eps).sqrt() * model.final_norm.weight
    torch.testing.assert_close(found.heads[0, layer, head], scaled @ model.unembedding[2], atol=1e-5, rtol=1e-4)


def test_ranking_lists_every_part_once_and_the_parts_sum_to_the_logit():
    model = random_model(MORE["gpt2"])
    found = direct_logit_attribution(model, random_ids(2, 5), token=1)
    parts = found.ranked(1)
    assert len({name for name, _ in parts}) == len(parts) == 1 + 1 + 3 + 3 + 12
    assert sum(value for _, value in parts) == pytest.approx(found.logit[1].item(), abs=1e-4)
    sizes = [abs(value) for _, value in parts]
    assert sizes == sorted(sizes, reverse=True)
    names = {name for name, _ in direct_logit_attribution(make("llama"), random_ids(1, 5), token=1).ranked()}
    assert "final norm's bias" not in names  # RMSNorm has none


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"token": 31}, "There is no token with the id 31: ids go from 0 to 30"),
        ({"token": 1, "against": -1}, "There is no token with the id -1"),
        ({"token": 1, "position": 5}, "There is no position 5: this text has positions 0 to 4"),
    ],
)
def test_tokens_and_positions_that_do_not_exist_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        direct_logit_attribution(model, random_ids(1, 5), **options)


class Squashed(torch.nn.Module):
    """A final norm that cannot be folded."""

    def forward(self, x):
        return torch.tanh(x) + 0.5


@pytest.mark.parametrize("norm", [Squashed(), torch.nn.Identity()], ids=["squashed", "no norm"])
def test_a_norm_that_cannot_be_folded_is_reported_and_the_parts_still_add_up(norm, model):
    model.final_norm, ids = norm, random_ids(2, 5)
    with pytest.warns(
        NormNotFoldedWarning, match=f"a {type(norm).__name__}, which cannot be folded.*derivative .* instead"
    ):
        found = direct_logit_attribution(model, ids, token=3, against=4)
    torch.testing.assert_close(found.sum(), found.logit, atol=1e-4, rtol=1e-4)
    direction = model.unembedding[3] - model.unembedding[4]
    with torch.no_grad(), trace(model) as t:
        model(ids)
    slope = 1 - torch.tanh(t.residual[-1][:, -1]) ** 2 if isinstance(norm, Squashed) else torch.ones(2, 1)
    torch.testing.assert_close(found.mlps[:, 1], (t.mlp_out[1][:, -1] * slope) @ direction, atol=1e-4, rtol=1e-4)


def test_norms_without_weights_are_folded(recwarn):
    model, ids = random_model(MORE["gpt2"]), random_ids(2, 5)
    model.final_norm = torch.nn.LayerNorm(32, elementwise_affine=False)
    found = direct_logit_attribution(model, ids, token=3)
    torch.testing.assert_close(found.sum(), found.logit, atol=1e-4, rtol=1e-4)
    assert not [warning for warning in recwarn if warning.category is NormNotFoldedWarning]
