"""The architecture view shows a model as nested boxes (down to individual tensors), its costs, and one token's path."""

from llmlib.widgets.architecture.boxes import Box, BoxTensor, SourceLine
from llmlib.widgets.architecture.view import ArchitectureView

__all__ = ["ArchitectureView", "Box", "BoxTensor", "SourceLine"]
