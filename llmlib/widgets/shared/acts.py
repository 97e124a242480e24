"""What a reader does in a view, as Python gets it: in order, each act answered, no error lost."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Handler = Callable[..., None]
READABLE = (ValueError, RuntimeError, MemoryError)  # errors whose messages are written for readers


class CalledOff(Exception):
    """Work ends before it is done, since nobody waits for it any more. The message says why, to the reader."""


class Overtaken(CalledOff):
    """Work ends because a newer act needs the same work: what was wanted is still wanted, and is done with it."""


class Answer(NamedTuple):
    """What became of acts that came together."""

    refused: list[Any]  # numbers of those that could not be done
    notice: str  # why


class Acts:
    """Handlers of acts by kind, and what has to be computed once after several.

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
        self.waiting: dict[Handler, list[Any]] = {}  # what is still to be computed, and for which acts
        self.computing: Handler | None = None
        self._begin()

    def _begin(self) -> None:
        self._refused: list[Any] = []
        self._notices: list[str] = []

    def on(self, kind: str, function: Handler, then: Handler | None = None) -> None:
        """Call `function(**details)` at each act of this kind, and then, once for all that came together, `then()`."""
        self.handlers[kind] = (function, then)

    def take(self, acts: Sequence[Mapping[str, Any]]) -> None:
        """Do them in order. One that fails is refused, and the others are done all the same."""
        for act in acts:
            if (known := self.handlers.get(act["kind"])) is None:
                problem = f"This view knows no act of the kind {act['kind']!r}."
            else:
                problem = _tried(known[0], act["details"])
            if problem:
                self._refuse([act["number"]], problem)
            elif known and known[1]:
                self.waiting.setdefault(known[1], []).append(act["number"])

    def compute(self) -> bool:
        """Compute what the acts need. False if a newer act came that needs it too: take that one, and compute again."""
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
        """Whether what is being computed will have to be computed again after these acts."""
        needed = {self.handlers[act["kind"]][1] for act in acts if act["kind"] in self.handlers}
        return self.computing is not None and self.computing in needed

    def remark(self, words: str) -> None:
        """Tell the reader something about what was done."""
        self._notices.append(words)

    def answer(self) -> Answer:
        """What became of all acts since the last answer."""
        answer = Answer(self._refused, " ".join(dict.fromkeys(self._notices)))
        self._begin()
        return answer

    def _refuse(self, numbers: Sequence[Any], problem: str) -> None:
        self._refused += numbers
        self._notices.append(problem)


def in_words(error: BaseException) -> str:
    """What went wrong, in words for a reader.

    >>> in_words(ValueError("Too long.")), in_words(KeyError("a"))
    ('Too long.', "KeyError: 'a'")
    """
    return str(error) if isinstance(error, READABLE) and str(error) else f"{type(error).__name__}: {error}"


def _tried(function: Handler, details: Mapping[str, Any]) -> str:
    """What went wrong, in words; ipywidgets would swallow an exception, and the reader would wait for ever."""
    try:
        function(**details)
    except Overtaken:
        raise
    except KeyboardInterrupt:
        return "You interrupted the kernel, so this was not done."
    except (*READABLE, CalledOff) as error:
        return str(error) or type(error).__name__
    except Exception as error:
        return f"Something went wrong inside of this view: {type(error).__name__}: {error}"
    return ""
