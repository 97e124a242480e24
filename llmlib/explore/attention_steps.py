"""Show the steps of attention in one head of a live model."""

import torch

from llmlib.explore.shared.token_texts import token_texts
from llmlib.interpret.tracing import trace
from llmlib.tokenization.base import Tokenizer
from llmlib.transformer import Transformer
from llmlib.widgets.attention_steps.view import AttentionStepsView, attention_steps_view


def explore_attention_steps(
    model: Transformer,
    tokenizer: Tokenizer | None,
    text: str | list[int],
    layer: int = 0,
    head: int = 0,
    query: int = -1,
    stage: int = 0,
) -> AttentionStepsView:
    """Show, stage by stage, the queries, keys and values that one head of the model computes for `text`.

    Without a tokenizer, `text` must be a list of ids, and the view shows the ids. If the model has rotary positions,
    the view shows queries and keys after their rotation. Raises `ValueError` for an unknown layer or head, or for more
    than 32 tokens.

    >>> from llmlib import Transformer, TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> explore_attention_steps(model, None, [3, 1], layer=1, head=3, query=0, stage=3)
    <AttentionStepsView: Attention of “3” (token 1 of 2), stage 4 of 5, softmax: 3 1.00, 1 0.00.>
    """
    c = model.config
    if not (0 <= layer < c.n_layers and 0 <= head < c.n_heads):
        raise ValueError(
            f"This model has layers 0 to {c.n_layers - 1} and heads 0 to {c.n_heads - 1}; "
            f"got layer {layer}, head {head}."
        )
    if isinstance(text, str):
        if tokenizer is None:
            raise ValueError("To show a text, also pass its tokenizer. Without a tokenizer, pass a list of ids.")
        ids = tokenizer.encode(text, add_bos=tokenizer.adds_bos)
        tokens = token_texts(tokenizer, ids)
    else:
        ids, tokens = list(text), [str(id) for id in text]
    with torch.inference_mode(), trace(model, names=("q", "k", "v")) as t:
        model(torch.tensor([ids], dtype=torch.long, device=model.device))
    shared = head // (c.n_heads // c.n_kv_heads)  # the key-value head that this query head reads
    q, k, v = (x[layer][0, which].float().cpu().numpy() for x, which in ((t.q, head), (t.k, shared), (t.v, shared)))
    return attention_steps_view(tokens, q, k, v, query, stage, source=f"layer {layer}, head {head}")
