"""Show a live model in the attention view, with a text to edit, a second text to compare, and heads to switch off.

`controller` carries out the user's actions, `forward_pass` runs the model, and `long_texts` computes patterns on demand
if they would not all fit into memory.
"""

from llmlib.explore.attention.controller import attention_patterns, explore_attention

__all__ = ["attention_patterns", "explore_attention"]
