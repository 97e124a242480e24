"""Show a live model in the attention view, with a text to edit, a second text to compare, and heads to switch off.

`controller` carries out what the reader does, `forward_pass` runs the model, and `long_texts` makes patterns on demand
if the patterns would not all fit into memory.
"""

from llmlib.explore.attention.controller import attention_patterns, explore_attention

__all__ = ["attention_patterns", "explore_attention"]
