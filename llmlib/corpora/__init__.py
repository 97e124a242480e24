"""Texts to learn from: TinyTales, made by code, and real ones; tokens on disk and batches of them.

`tinytales` is the course's own language world, `texts` brings Shakespeare, Python's source and files of your own,
`datasets` turns texts into training batches, `reading` makes endless ones of stories with exercises, `measures` tells
how well a text keeps its world together. (These three need torch.) `ngrams` is what counting alone achieves.
"""

from llmlib.corpora.texts import CorpusError, from_files, python_stdlib, stream_files, tiny_shakespeare
from llmlib.corpora.tinytales import SPLITS, Story, tinytales, tinytales_text, world_facts, world_questions

__all__ = [
    "SPLITS",
    "CorpusError",
    "Story",
    "from_files",
    "python_stdlib",
    "stream_files",
    "tiny_shakespeare",
    "tinytales",
    "tinytales_text",
    "world_facts",
    "world_questions",
]
