"""No technical term is used before a lesson has explained it.

Everything before a lesson's first section (goals, contents, imports) may use later terms, and so may tables,
headings and references.
"""

import re
from functools import lru_cache
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
LESSONS = (  # in reading order, without the Primer, which readers may skip
    "00_welcome",
    "01_tokenization",
    "02_embeddings",
    "03_attention",
    "04_attention_visualised",
    "05_transformer",
    "06_training",
    "07_sampling",
    "08_instruction_tuning",
    "09_alignment",
    "10_scaling_laws",
    "11_capabilities_and_limits",
)
# Each term, with words from the sentence that explains it (without their emphasis).
TERMS = {
    "token": "A token is a piece of text",
    "vocabulary": "tokens that are listed in a fixed vocabulary",
    "attention": "attention lets each position fetch information",
    "MLP": "(An MLP is a small network",
    "logit": "one number per token, called its logit",
    "topk": "`topk` picks the three largest",
    "hook point": "listens at one point inside the model, a hook point",
    "softmax": "softmax function turns the logits into probabilities",
    "cosine": "the cosine of the angle between two vectors",
    "loss": "The mean surprise is the loss",
    "temperature": "Change the temperature: a low temperature makes",
    "regular expression": "A regular expression cuts the text into pieces",
    "context window": "context window, the longest text that a model can read at once",
    "layer": "turns one vector into the next is called a layer",
    "bias": "add a learned vector, a bias",
    "tanh": "`torch.tanh` squeezes each number",
    "SVD": "singular value decomposition (SVD) writes the table as a sum",
    "channel": "Each number of the vector is also called a channel",
    "d_head": "Each query and each key has d_head numbers",
    "entropy": "The entropy tells you how widely the weights are spread",
    "cache": "This store is called the cache",
    "residual stream": "in each layer, attention and the MLP add their outputs to it. It is called the residual stream",
    "AdamW": "`AdamW` changes the weights a little at each step",
    "induction head": "An induction head looks at the token that came after",
    "patching": "Patching [6] asks a sharper question: what if",
    "unembed": "one row for each token",
    "final norm": "final norm does (before the output layer, this norm divides",
    "last_only": "only the last position",
    "gather": "each row's logit of the right capital",
    "LayerNorm": "LayerNorm [5] subtracts the mean",
    "RMSNorm": "RMSNorm [6] is LayerNorm without the mean and the bias",
    "warm-up": "a warm-up: the first steps are taken with a tiny learning rate",
    "GELU": "GELU [8], x·Φ(x): x times the share",
    "SiLU": "SiLU, x·σ(x)",
    "SwiGLU": "The two results are multiplied, element by element",
    "d_mlp": "a wider vector of d_mlp numbers",
    "FLOP": "a FLOP is one floating-point operation",
    "KV cache": "The KV cache is where a model keeps the keys",
    "weight tying": "one table for both",
    "perplexity": "The perplexity, e to the power of the loss",
    "weight decay": "This is weight decay",
    "TrainConfig": "A TrainConfig holds all the settings of a run",
    "TokenDataset": "Batches come from a `TokenDataset`: random windows",
    "Muon": "Muon [9] is a newer optimizer for matrices",
    "dropout": "dropout: while training, it sets some of its numbers to 0",
    "top-p": "Top-p, or nucleus sampling [1]: keep the likeliest tokens",
    "beam": "Beam search keeps several beginnings side by side",
    "automaton": "an automaton: states, and for each state",
    "LoRA": "LoRA [4] freezes a matrix W and learns a small adapter",
    "peft": "`peft`, which is Hugging Face's library",
    "reward": "a reward: one number for each answer",
    "reward model": "A reward model is a language model with one more row of weights",
    "policy": "A model that learns from rewards is called a policy",
    "REINFORCE": "This rule is called REINFORCE [2]",
    "DPO": "Direct preference optimisation (DPO) [5]",
    "sycophancy": "a model may learn to agree: sycophancy",
    "muP": "This change is the maximal update parametrisation, or muP",
}


@lru_cache
def cells():
    """Return (lesson, number, text) of all cells, without the parts that may use later terms."""
    found = []
    for lesson in LESSONS:
        begun = False
        for number, cell in enumerate(nbformat.read(FOLDER / f"{lesson}.ipynb", as_version=4).cells):
            text = cell.source
            begun = begun or re.search(r"^## (?!You will|The route|References)", text, re.M)
            if not begun:
                continue
            if cell.cell_type == "markdown":
                text = re.sub(r"(?ms)^## (References|The map).*|^[|#].*?$|\]\([^)]*\)", "", text)
            else:
                text = re.sub(r"(?m)^(from|import) .*$|sampler=\S+", "", text)
            found.append((lesson, number, " ".join(text.replace("*", "").split())))
    return found


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_explained_where_it_is_first_used(term):
    as_word = re.compile(rf"(?<!\w){re.escape(term)}(?!_)", re.I if term.islower() else 0)
    lesson, number, text = next(cell for cell in cells() if as_word.search(cell[2]))
    assert TERMS[term] in text, f"{lesson}, cell {number}: …{as_word.split(text)[0][-80:]}[{term}]"
