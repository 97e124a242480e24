"""Translate our `Transformer`'s parameter names into the names that published files use."""

import re

# Our parameter names -> the names that published files use. {i} is the number of the block.
LLAMA_NAMES = {
    "embed.weight": "model.embed_tokens.weight",
    "blocks.{i}.attention_norm": "model.layers.{i}.input_layernorm",
    "blocks.{i}.attention.query_norm": "model.layers.{i}.self_attn.q_norm",
    "blocks.{i}.attention.key_norm": "model.layers.{i}.self_attn.k_norm",
    "blocks.{i}.attention.query": "model.layers.{i}.self_attn.q_proj",
    "blocks.{i}.attention.key": "model.layers.{i}.self_attn.k_proj",
    "blocks.{i}.attention.value": "model.layers.{i}.self_attn.v_proj",
    "blocks.{i}.attention.output": "model.layers.{i}.self_attn.o_proj",
    "blocks.{i}.mlp_norm": "model.layers.{i}.post_attention_layernorm",
    "blocks.{i}.mlp.gate": "model.layers.{i}.mlp.gate_proj",
    "blocks.{i}.mlp.up": "model.layers.{i}.mlp.up_proj",
    "blocks.{i}.mlp.down": "model.layers.{i}.mlp.down_proj",
    "final_norm": "model.norm",
    "unembed.weight": "lm_head.weight",
}
GPT2_NAMES = {
    "embed.weight": "wte.weight",
    "position_embed.weight": "wpe.weight",
    "blocks.{i}.attention_norm": "h.{i}.ln_1",
    "blocks.{i}.attention.query": "h.{i}.attn.c_attn",  # queries, keys and values in one matrix
    "blocks.{i}.attention.key": "h.{i}.attn.c_attn",
    "blocks.{i}.attention.value": "h.{i}.attn.c_attn",
    "blocks.{i}.attention.output": "h.{i}.attn.c_proj",
    "blocks.{i}.mlp_norm": "h.{i}.ln_2",
    "blocks.{i}.mlp.up": "h.{i}.mlp.c_fc",
    "blocks.{i}.mlp.down": "h.{i}.mlp.c_proj",
    "final_norm": "ln_f",
    "unembed.weight": "lm_head.weight",
}
GGUF_NAMES = {
    "embed.weight": "token_embd.weight",
    "blocks.{i}.attention_norm": "blk.{i}.attn_norm",
    "blocks.{i}.attention.query_norm": "blk.{i}.attn_q_norm",
    "blocks.{i}.attention.key_norm": "blk.{i}.attn_k_norm",
    "blocks.{i}.attention.query": "blk.{i}.attn_q",
    "blocks.{i}.attention.key": "blk.{i}.attn_k",
    "blocks.{i}.attention.value": "blk.{i}.attn_v",
    "blocks.{i}.attention.output": "blk.{i}.attn_output",
    "blocks.{i}.mlp_norm": "blk.{i}.ffn_norm",
    "blocks.{i}.mlp.gate": "blk.{i}.ffn_gate",
    "blocks.{i}.mlp.up": "blk.{i}.ffn_up",
    "blocks.{i}.mlp.down": "blk.{i}.ffn_down",
    "final_norm": "output_norm",
    "unembed.weight": "output.weight",
}


def translate(name: str, names: dict[str, str]) -> str:
    """Translate the name of one of our parameters into another format, using a table of `names`.

    >>> translate("blocks.3.mlp.up.weight", GGUF_NAMES)
    'blk.3.ffn_up.weight'
    """
    number = re.search(r"\.(\d+)\.", name)
    general = re.sub(r"\.\d+\.", ".{i}.", name)
    if general not in names:
        general, _, kind = general.rpartition(".")
        return f"{names[general]}.{kind}".format(i=number and number[1])
    return names[general].format(i=number and number[1])
