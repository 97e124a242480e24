"""Give a view separate access to a model that cells, other views and training are using at the same time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from llmlib.hooks import HookPoint, unhooked
from llmlib.transformer import Transformer
from llmlib.widgets.shared.acts import Overtaken

CHANGED = (
    "The model was being trained while this was computed, so different parts of the result come from different "
    "weights. Try again when the training is done."
)


def own_model(model: Any, check: Callable[[], object] | None = None) -> Any:
    """Copy a model's modules for one view, but share the weights; `check` is called before each module runs.

    Hooks from cells and other views do not reach the copy, and the view's hooks reach only the copy. `check` can end a
    long run by raising an error. Models from other libraries are returned as they are, since we never add hooks to
    them.

    >>> from llmlib.transformer import TransformerConfig
    >>> model = Transformer(TransformerConfig(vocab_size=10, max_seq_len=8, d_model=16, n_layers=2, n_heads=4))
    >>> own_model(model).embed.weight is model.embed.weight
    True
    """
    if not isinstance(model, Transformer):
        return model
    own = unhooked(model)
    if check is not None:

        def before(_module: nn.Module, _args: Any) -> None:
            check()

        for module in own.modules():
            if not isinstance(module, HookPoint):
                module.register_forward_pre_hook(before)
    return own


def versions(model: nn.Module) -> list[int]:
    """Return how many times each weight has been changed in place, according to torch."""
    return [0 if weight.is_inference() else weight._version for weight in model.parameters()]


@contextmanager
def undoing(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` if the `with` block fails or is interrupted, unless it gives way to newer actions (`Overtaken`)."""
    try:
        yield
    except Overtaken:
        raise
    except BaseException:
        undo()
        raise


@contextmanager
def noticing_training(model: Any, tell: Callable[[str], object]) -> Iterator[None]:
    """Tell the user if training changes the model's weights while the `with` block runs."""
    before = versions(model)
    yield
    if versions(model) != before:
        tell(CHANGED)
