"""Generate TinyTales from a seed: short stories whose facts are all known.

>>> from llmlib.corpora.tinytales import tinytales
>>> [story.split for story in tinytales(seed=1, split="validation", n_stories=2)]
['validation', 'validation']
"""

from llmlib.corpora.tinytales.tasks import Instruction, Preference, Question, world_questions
from llmlib.corpora.tinytales.teller import SPLITS, STORY_SEPARATOR, Story, tell, tinytales, tinytales_text
from llmlib.corpora.tinytales.world import Character, Fact, Place, Thing, is_held_out, shapes, villagers, world_facts

__all__ = [
    "SPLITS",
    "STORY_SEPARATOR",
    "Character",
    "Fact",
    "Instruction",
    "Place",
    "Preference",
    "Question",
    "Story",
    "Thing",
    "is_held_out",
    "shapes",
    "tell",
    "tinytales",
    "tinytales_text",
    "villagers",
    "world_facts",
    "world_questions",
]
