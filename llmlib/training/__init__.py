"""Learning from text. `loss` is what is made small."""

from llmlib.training.loss import cross_entropy

__all__ = ["cross_entropy"]
