"""Split a model into parts: each process keeps its rows of every weight, and gathers a whole weight only when using it.

With `parallel="fsdp"`, each of N processes holds 1/N of the weights, the gradients and the optimizer states (torch's
FSDP2). A block's weights are gathered shortly before it computes and freed afterwards; its gradients are averaged, and
each process keeps the gradients of its own rows. In torch these rows are DTensors: tensors that know which larger
tensor they are part of. Sources: Rajbhandari et al. (2020), "ZeRO", stage 3; Zhao et al. (2023), "PyTorch FSDP".

This module does everything that a run needs for sharding: it splits a model, gathers a whole tensor, and splits a
tensor again. torch's modules for sharding are imported where they are used, because they take half as long to import as
torch itself, and most runs use a single process.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from llmlib.transformer import Transformer


def shard(model: Transformer, world: int, dtype: torch.dtype) -> None:
    """Split the model's weights across `world` processes, in place: first each block, then everything else.

    The gathered weights are rounded to `dtype`; each process's own rows and the summed gradients stay float32. So only
    one block at a time has a rounded working copy (see `llmlib.training.precision`). Raises `ValueError` for a model
    with frozen weights, because splitting such a model would save little: most of the memory is used for the weights
    that are being trained.
    """
    if frozen := [name for name, parameter in model.named_parameters() if not parameter.requires_grad]:
        raise ValueError(
            f'parallel="fsdp" does not support frozen weights, but {len(frozen)} are frozen here '
            f'({frozen[0]} …). Use parallel="ddp".'
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(model.device.type, (world,))
    precision = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for part in (*model.blocks, model):
        fully_shard(part, mesh=mesh, mp_policy=precision)


def is_cut(tensor: Tensor) -> bool:
    """Return whether a tensor is a DTensor, that is, one process's rows of a larger tensor."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """Return the whole tensor; if it is split, every process has to call this function."""
    return tensor.full_tensor() if is_cut(tensor) else tensor  # type: ignore[attr-defined]


def cut_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Return this process's rows of a whole tensor if `like` is split, or else the whole tensor.

    No data is sent between processes.
    """
    if not is_cut(like):
        return tensor
    from torch.distributed.tensor import DTensor

    assert isinstance(like, DTensor)
    rows, rank = tensor.chunk(like.device_mesh.size()), like.device_mesh.get_local_rank()
    mine = rows[rank] if rank < len(rows) else tensor[:0]  # if there are few rows, the last processes get none
    return DTensor.from_local(
        mine, like.device_mesh, like.placements, run_check=False, shape=tensor.shape, stride=tensor.stride()
    )


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> float:
    """Scale all gradients down by the same factor if their global norm exceeds `limit`; return the norm before scaling.

    >>> weight = nn.Parameter(torch.zeros(2))
    >>> weight.grad = torch.tensor([3.0, 4.0])
    >>> clip_gradients([weight], 1.0), weight.grad
    (5.0, tensor([0.6000, 0.8000]))
    """
    parameters = list(parameters)
    norm = whole(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))
    length = norm.item()
    if length >= limit:  # below the limit, torch would only multiply every gradient by 1
        nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return length


def whole_model(model: Transformer) -> Transformer:
    """Return the model itself, or a whole copy if it is split; you can call the result like any other model."""
    if not is_cut(model.embed.weight):
        return model
    made = Transformer(model.config, seed=None, device=model.device)
    made.load_state_dict({name: whole(tensor) for name, tensor in model.state_dict().items()})
    return made.eval()


def gathered(values: Any, keep: bool = True) -> Any:
    """Gather the tensors in dicts and lists one by one; return the same structure with whole tensors.

    Without `keep`, a tensor that was split becomes None.
    """
    if isinstance(values, dict):
        return {name: gathered(value, keep) for name, value in values.items()}
    if isinstance(values, list):
        return [gathered(value, keep) for value in values]
    if isinstance(values, Tensor) and is_cut(values):
        all_rows = whole(values)
        return all_rows.cpu() if keep else None
    return values


def put_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load unsplit weights into the model, which may be split or not; weights that are not given stay unchanged."""
    ours = model.state_dict()
    model.load_state_dict(
        {name: cut_like(value.to(ours[name].device), ours[name]) for name, value in weights.items()}, strict=False
    )


def put_states(optimizers: Sequence[torch.optim.Optimizer], states: Sequence[dict[int, Any]]) -> None:
    """Load unsplit states into a model's optimizers; the model may be split or not.

    A tensor in the states that has the shape of its weight is split like that weight. The optimizers' settings, such as
    learning rates, keep the values from the config.
    """
    for optimizer, states_of in zip(optimizers, states):
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        rows = {number: _rows(state, weights[number]) for number, state in states_of.items()}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": rows})


def _rows(state: dict[str, Tensor], weight: Tensor) -> dict[str, Tensor]:
    if not is_cut(weight):
        return state
    of_rows = {name: value.to(weight.device) for name, value in state.items() if value.shape == weight.shape}
    return {
        **state,
        **{name: cut_like(value, weight).clone() for name, value in of_rows.items()},
    }  # a copy, not a view of the whole tensor
