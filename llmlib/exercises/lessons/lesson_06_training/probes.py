"""Test what autograd keeps in a training loop, what the loop returns, and whether it uses a PyTorch optimizer."""

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook


def operations_behind(weights):
    """Count the operations that autograd has recorded for these weights."""
    seen, ahead = set(), [w.grad_fn for w in weights]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in seen:
            seen.add(node)
            ahead += [before for before, _ in node.next_functions]
    return len(seen)


def hangs_together(call, case):
    """Say whether a step's weights still depend on the previous step, so that autograd records more with each step."""
    weights, loss_of, batches, rates, limit = case.args
    kept = []

    def watched(weights, batch):
        kept.append(operations_behind(weights))
        return loss_of(weights, batch)

    call(weights, watched, batches, rates, limit)
    return (
        kept[1:]
        and kept[-1] > kept[0]
        and (
            "From the second step on, the weights that you pass to `loss_of` still depend on the step before, and "
            "that step depends on the one before it. So autograd keeps everything that you have computed so far, and "
            "a long run fills up the memory. In each step, `.detach()` cuts the new weights off from everything that "
            "came before. After that, they must be set to require a gradient again."
        )
    )


def returns_gradients(call, case):
    weights, losses = call(*case.args)
    if any(isinstance(loss, torch.Tensor) for loss in losses):
        return "Your losses are tensors, and each may keep everything it was computed from. `.item()` returns a number."
    return any(w.requires_grad for w in weights) and (
        "The weights that you return carry a gradient, or still require one. `.detach()` returns only the numbers."
    )


def lets_an_optimizer_do_it(call, case):
    taken: list[bool] = []
    handle = register_optimizer_step_pre_hook(lambda *_: taken.append(True))
    try:
        call(*case.args)
    finally:
        handle.remove()
    return bool(taken) and (
        "The result is right, but one of PyTorch's optimizers took the steps. Write the loop with your own "
        "`adamw_step`, so that you see every line of it."
    )
