"""The bpe stepper: byte-pair encoding one merge at a time."""

from llmlib.widgets.bpe_stepper.view import BPEStepper

__all__ = ["BPEStepper"]
