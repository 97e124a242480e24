"""A model cut into parts: each process keeps its rows of every weight, and the whole only for as long as it is used.

With `parallel="fsdp"` a process of N holds an N-th of the weights, the gradients and the optimizers' memory (torch's
FSDP2). A block's weights are gathered shortly before it computes and let go after; its gradients are averaged and each
process keeps those of its rows. Rows are what torch calls DTensors: tensors that know of what they are a part.
Source: Rajbhandari et al. (2020), "ZeRO", stage 3; Zhao et al. (2023), "PyTorch FSDP".

Here is all that a run needs to know of that: how to cut a model, how to see a tensor whole, and how to cut one again.
torch's modules for it are imported where they are used: they take half as long as torch itself, and most runs are of
one process.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from llmlib.transformer import Transformer


def shard(model: Transformer, world: int, dtype: torch.dtype) -> None:
    """Cut the model's weights for `world` processes, in place: block by block, and the rest.

    What is gathered is rounded to `dtype`; the rows themselves and the sums of gradients stay float32, so that this
    is the rounded working copy of `llmlib.training.precision`, block by block. Raises `ValueError` for a model with
    frozen weights: it has little to share out, for what takes the memory is what learns.
    """
    if frozen := [name for name, parameter in model.named_parameters() if not parameter.requires_grad]:
        raise ValueError(
            f'parallel="fsdp" is for models whose weights all learn, but {len(frozen)} are frozen here '
            f'({frozen[0]} …). Use parallel="ddp".'
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(model.device.type, (world,))
    precision = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    for part in (*model.blocks, model):
        fully_shard(part, mesh=mesh, mp_policy=precision)


def is_cut(tensor: Tensor) -> bool:
    """Whether it is one process's rows of a larger tensor, a DTensor."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """The tensor itself, or all rows of one that is cut; then every process has to ask for it."""
    return tensor.full_tensor() if is_cut(tensor) else tensor  # type: ignore[attr-defined]


def cut_like(tensor: Tensor, like: Tensor) -> Tensor:
    """This process's rows of a whole tensor, if `like` is cut; else the tensor itself. Nothing is sent."""
    if not is_cut(like):
        return tensor
    from torch.distributed.tensor import DTensor

    assert isinstance(like, DTensor)
    rows, rank = tensor.chunk(like.device_mesh.size()), like.device_mesh.get_local_rank()
    mine = rows[rank] if rank < len(rows) else tensor[:0]  # fewer rows than processes: the last have none
    return DTensor.from_local(
        mine, like.device_mesh, like.placements, run_check=False, shape=tensor.shape, stride=tensor.stride()
    )


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> float:
    """Shorten all gradients together to the norm `limit`, if they are longer; returns the norm before.

    >>> weight = nn.Parameter(torch.zeros(2))
    >>> weight.grad = torch.tensor([3.0, 4.0])
    >>> clip_gradients([weight], 1.0), weight.grad
    (5.0, tensor([0.6000, 0.8000]))
    """
    parameters = list(parameters)
    norm = whole(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))
    length = norm.item()
    if length >= limit:  # below it torch would multiply every gradient by 1
        nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return length


def whole_model(model: Transformer) -> Transformer:
    """The model, or a whole one with the weights of one that is cut, for those who call it in ways of their own."""
    if not is_cut(model.embed.weight):
        return model
    made = Transformer(model.config, seed=None, device=model.device)
    made.load_state_dict({name: whole(tensor) for name, tensor in model.state_dict().items()})
    return made.eval()


def gathered(values: Any, keep: bool = True) -> Any:
    """Dicts and lists with every tensor in them whole; one by one, and only those who `keep` them hold all at once."""
    if isinstance(values, dict):
        return {name: gathered(value, keep) for name, value in values.items()}
    if isinstance(values, list):
        return [gathered(value, keep) for value in values]
    if isinstance(values, Tensor) and is_cut(values):
        all_rows = whole(values)
        return all_rows.cpu() if keep else None
    return values


def put_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load whole weights into the model, cut or not; those that are not among them stay as they are."""
    ours = model.state_dict()
    model.load_state_dict(
        {name: cut_like(value.to(ours[name].device), ours[name]) for name, value in weights.items()}, strict=False
    )


def put_states(optimizers: Sequence[torch.optim.Optimizer], states: Sequence[dict[int, Any]]) -> None:
    """Load whole states into the optimizers of a model, cut or not: what has a weight's shape is cut as the weight.

    Their settings, such as learning rates, stay those of the config.
    """
    for optimizer, states_of in zip(optimizers, states):
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        rows = {number: _rows(state, weights[number]) for number, state in states_of.items()}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": rows})


def _rows(state: dict[str, Tensor], weight: Tensor) -> dict[str, Tensor]:
    if not is_cut(weight):
        return state
    of_rows = {name: value.to(weight.device) for name, value in state.items() if value.shape == weight.shape}
    return {**state, **{name: cut_like(value, weight).clone() for name, value in of_rows.items()}}  # no view of a whole
