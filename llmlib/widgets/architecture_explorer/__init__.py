"""The architecture explorer: a model as nested boxes down to a single tensor, its costs, one token's way through."""

from llmlib.widgets.architecture_explorer.boxes import Box, ShapedTensor, SourceLine
from llmlib.widgets.architecture_explorer.view import ArchitectureView

__all__ = ["ArchitectureView", "Box", "ShapedTensor", "SourceLine"]
