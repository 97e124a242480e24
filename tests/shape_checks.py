"""Shape annotations are checked once per file of tests for each combination of arguments, not at every call.

jaxtyping's import hook wraps each function of llmlib (`addopts` in pyproject.toml), and a check costs more than a small
layer does. Whether an annotation holds depends on types, dtypes and shapes alone. So the hundredth step of a training
run, which is given what the first one was, needs no check; a step with another shape, or in the next file, does. Where
no annotation of a function has a shape, types alone count.
"""

import functools
import inspect

import jaxtyping
import torch

__name__ = "jaxtyping.shape_checks"  # to a notice, which names the reader's line, it is a part of jaxtyping

SIMPLE = (bool, int, str, type(None), torch.dtype)  # the value itself counts: think of Literal["gelu", "relu"]
EVERY_CALL = jaxtyping.jaxtyped
seen: set[tuple] = set()  # in the file of tests that is under way
under_way = None


def begin(file):
    """Before each test: in another file, everything is checked again."""
    global under_way
    if file != under_way:
        under_way = file
        seen.clear()


def known_by(value):
    """What an annotation can see of an argument."""
    if isinstance(value, torch.Tensor):
        return type(value), value.dtype, value.shape
    if isinstance(value, SIMPLE):
        return type(value), value
    if isinstance(value, (tuple, list)):
        return type(value), *map(known_by, value[:8]), len(value)
    if isinstance(value, dict):
        return dict, len(value), *map(known_by, list(value)[:8]), *map(known_by, list(value.values())[:8])
    return type(value), id(value)


def checked_when_new(fn=None, *, typechecker):
    """In the place of `jaxtyping.jaxtyped`, which checks at every call."""
    if fn is None:
        return functools.partial(checked_when_new, typechecker=typechecker)
    if not inspect.isfunction(fn):  # a class: `jaxtyped` checks how it is made
        return EVERY_CALL(fn, typechecker=typechecker)
    if not fn.__annotations__:
        return fn
    shaped = "Tensor" in repr(fn.__annotations__)
    checked = functools.cache(lambda: EVERY_CALL(fn, typechecker=typechecker))  # most functions are not called here

    @functools.wraps(fn)
    def once(*args, **kwargs):
        __tracebackhide__ = True
        if jaxtyping.config.jaxtyping_disable:
            return fn(*args, **kwargs)
        by = known_by if shaped else type
        key = (fn, *map(by, args), *((name, by(value)) for name, value in kwargs.items()))
        if key in seen:
            return fn(*args, **kwargs)
        result = checked()(*args, **kwargs)
        seen.add(key)
        return result

    return once


def switch_on():
    """Before any module of llmlib with shapes is imported."""
    jaxtyping.jaxtyped = checked_when_new
