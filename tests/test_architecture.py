"""The same kind of config builds a whole model or a single part of it."""

import pytest
import torch

from llmlib.architecture import TransformerConfig, check_config
from llmlib.attention import Attention
from llmlib.layers import MLP
from llmlib.transformer import Block, Transformer


@pytest.mark.parametrize("choices", [{}, {"n_kv_heads": 2, "positions": "rotary", "norm": "rmsnorm", "mlp": "swiglu"}])
def test_a_part_alone_computes_the_same_as_in_a_model(choices):
    """A part's weights have the same names and shapes as in a model, so it can load them from one."""
    part = TransformerConfig.for_part(d_model=32, n_heads=4, **choices)
    whole = TransformerConfig(vocab_size=50, max_seq_len=8, d_model=32, n_layers=3, n_heads=4, **choices)
    block, alone = Transformer(whole, seed=1).blocks[1], Block(part)
    alone.load_state_dict(block.state_dict())
    x = torch.randn(1, 20, 32, generator=torch.Generator().manual_seed(0))  # longer than the model's context
    assert torch.equal(alone(x), block(x))
    for made, inside in ((Attention(part), block.attention), (MLP(part), block.mlp)):
        made.load_state_dict(inside.state_dict())
        assert torch.equal(made(x), inside(x))


def test_the_initial_weights_of_a_part_depend_on_n_layers():
    deep, flat = (Attention(TransformerConfig.for_part(32, 4, n_layers=n)).output.weight for n in (16, 1))
    torch.testing.assert_close(deep * 4, flat)


@pytest.mark.parametrize("wrong", [64, {"d_model": 64}, None])
def test_anything_but_a_config_is_refused_with_advice(wrong):
    with pytest.raises(
        ValueError, match=rf"got {type(wrong).__name__}\. For a single .*, use TransformerConfig\.for_part\("
    ):
        check_config(wrong)
