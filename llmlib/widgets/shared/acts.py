"""Handle what a user does in a view, in order; every action gets a response, and no error is lost.

In a name, `act` means an action. In a message, each of the `acts` has a `number`, a `kind` and `details`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Handler = Callable[..., None]
READABLE = (ValueError, RuntimeError, MemoryError)  # errors whose messages are written for users


class CalledOff(Exception):
    """Raised to stop work that is no longer wanted; the message tells the user why."""


class Overtaken(CalledOff):
    """Raised to stop work because a newer action needs the same work; the new run also covers the older actions."""


class Answer(NamedTuple):
    """The outcome of user actions that arrived together."""

    refused: list[Any]  # the `number` of each action that could not be carried out
    notice: str  # the reason, in words for the user


class Acts:
    """Handlers for each kind of user action, and the work that is done once after several actions.

    >>> text = []
    >>> acts = Acts()
    >>> acts.on("add", lambda letter: text.append(letter), then=lambda: print("".join(text)))
    >>> acts.take([{"number": 1, "kind": "add", "details": {"letter": "a"}}])
    >>> acts.take([{"number": 2, "kind": "add", "details": {"letter": "b"}}])
    >>> acts.compute()
    ab
    True
    >>> acts.answer()
    Answer(refused=[], notice='')
    """

    def __init__(self) -> None:
        self.handlers: dict[str, tuple[Handler, Handler | None]] = {}
        self.waiting: dict[Handler, list[Any]] = {}  # work still to be done, and the actions that need this work
        self.computing: Handler | None = None
        self._begin()

    def _begin(self) -> None:
        self._refused: list[Any] = []
        self._notices: list[str] = []

    def on(self, kind: str, function: Handler, then: Handler | None = None) -> None:
        """Call `function(**details)` for each action of this kind.

        `then()` is called once after all actions that arrived together.
        """
        self.handlers[kind] = (function, then)

    def take(self, acts: Sequence[Mapping[str, Any]]) -> None:
        """Carry out the actions in order.

        An action that fails is refused, and the remaining actions are still carried out.
        """
        for act in acts:
            if (known := self.handlers.get(act["kind"])) is None:
                problem = f"This view has no action called {act['kind']!r}."
            else:
                problem = _tried(known[0], act["details"])
            if problem:
                self._refuse([act["number"]], problem)
            elif known and known[1]:
                self.waiting.setdefault(known[1], []).append(act["number"])

    def compute(self) -> bool:
        """Do the work that the actions need.

        Return False if a newer action needs the same work. In that case, take that action, and call this method again.
        """
        while self.waiting:
            self.computing = next(iter(self.waiting))
            try:
                problem = _tried(self.computing, {})
            except Overtaken:
                return False
            finally:
                work, self.computing = self.computing, None
            numbers = self.waiting.pop(work)
            if problem:
                self._refuse(numbers, problem)
        return True

    def overtake(self, acts: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether these actions mean that the current work has to be done again."""
        needed = {self.handlers[act["kind"]][1] for act in acts if act["kind"] in self.handlers}
        return self.computing is not None and self.computing in needed

    def remark(self, words: str) -> None:
        """Show the user a note on the finished work."""
        self._notices.append(words)

    def answer(self) -> Answer:
        """Return the outcome of all user actions since the previous answer."""
        answer = Answer(self._refused, " ".join(dict.fromkeys(self._notices)))
        self._begin()
        return answer

    def _refuse(self, numbers: Sequence[Any], problem: str) -> None:
        self._refused += numbers
        self._notices.append(problem)


def in_words(error: BaseException) -> str:
    """Describe an error in words for a user.

    >>> in_words(ValueError("Too long.")), in_words(KeyError("a"))
    ('Too long.', "KeyError: 'a'")
    """
    return str(error) if isinstance(error, READABLE) and str(error) else f"{type(error).__name__}: {error}"


def _tried(function: Handler, details: Mapping[str, Any]) -> str:
    """Call a function, and return a description of any error, or "" if there is none.

    If the exception were not caught here, ipywidgets would swallow it, and the user would wait forever.
    """
    try:
        function(**details)
    except Overtaken:
        raise
    except KeyboardInterrupt:
        return "You interrupted the kernel, so this was not done."
    except (*READABLE, CalledOff) as error:
        return str(error) or type(error).__name__
    except Exception as error:
        return f"Something went wrong inside this view: {type(error).__name__}: {error}"
    return ""
