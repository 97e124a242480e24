"""What of a conversation is learned: the mask and the targets, where other exercises of lesson 08 use them."""

import torch

IGNORED = -100  # a target that the loss leaves out


def answer_mask(ids, assistant, end):
    """True for the tokens that the assistant wrote, the end of each answer included."""
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
    """Inputs, and for each of them the next token, if that is to be learned."""
    return ids[:, :-1], ids[:, 1:].masked_fill(~mask[:, 1:], IGNORED)
