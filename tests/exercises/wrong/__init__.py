"""Wrong solutions as people write them, one module per lesson: `check` should name the reason for each."""

from collections.abc import Callable
from typing import Any

WRONG: list[tuple[str, str, Callable[..., Any]]] = []


def wrong(name, reason):
    """The function is wrong in the way of the `reason`: an idea's name, or the beginning of a finding's."""

    def keep(function):
        WRONG.append((name, reason, function))
        return function

    return keep
