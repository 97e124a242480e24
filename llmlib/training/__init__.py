"""Learning from text. `objective` is what is made small."""

from llmlib.training.objective import cross_entropy

__all__ = ["cross_entropy"]
