"""Check shape annotations once per test file for each combination of arguments, not at every call.

jaxtyping's import hook wraps each function of llmlib (`addopts` in pyproject.toml), and a check takes longer than a
small layer. Whether an annotation holds depends only on types, dtypes and shapes. So the hundredth step of a training
run needs no check if its arguments are like those of the first step. A step with another shape needs one, and so does a
step in the next file. If no annotation of a function has a shape, only types count.
"""

import functools
import inspect

import jaxtyping
import torch

__name__ = "jaxtyping.shape_checks"  # warnings skip jaxtyping to find the user's line, so they skip this module too

SIMPLE = (bool, int, str, type(None), torch.dtype)  # their values count too, as in Literal["gelu", "relu"]
EVERY_CALL = jaxtyping.jaxtyped
seen: set[tuple] = set()  # the combinations that have passed in the current test file
current_file = None


def begin(file):
    """Forget the combinations that have passed if the test's file differs from the last one's."""
    global current_file
    if file != current_file:
        current_file = file
        seen.clear()


def visible_part(value):
    """Return the parts of an argument that can decide whether it fits an annotation."""
    if isinstance(value, torch.Tensor):
        return type(value), value.dtype, value.shape
    if isinstance(value, SIMPLE):
        return type(value), value
    if isinstance(value, (tuple, list)):
        return type(value), *map(visible_part, value[:8]), len(value)
    if isinstance(value, dict):
        return dict, len(value), *map(visible_part, list(value)[:8]), *map(visible_part, list(value.values())[:8])
    return type(value), id(value)


def checked_when_new(fn=None, *, typechecker):
    """Replace `jaxtyping.jaxtyped`, which checks at every call."""
    if fn is None:
        return functools.partial(checked_when_new, typechecker=typechecker)
    if not inspect.isfunction(fn):  # a class: `jaxtyped` checks how it is constructed
        return EVERY_CALL(fn, typechecker=typechecker)
    if not fn.__annotations__:
        return fn
    shaped = "Tensor" in repr(fn.__annotations__)
    checked = functools.cache(lambda: EVERY_CALL(fn, typechecker=typechecker))  # lazy: most functions are never called

    @functools.wraps(fn)
    def once(*args, **kwargs):
        __tracebackhide__ = True
        if jaxtyping.config.jaxtyping_disable:
            return fn(*args, **kwargs)
        part = visible_part if shaped else type
        key = (fn, *map(part, args), *((name, part(value)) for name, value in kwargs.items()))
        if key in seen:
            return fn(*args, **kwargs)
        result = checked()(*args, **kwargs)
        seen.add(key)
        return result

    return once


def switch_on():
    """Make jaxtyping use `checked_when_new`. Call this before any module of llmlib with shapes is imported."""
    jaxtyping.jaxtyped = checked_when_new
