"""A `TransformerConfig` as boxes within boxes: what each does, its tensors, its costs, the line that computes it."""

import dataclasses
from collections.abc import Iterable

from torch import nn

from llmlib.explore.architecture.source_lines import line_that_uses
from llmlib.interpret.points import POINTS
from llmlib.transformer import Transformer, TransformerConfig
from llmlib.widgets.architecture.boxes import Axis, Box, BoxTensor, SourceLine

# The module that each box's value passes through; {} is the layer. "" is the model itself: its logits.
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
    """Map the name of each weight of a box to the path of its parameter; {} is the layer.

    >>> weight_paths("down")
    {'weight': 'blocks.{}.mlp.down.weight', 'bias': 'blocks.{}.mlp.down.bias'}
    """
    paths: dict[str, str] = {}
    for number, module in enumerate(WEIGHTS.get(box, ())):
        before = "" if number == 0 else module.rsplit(".", 1)[1].replace("_", " ") + "’s "
        paths |= {f"{before}{kind}": f"{module}.{kind}" for kind in ("weight", "bias")}
    return paths


def boxes_of(config: TransformerConfig, seq_len: int | None = None) -> Box:
    """Build the boxes of a config, with their costs for a token that attends to `seq_len` others (default: the
    context).

    One layer stands for all of them. The sums over all boxes equal those of `llmlib.costs.count`.

    >>> model = boxes_of(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> [box.id for box in model.boxes], model.total("parameters")
    (['embed', 'positions', 'layer', 'final_norm', 'unembed'], 6592)
    """
    return _Builder(config, seq_len or config.max_seq_len).model()


class _Builder:
    """Builds the boxes of one config."""

    def __init__(self, config: TransformerConfig, seq_len: int):
        self.config, self.seq_len = config, seq_len
        self.skeleton = Transformer(dataclasses.replace(config, n_layers=1), device="meta")  # no memory
        c = config
        self.sizes = {
            "seq": seq_len, "query": seq_len, "key": seq_len, "head": c.n_heads, "kv_head": c.n_kv_heads,
            "d_head": c.d_head, "d_model": c.d_model, "d_mlp": c.d_mlp, "vocab": c.vocab_size,
        }  # fmt: skip

    def model(self) -> Box:
        c = self.config
        positions = {
            "learned": [self.box("positions", "Position table", "embedding", before="embed", uses="position_embed",
                words="Adds the vector of each token’s position, so that the order of words counts.", rows=1)],
            "sinusoidal": [self.box("positions", "Sinusoidal positions", "embedding", before="embed",
                uses="sinusoidal_positions",
                words="Adds sines and cosines of each token’s position; nothing is learned.")],
        }.get(c.positions, [])  # fmt: skip
        first = positions[-1].id if positions else "embed"
        tied = " It is the token table again: the two are tied." if c.tied_embeddings else ""
        return Box("model", "Model", "Reads token ids and gives a score to each possible next token.", "group", boxes=(
            self.box("embed", "Token table", "embedding", uses="embed", rows=1,
                     words="Looks up one row for each token id: the vector with which the residual stream begins."),
            *positions,
            self.layer(first),
            self.box("final_norm", "Final norm", "norm", uses="final_norm", before="add_mlp",
                     words="Scales the last vectors to one length, so that the scores have a comparable size."),
            self.box("unembed", "Output table" + ", tied to the token table" * c.tied_embeddings, "output",
                     uses="unembedding", before="final_norm", value="seq vocab",
                     flops=2 * c.vocab_size * c.d_model, read=c.vocab_size * c.d_model,
                     words=f"Compares each final vector with the row of every token: the logits.{tied}"),
        ))  # fmt: skip

    def layer(self, before: str) -> Box:
        c = self.config
        adds_attention = self.box(
            "add_attention", "+ attention", "stream", before=before, uses="hook_residual_mid", value="seq d_model",
            words="The residual stream: what attention wrote is added, and nothing is overwritten.",
        )  # fmt: skip
        mlp = [] if c.mlp == "none" else [self.mlp()]
        adds_mlp = self.box(
            "add_mlp", "+ MLP" if mlp else "Stream", "stream", before="add_attention", uses="hook_residual_post",
            value="seq d_model", words="The residual stream, as the next layer reads it"
            + (": what the MLP wrote is added." if mlp else "; there is no MLP to add to it."),
        )  # fmt: skip
        words = "One layer: attention moves information between tokens, the MLP works on each; both add to the stream."
        return Box(
            "layer",
            "Layer",
            words,
            "group",
            repeat=c.n_layers,
            boxes=(self.attention(before), adds_attention, *mlp, adds_mlp),
        )

    def attention(self, before: str) -> Box:
        c = self.config
        d_q, d_kv = c.n_heads * c.d_head, c.n_kv_heads * c.d_head
        turned = " and are turned by the token’s position" if c.positions == "rotary" else ""
        rotate = ("rotate",) if c.positions == "rotary" else ()
        shared = f" Each serves {c.n_heads // c.n_kv_heads} query heads." if c.n_kv_heads < c.n_heads else ""
        product = 2 * self.seq_len * d_q
        window = f", at most {c.sliding_window:,} back" if c.sliding_window else ""
        return Box("attention", "Attention", "Each token looks at those before it, and takes in what it finds.",
            "attention", lines=self.lines("attention", "attention"), boxes=(
            self.box("attention_norm", "Norm", "norm", uses="attention_norm", before=before,
                     words="Scales each vector to one length. Attention reads this copy; the stream stays as it is."),
            self.box("query", "Queries", "attention", uses="query", more=rotate, before="attention_norm",
                     flops=2 * c.d_model * d_q,
                     words=f"What each token looks for, one vector per head; they come from a matrix{turned}."),
            self.box("key", "Keys", "attention", uses="key", more=rotate, before="attention_norm",
                     flops=2 * c.d_model * d_kv,
                     words=f"What each token can be found by.{shared} They stay in the KV cache."),
            self.box("value", "Values", "attention", uses="value", before="attention_norm",
                     flops=2 * c.d_model * d_kv,
                     words=f"What each token hands over when it is found.{shared} They stay in the KV cache."),
            self.box("scores", "Scores", "attention", uses="hook_scores", before="query", flops=product,
                     words="How well each query matches each key, later ones too: q·k / √d_head."),
            self.box("pattern", "Pattern", "attention", uses="hook_pattern", before="scores",
                     words=f"Softmax over the keys up to the token itself{window}: shares that sum to 1."),
            self.box("mix", "Mixed values", "attention", uses="_explicit", more=("einsum",), before="value",
                     flops=product, words="Each head’s sum of the values, weighted by its pattern."),
            self.box("output", "Output", "attention", uses="output", before="mix", flops=2 * d_q * c.d_model,
                     words="Brings what all heads found back to the width of the residual stream."),
        ))  # fmt: skip

    def mlp(self) -> Box:
        c = self.config
        a_matrix = 2 * c.d_model * c.d_mlp
        gated = c.mlp == "swiglu"
        up = self.box("up", "Up", "mlp", uses="up", before="mlp_norm", flops=a_matrix, value="seq d_mlp",
                      words=f"Asks {c.d_mlp:,} questions of each vector, one for each hidden unit.")  # fmt: skip
        gate = self.box("gate", "Gate", "mlp", uses="gate", before="mlp_norm", flops=a_matrix, value="seq d_mlp",
                        words="Decides for each hidden unit how much gets through.") if gated else None  # fmt: skip
        activation = self.box(
            "activation", "SwiGLU" if gated else "GELU", "mlp", uses="swiglu" if gated else "gelu", before="up",
            words="SiLU(gate) × up: units whose gate is shut say nothing." if gated
            else "The nonlinearity: negative numbers are nearly shut out.",
        )  # fmt: skip
        down = self.box("down", "Down", "mlp", uses="down", before="activation", flops=a_matrix,
                        words="Each active unit adds its own direction to the residual stream.")  # fmt: skip
        norm = self.box("mlp_norm", "Norm", "norm", uses="mlp_norm", before="add_attention",
                        words="Scales each vector to one length. The MLP reads this copy.")  # fmt: skip
        words = "Works on each token alone: recognises patterns, and writes what it knows about them."
        boxes = (norm, *([gate] if gate else []), up, activation, down)
        return Box("mlp", "MLP", words, "mlp", lines=self.lines("mlp", "mlp"), boxes=boxes)

    def box(
        self, id: str, title: str, kind: str, *, words: str, uses: str, more: Iterable[str] = (), before: str = "",
        flops: int = 0, read: int | None = None, rows: int | None = None, value: str = "",
    ) -> Box:  # fmt: skip
        """Build a box with the tensors that the skeleton has there, and the lines that use `uses` (and `more`)."""
        weights = list(self.weights(id))
        numbers = sum(tensor.parameters for tensor in weights)
        if rows is not None and weights:  # of a table only a row is needed
            numbers = rows * self.config.d_model
        passes = BoxTensor("result", self.axes(value or self.axes_of_value(id)), is_weight=False)
        return Box(
            id, title, words, kind, (*weights, passes), self.lines(id, uses, *more), flops,
            numbers if read is None else read, before,
        )  # fmt: skip

    def weights(self, box: str) -> Iterable[BoxTensor]:
        for name, path in weight_paths(box).items():
            module = path.rsplit(".", 1)[0]
            try:
                parameter = self.skeleton.get_parameter(path.format(0))
            except AttributeError:  # no bias, no norm of queries, a table that is tied
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
        """The class whose method computes a box."""
        block: nn.Module = self.skeleton.blocks[0]
        if box in ("query", "key", "value", "scores", "pattern", "mix", "output"):
            return type(block.attention)
        if box in ("gate", "up", "activation", "down"):
            return type(block.mlp)
        return type(self.skeleton) if box in ("embed", "positions", "final_norm", "unembed") else type(block)
