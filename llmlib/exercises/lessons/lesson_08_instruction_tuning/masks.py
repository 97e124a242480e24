"""The mask and the targets, which define what a model learns from a conversation (shared by several exercises)."""

import torch

IGNORED = -100  # the target value that the loss leaves out


def answer_mask(ids, assistant, end):
    """Return True for the tokens that the assistant wrote, including the end of each answer."""
    mask = torch.zeros_like(ids, dtype=torch.bool)
    answering = False
    for place, id in enumerate(ids.tolist()):
        mask[place] = answering
        if id == assistant:
            answering = True
        elif id == end:
            answering = False
    return mask


def targets(ids, mask):
    """Return inputs and targets. A target is the next token where the model should learn it, and −100 elsewhere."""
    return ids[:, :-1], ids[:, 1:].masked_fill(~mask[:, 1:], IGNORED)
