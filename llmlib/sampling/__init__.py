"""Turn logits into text by adjusting the logits, drawing a token, and deciding when the text ends.

`logits` contains small functions on logits; `Sampler` combines them and draws a token. `generate` writes ids,
`generate_text` writes text up to a stop string, and `beam_search` looks for the complete text that is most likely.
`Constraint` allows only tokens after which the text can still match a regular expression (`regexes`), a JSON schema
(`schemas`) or an answer from a list. `quality` measures how much texts repeat themselves, and how surprising they are
to a model.
"""

from llmlib.sampling.automaton import ConstraintError
from llmlib.sampling.beams import Beam, beam_search
from llmlib.sampling.constraint import Constraint
from llmlib.sampling.generating import Generation, GenerationWarning, SampledToken, generate
from llmlib.sampling.generating_text import generate_text
from llmlib.sampling.logits import entropy
from llmlib.sampling.sampler import Sampler

__all__ = [
    "Beam",
    "Constraint",
    "ConstraintError",
    "Generation",
    "GenerationWarning",
    "SampledToken",
    "Sampler",
    "beam_search",
    "entropy",
    "generate",
    "generate_text",
]
