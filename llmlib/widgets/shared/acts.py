"""What a reader does in a view, as Python gets it: in order, each act answered, no error lost."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Handler = Callable[..., None]
SPOKEN = (ValueError, RuntimeError, MemoryError)  # their messages are written for readers


class Answer(NamedTuple):
    """What became of acts that came together."""

    refused: list[int]  # numbers of those that could not be done
    notice: str  # why


class Acts:
    """Handlers of acts by kind, and what has to be computed once after several.

    >>> text = []
    >>> acts = Acts()
    >>> acts.on("add", lambda letter: text.append(letter), then=lambda: print("".join(text)))
    >>> acts.apply(
    ...     [
    ...         {"number": 1, "kind": "add", "details": {"letter": "a"}},
    ...         {"number": 2, "kind": "add", "details": {"letter": "b"}},
    ...     ]
    ... )
    ab
    Answer(refused=[], notice='')
    """

    def __init__(self) -> None:
        self.handlers: dict[str, tuple[Handler, Handler | None]] = {}

    def on(self, kind: str, function: Handler, then: Handler | None = None) -> None:
        """Call `function(**details)` at each act of this kind, and then, once for all that came together, `then()`."""
        self.handlers[kind] = (function, then)

    def apply(self, acts: Sequence[Mapping[str, Any]]) -> Answer:
        """Do them in order. One that fails is refused, and the others are done all the same."""
        refused: list[int] = []
        notices: list[str] = []
        waiting: dict[Handler, list[int]] = {}  # what is to be computed, and for which acts
        for act in acts:
            if (known := self.handlers.get(act["kind"])) is None:
                problem = f"This view knows no act of the kind {act['kind']!r}."
            else:
                problem = _tried(known[0], act["details"])
            if problem:
                refused.append(act["number"])
                notices.append(problem)
            elif known and known[1]:
                waiting.setdefault(known[1], []).append(act["number"])
        for work, numbers in waiting.items():
            if problem := _tried(work, {}):
                refused += numbers
                notices.append(problem)
        return Answer(refused, " ".join(dict.fromkeys(notices)))


def _tried(function: Handler, details: Mapping[str, Any]) -> str:
    """What went wrong, in words; ipywidgets would swallow an exception, and the reader would wait for ever."""
    try:
        function(**details)
    except KeyboardInterrupt:
        return "You interrupted the kernel, so this was not done."
    except SPOKEN as error:
        return str(error) or type(error).__name__
    except Exception as error:
        return f"Something went wrong inside of this view: {type(error).__name__}: {error}"
    return ""
