"""Run exercises in which the learner writes a torch module: we inspect the class, then call an instance of it.

A case's arguments are inputs, weights and sizes. `OnWeights` makes a module of these sizes, replaces the module's
weights with the case's weights, and calls the module with the inputs. So the engine can try a class just as it tries a
function.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from llmlib.exercises.engine.errors import name_of

BLANK = "The class does not have any of its parts yet."


@dataclass(frozen=True, eq=False)
class Blueprint:
    """A description of an exercise's module: its parts, and the purpose of each of a case's arguments."""

    library: type[nn.Module]  # the library's own class; `solution` shows it, and `mine` can return it
    sizes: Callable[..., Mapping[str, int]]  # takes a case's arguments, and returns the class's arguments by name
    maps: tuple[str, ...]  # names of the linear maps without bias, in the order of a case's weights
    first_map: int  # the index of the first weight among a case's arguments
    inputs: Mapping[str, int]  # the arguments of `forward`, and their indices among a case's arguments

    def trouble(self, written: type, args: tuple[Any, ...]) -> str:
        """Say why the learner's class cannot be called with a case's weights; return an empty string if it can.

        Return `BLANK` if the class does not have any of its parts, which means that the learner has not started to
        write it.
        """
        if not issubclass(written, nn.Module):
            return (
                f"`{written.__name__}` is not a torch module yet: `class {written.__name__}(nn.Module):` makes it one."
            )
        sizes = self.sizes(*args)
        for function, names in ((written.__init__, tuple(sizes)), (written.forward, tuple(self.inputs))):
            if not _takes(function, len(names)):
                return f"`{function.__name__}` should take {', '.join(('self', *names))}."
        try:
            module = written(*sizes.values())
        except Exception as error:
            if "before Module.__init__() call" in str(error):
                return "Call `super().__init__()` first: without this call, a module cannot store its parts."
            half = " `/` returns a float, `//` a whole number." * ("type float" in str(error))
            return f"Making a module with {_said(sizes)} raised `{name_of(error).rstrip('.')}`.{half}"
        weights = self._weights(args)
        if all(getattr(module, name, None) in (None, ...) for name in weights):
            return BLANK
        wrong = [self._wrong(module, name, tuple(weight.shape), sizes) for name, weight in weights.items()]
        more = {name for name, _ in module.named_parameters()} - {f"{name}.weight" for name in self.maps}
        if more and not any(wrong):
            wrong.append(f"`{min(more)}` is an extra parameter: there should only be {len(self.maps)} matrices.")
        return " ".join(filter(None, wrong))

    def _wrong(self, module: nn.Module, name: str, shape: tuple[int, ...], sizes: Mapping[str, int]) -> str:
        part = getattr(module, name, None)
        if part is None or part is ...:
            return f"`self.{name}` is missing."
        if not isinstance(part, nn.Linear):
            return f"`self.{name}` should be an `nn.Linear`."
        if part.bias is not None:
            return f"`self.{name}` has a bias, because `nn.Linear` adds one by default. Pass `bias=False`."
        if part.weight.shape != shape:
            got, right = f"{part.in_features} → {part.out_features}", f"{shape[1]} → {shape[0]}"
            return f"With {_said(sizes)}, `self.{name}` maps {got}, but should map {right}."
        return ""

    def _weights(self, args: tuple[Any, ...]) -> dict[str, Tensor]:
        return dict(zip(self.maps, args[self.first_map :]))

    def called(self, written: type[nn.Module], args: tuple[Any, ...]) -> Any:
        """Create an instance of the learner's class, and call it on a case's inputs with the case's weights."""
        weights = self._weights(args)
        with torch.random.fork_rng(devices=[]):  # the module draws initial weights, which we do not use
            module = written(*self.sizes(*args).values()).to(weights[self.maps[0]].dtype)
        by_name = {f"{name}.weight": weight for name, weight in weights.items()}
        return functional_call(module, by_name, tuple(args[place] for place in self.inputs.values()))


class OnWeights:
    """A module's class, wrapped as a function of a case's arguments."""

    def __init__(self, written: type[nn.Module], blueprint: Blueprint):
        self.written, self.blueprint = written, blueprint

    def __call__(self, *args: Any) -> Any:
        return self.blueprint.called(self.written, args)

    @property
    def code(self) -> CodeType | None:
        """Return the code of the class's `forward`, which `inspect` and the error reports look at."""
        return getattr(self.written.forward, "__code__", None)


def _takes(function: Callable[..., Any], n: int) -> bool:
    """Return whether a method can be called with n arguments after `self`."""
    try:
        inspect.signature(function).bind(*range(n + 1))
    except TypeError:
        return False
    return True


def _said(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())
