"""The BPE-steps view shows byte-pair encoding, one merge at a time."""

from llmlib.widgets.bpe_steps.view import BPEStepsView

__all__ = ["BPEStepsView"]
