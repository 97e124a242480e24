"""From logits to text: what is done to logits, how a token is drawn, what ends a text.

`logits` holds small functions on logits, `Sampler` puts them together and draws, `generate` writes ids and
`generate_text` text up to a stop string, `beam_search` looks for the likeliest whole text. `Constraint` lets only
tokens through that keep a text within a regular expression (`regexes`), a JSON schema (`schemas`) or given answers.
`quality` judges texts by numbers: how much they repeat, and how surprising they are to a model.
"""

from llmlib.sampling.automaton import ConstraintError
from llmlib.sampling.beams import Beam, beam_search
from llmlib.sampling.constraint import Constraint
from llmlib.sampling.generating import Choice, Generation, GenerationNotice, generate
from llmlib.sampling.generating_text import generate_text
from llmlib.sampling.logits import entropy
from llmlib.sampling.sampler import Sampler

__all__ = [
    "Beam",
    "Choice",
    "Constraint",
    "ConstraintError",
    "Generation",
    "GenerationNotice",
    "Sampler",
    "beam_search",
    "entropy",
    "generate",
    "generate_text",
]
