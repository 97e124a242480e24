"""Provide training texts (real ones and the generated TinyTales), store tokens on disk, and draw training batches.

`tinytales` is the course's own little world. `texts` loads Shakespeare, Python's own source code and your own files.
`datasets` turns texts into training batches, `reading` makes an endless stream of batches of stories with exercises,
and `measures` scores how well a text holds together. (The last three need torch.) `ngrams` shows how far you can get
just by counting.
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
