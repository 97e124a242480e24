"""The architecture view: a model as nested boxes down to a single tensor, its costs, one token's way through."""

from llmlib.widgets.architecture.boxes import Box, BoxTensor, SourceLine
from llmlib.widgets.architecture.view import ArchitectureView

__all__ = ["ArchitectureView", "Box", "BoxTensor", "SourceLine"]
