"""Turn a `TransformerConfig` into nested boxes, each with its purpose, its tensors, its costs and its source line."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from torch import nn

from llmlib.explore.architecture.source_lines import line_that_uses
from llmlib.explore.architecture.wording import TITLES, WORDS
from llmlib.interpret.points import POINTS
from llmlib.transformer import Transformer, TransformerConfig
from llmlib.widgets.architecture.boxes import Axis, Box, BoxTensor, SourceLine

# The module that each box's value passes through; {} stands for the layer number. "" is the model itself, which returns
# the logits.
VALUES = {
    "embed": "embed",
    "positions": "hook_embed",
    "attention_norm": "blocks.{}.attention_norm",
    "query": "blocks.{}.attention.hook_q",
    "key": "blocks.{}.attention.hook_k",
    "value": "blocks.{}.attention.hook_v",
    "scores": "blocks.{}.attention.hook_scores",
    "pattern": "blocks.{}.attention.hook_pattern",
    "mix": "blocks.{}.attention.hook_z",
    "output": "blocks.{}.hook_attention_out",
    "add_attention": "blocks.{}.hook_residual_mid",
    "mlp_norm": "blocks.{}.mlp_norm",
    "gate": "blocks.{}.mlp.gate",
    "up": "blocks.{}.mlp.up",
    "activation": "blocks.{}.mlp.hook_activation",
    "down": "blocks.{}.hook_mlp_out",
    "add_mlp": "blocks.{}.hook_residual_post",
    "final_norm": "hook_final",
    "unembed": "",
}

# The modules that hold each box's weights.
WEIGHTS = {
    "embed": ("embed",),
    "positions": ("position_embed",),
    "attention_norm": ("blocks.{}.attention_norm",),
    "query": ("blocks.{}.attention.query", "blocks.{}.attention.query_norm"),
    "key": ("blocks.{}.attention.key", "blocks.{}.attention.key_norm"),
    "value": ("blocks.{}.attention.value",),
    "output": ("blocks.{}.attention.output",),
    "mlp_norm": ("blocks.{}.mlp_norm",),
    "gate": ("blocks.{}.mlp.gate",),
    "up": ("blocks.{}.mlp.up",),
    "down": ("blocks.{}.mlp.down",),
    "final_norm": ("final_norm",),
    "unembed": ("unembed",),
}

# Names of the axes of a weight, by the last part of its module's path.
AXES = {
    "embed": ("vocab", "d_model"),
    "position_embed": ("position", "d_model"),
    "query": ("head · d_head", "d_model"),
    "key": ("kv_head · d_head", "d_model"),
    "value": ("kv_head · d_head", "d_model"),
    "output": ("d_model", "head · d_head"),
    "gate": ("d_mlp", "d_model"),
    "up": ("d_mlp", "d_model"),
    "down": ("d_model", "d_mlp"),
    "unembed": ("vocab", "d_model"),
    "query_norm": ("d_head",),
    "key_norm": ("d_head",),
}


def weight_paths(box: str) -> dict[str, str]:
    """Map the name of each weight in a box to the path of its parameter; {} stands for the layer number.

    >>> weight_paths("down")
    {'weight': 'blocks.{}.mlp.down.weight', 'bias': 'blocks.{}.mlp.down.bias'}
    """
    paths: dict[str, str] = {}
    for number, module in enumerate(WEIGHTS.get(box, ())):
        before = "" if number == 0 else module.rsplit(".", 1)[1].replace("_", " ") + "’s "
        paths |= {f"{before}{kind}": f"{module}.{kind}" for kind in ("weight", "bias")}
    return paths


def boxes_of(config: TransformerConfig, seq_len: int | None = None) -> Box:
    """Build the boxes for a config, with their costs for one token that attends to `seq_len` tokens.

    By default, `seq_len` is the full context length. One layer represents all the layers. The sums over all boxes equal
    the results of `llmlib.costs.count`.

    >>> model = boxes_of(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> [box.id for box in model.boxes], model.total("parameters")
    (['embed', 'positions', 'layer', 'final_norm', 'unembed'], 6592)
    """
    return _Builder(config, seq_len or config.max_seq_len).model()


class _Builder:
    """Builds the boxes for one config."""

    def __init__(self, config: TransformerConfig, seq_len: int):
        self.config, self.seq_len = config, seq_len
        self.skeleton = Transformer(dataclasses.replace(config, n_layers=1), device="meta")  # takes no memory
        c = config
        self.sizes = {
            "seq": seq_len,
            "query": seq_len,
            "key": seq_len,
            "head": c.n_heads,
            "kv_head": c.n_kv_heads,
            "d_head": c.d_head,
            "d_model": c.d_model,
            "d_mlp": c.d_mlp,
            "vocab": c.vocab_size,
        }

    def model(self) -> Box:
        c = self.config
        table = 2 * c.vocab_size * c.d_model
        embed = self.box("embed", uses="embed", rows=1)
        positions = {
            "learned": [self.box("positions", "learned", uses="position_embed", before="embed", rows=1)],
            "sinusoidal": [self.box("positions", "sinusoidal", uses="sinusoidal_positions", before="embed")],
        }.get(c.positions, [])
        layer = self.layer(before=positions[-1].id if positions else "embed")
        norm = self.box("final_norm", uses="final_norm", before="add_mlp")
        says = "tied" if c.tied_embeddings else "unembed"
        unembed = self.box(
            "unembed", says, uses="unembedding", before="final_norm", value="seq vocab", flops=table, read=table // 2
        )
        return self.group("model", (embed, *positions, layer, norm, unembed))

    def layer(self, before: str) -> Box:
        attends = self.box("add_attention", uses="hook_residual_mid", before=before, value="seq d_model")
        mlp = [] if self.config.mlp == "none" else [self.mlp()]
        says = "add_mlp" if mlp else "no_mlp"
        thinks = self.box("add_mlp", says, uses="hook_residual_post", before="add_attention", value="seq d_model")
        return self.group("layer", (self.attention(before), attends, *mlp, thinks), repeat=self.config.n_layers)

    def attention(self, before: str) -> Box:
        c = self.config
        queries, keys = 2 * c.d_model * c.n_heads * c.d_head, 2 * c.d_model * c.n_kv_heads * c.d_head
        product = 2 * self.seq_len * c.n_heads * c.d_head
        turned = " and are rotated according to the token’s position" if c.positions == "rotary" else ""
        rotate = ("rotate",) if c.positions == "rotary" else ()
        shared = f" Each KV head serves {c.n_heads // c.n_kv_heads} query heads." if c.n_kv_heads < c.n_heads else ""
        window = f", but at most the last {c.sliding_window:,}" if c.sliding_window else ""
        norm = "attention_norm"
        boxes = (
            self.box(norm, uses=norm, before=before),
            self.box("query", uses="query", more=rotate, before=norm, flops=queries, turned=turned),
            self.box("key", uses="key", more=rotate, before=norm, flops=keys, shared=shared),
            self.box("value", uses="value", before=norm, flops=keys, shared=shared),
            self.box("scores", uses="hook_scores", before="query", flops=product),
            self.box("pattern", uses="hook_pattern", before="scores", window=window),
            self.box("mix", uses="_explicit", more=("einsum",), before="value", flops=product),
            self.box("output", uses="output", before="mix", flops=queries),
        )
        return self.group("attention", boxes, self.lines("attention", "attention"))

    def mlp(self) -> Box:
        c = self.config
        a_matrix = 2 * c.d_model * c.d_mlp
        norm = self.box("mlp_norm", uses="mlp_norm", before="add_attention")
        gate = self.box("gate", uses="gate", before="mlp_norm", flops=a_matrix, value="seq d_mlp")
        up = self.box("up", uses="up", before="mlp_norm", flops=a_matrix, value="seq d_mlp", d_mlp=c.d_mlp)
        kind = "swiglu" if c.mlp == "swiglu" else "gelu"
        activation = self.box("activation", kind, uses=kind, before="up")
        down = self.box("down", uses="down", before="activation", flops=a_matrix)
        boxes = (norm, *([gate] if kind == "swiglu" else []), up, activation, down)
        return self.group("mlp", boxes, self.lines("mlp", "mlp"))

    def group(self, id: str, boxes: tuple[Box, ...], lines: tuple[SourceLine, ...] = (), repeat: int = 1) -> Box:
        """Build a box that contains other boxes and has no costs of its own."""
        title, kind = TITLES[id]
        return Box(id, title, WORDS[id], kind, lines=lines, repeat=repeat, boxes=boxes)

    def box(
        self,
        id: str,
        says: str = "",
        *,
        uses: str,
        more: Iterable[str] = (),
        before: str = "",
        flops: int = 0,
        read: int | None = None,
        rows: int | None = None,
        value: str = "",
        **facts: Any,
    ) -> Box:
        """Build a box with its tensors from the skeleton model, and the line that uses each name in `uses` and `more`.

        `says` is the key for the box's title and description, if that key is not `id`; `facts` fill the placeholders in
        the description.
        """
        weights = list(self.weights(id))
        numbers = sum(tensor.parameters for tensor in weights)
        if rows is not None and weights:  # the model reads only this many rows of a table
            numbers = rows * self.config.d_model
        passes = BoxTensor("result", self.axes(value or self.axes_of_value(id)), is_weight=False)
        title, kind = TITLES[says or id]
        words, lines = WORDS[says or id].format(**facts), self.lines(id, uses, *more)
        return Box(id, title, words, kind, (*weights, passes), lines, flops, numbers if read is None else read, before)

    def weights(self, box: str) -> Iterable[BoxTensor]:
        for name, path in weight_paths(box).items():
            module = path.rsplit(".", 1)[0]
            try:
                parameter = self.skeleton.get_parameter(path.format(0))
            except AttributeError:  # no such weight, for example no bias, no query norm, or a tied table
                continue
            names = AXES.get(module.rsplit(".", 1)[-1], ("d_model",))
            yield BoxTensor(name, tuple(zip(names, parameter.shape)), is_weight=True)

    def axes_of_value(self, box: str) -> str:
        at = VALUES[box].removeprefix("blocks.{}.")
        return next((axes.removeprefix("batch ") for path, axes in POINTS.values() if path == at), "seq d_model")

    def axes(self, names: str) -> tuple[Axis, ...]:
        return tuple((name, self.sizes[name]) for name in names.split())

    def lines(self, box: str, *uses: str) -> tuple[SourceLine, ...]:
        owner = self.owner(box)
        return tuple(line_that_uses(owner, name) for name in uses)

    def owner(self, box: str) -> type:
        """Return the class whose method computes a box."""
        block: nn.Module = self.skeleton.blocks[0]
        if box in ("query", "key", "value", "scores", "pattern", "mix", "output"):
            return type(block.attention)
        if box in ("gate", "up", "activation", "down"):
            return type(block.mlp)
        return type(self.skeleton) if box in ("embed", "positions", "final_norm", "unembed") else type(block)
