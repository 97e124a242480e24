"""What a reader does in a view, as it reaches Python: in order, with every act answered and no error lost."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Handler = Callable[..., None]
READABLE = (ValueError, RuntimeError, MemoryError)  # errors whose messages are written for readers


class CalledOff(Exception):
    """Ends work that is no longer wanted. The message tells the reader why."""


class Overtaken(CalledOff):
    """Ends work because a newer act needs the same work, which will cover what was wanted before."""


class Answer(NamedTuple):
    """The outcome of acts that arrived together."""

    refused: list[Any]  # numbers of those that could not be done
    notice: str  # why


class Acts:
    """Handlers for acts by kind, and the work that is done once after several of them.

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
        self.waiting: dict[Handler, list[Any]] = {}  # work that is still to do, and the acts that need it
        self.computing: Handler | None = None
        self._begin()

    def _begin(self) -> None:
        self._refused: list[Any] = []
        self._notices: list[str] = []

    def on(self, kind: str, function: Handler, then: Handler | None = None) -> None:
        """Call `function(**details)` at each act of this kind, then `then()` once for all that came together."""
        self.handlers[kind] = (function, then)

    def take(self, acts: Sequence[Mapping[str, Any]]) -> None:
        """Do the acts in order. One that fails is refused; the others are still done."""
        for act in acts:
            if (known := self.handlers.get(act["kind"])) is None:
                problem = f"This view has no act called {act['kind']!r}."
            else:
                problem = _tried(known[0], act["details"])
            if problem:
                self._refuse([act["number"]], problem)
            elif known and known[1]:
                self.waiting.setdefault(known[1], []).append(act["number"])

    def compute(self) -> bool:
        """Do the work that the acts need. False if a newer act needs it too: take that one, then compute again."""
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
        """Return whether the work under way will have to be done again after these acts."""
        needed = {self.handlers[act["kind"]][1] for act in acts if act["kind"] in self.handlers}
        return self.computing is not None and self.computing in needed

    def remark(self, words: str) -> None:
        """Tell the reader something about the work that was done."""
        self._notices.append(words)

    def answer(self) -> Answer:
        """Return the outcome of all acts since the last answer."""
        answer = Answer(self._refused, " ".join(dict.fromkeys(self._notices)))
        self._begin()
        return answer

    def _refuse(self, numbers: Sequence[Any], problem: str) -> None:
        self._refused += numbers
        self._notices.append(problem)


def in_words(error: BaseException) -> str:
    """Say what went wrong, in words for a reader.

    >>> in_words(ValueError("Too long.")), in_words(KeyError("a"))
    ('Too long.', "KeyError: 'a'")
    """
    return str(error) if isinstance(error, READABLE) and str(error) else f"{type(error).__name__}: {error}"


def _tried(function: Handler, details: Mapping[str, Any]) -> str:
    """Call a function, and return what went wrong, in words. ipywidgets would swallow an exception, and the reader
    would wait for ever.
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
