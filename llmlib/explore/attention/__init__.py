"""A live model in the attention view: a text to edit, a second one to compare, heads to switch off.

`controller` answers the reader, `forward_pass` runs the model, and `long_texts` makes patterns on demand where all of
them would not fit.
"""

from llmlib.explore.attention.controller import attention_patterns, explore_attention

__all__ = ["attention_patterns", "explore_attention"]
