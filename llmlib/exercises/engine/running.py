"""Call a learner's function so that nothing it does can harm the notebook.

A call has a time limit and works on copies of the arguments. We catch every exception, capture printed text, and
restore the global random state, noting whether the function used it.
"""

import contextlib
import copy
import ctypes
import inspect
import io
import math
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

import torch

from llmlib.exercises.engine.errors import all_code, code_of

ATOMS = {int, float, bool, str, bytes, type(None)}  # values of these types cannot change, so they need no copy
AGAIN = 0.2  # seconds until `TimeIsUp` is raised again, in case the function swallowed the first one


class TimeIsUp(BaseException):
    """Raised when time is up. It is not an `Exception`, so that a learner's `except Exception` does not swallow it."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one call: a value or an error (`TimeIsUp` if it did not finish), and its side effects."""

    value: Any = None
    error: BaseException | None = None
    printed: str = ""
    changed: tuple[int, ...] = ()  # indices of the arguments that the call changed
    after: tuple[Any, ...] = ()  # the arguments after the call, if it changed any
    disturbed: tuple[str, ...] = ()  # global random states that the call used

    @property
    def timed_out(self) -> bool:
        return isinstance(self.error, TimeIsUp)


def run(function: Callable[..., Any], args: tuple[Any, ...], seconds: float = 5.0) -> Outcome:
    """Call `function` with copies of `args`, and never raise an error.

    >>> run(lambda x: 1 / x, (0,)).error
    ZeroDivisionError('division by zero')
    """
    copies = duplicate(args)
    before = random_states()
    printed = io.StringIO()
    value, error = None, None
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = within(seconds, function, *copies)
    except BaseException as caught:
        error = caught
    disturbed = tuple(name for name, state in random_states().items() if not _as_before(before.get(name), state))
    if disturbed:
        restore(before)
    changed = tuple(i for i, (mine, theirs) in enumerate(zip(args, copies)) if not same(mine, theirs))
    return Outcome(value, error, printed.getvalue(), changed, copies if changed else (), disturbed)


def load_meta(function: Callable[..., Any]) -> None:
    """Before the time limit starts, load what torch needs for its "meta" device, if the function mentions that device.

    The first use of the device loads large parts of torch. That can take longer than the limit, and if the limit stops
    the loading halfway, the next call starts the loading from the beginning.
    """
    code = code_of(function)
    if isinstance(code, CodeType) and any("meta" in part.co_consts for part in all_code(code)):
        with torch.device("meta"), quietly():
            torch.nn.Embedding(1, 1)  # drawing initial weights loads most of what torch needs here


def run_our_own(function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
    """Do what `run` does, but for the course's own functions, which need no checks and leave models unchanged."""
    try:
        return Outcome(function(*lent(args)))
    except Exception as error:
        return Outcome(error=error.with_traceback(None))  # the traceback would keep all computed values alive


def within(seconds: float, function: Callable[..., Any], *args: Any) -> Any:
    """Return what the function returns; raise `TimeIsUp` if it takes longer than `seconds`."""
    limit, gradients = time_limit(seconds), torch.is_grad_enabled()
    try:
        with no_decomposition_of_nan(), limit:
            return function(*args)
    finally:
        torch.set_grad_enabled(gradients)  # a function that is stopped inside `no_grad` may leave autograd off
        if isinstance(limit, _Alarm):
            limit.close()  # the alarm may have gone off while we were leaving the block


DECOMPOSITIONS = ("eigvals", "eigvalsh", "eigh", "svd", "svdvals", "matrix_rank")


@contextlib.contextmanager
def no_decomposition_of_nan() -> Iterator[None]:
    """Make decompositions and least-squares fits of NaN or ∞ raise an error in the block, as `torch.linalg.eig` does.

    With some builds of torch, computing eigenvalues of NaN or ∞ ends the process, and the library that torch calls
    prints messages.
    """
    # We could send the messages to a file by replacing file descriptors 1 and 2. But the whole process uses them, so
    # the output of other threads, such as a view's, would be lost; if the time ran out while they were replaced, the
    # kernel could no longer print anything. On Windows, a library may have its own C runtime, with its own descriptors.
    # And replacing descriptors would not keep the process from ending.

    def checked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(matrix: torch.Tensor, *args: Any, **options: Any) -> Any:
            if not bool(matrix.isfinite().all()):
                raise RuntimeError(f"torch.linalg.{name}: input tensor should not contain infs or NaNs.")
            return function(matrix, *args, **options)

        return call

    before = {name: getattr(torch.linalg, name) for name in DECOMPOSITIONS}
    for name, function in before.items():
        setattr(torch.linalg, name, checked(name, function))
    fits = _least_squares_of_numpy()
    solve = fits.get("lstsq")
    if solve:
        fits["lstsq"] = _of_numbers_alone(solve)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(torch.linalg, name, function)
        if solve:
            fits["lstsq"] = solve


def _least_squares_of_numpy() -> dict[str, Any]:
    """Return the globals of numpy's `polyfit`, with the `lstsq` that it calls, or {} if numpy is not loaded."""
    polyfit = getattr(sys.modules.get("numpy"), "polyfit", None)
    names: dict[str, Any] = getattr(inspect.unwrap(polyfit), "__globals__", {}) if polyfit else {}
    return names


def _of_numbers_alone(solve: Callable[..., Any]) -> Callable[..., Any]:
    def call(left: Any, right: Any, *args: Any, **options: Any) -> Any:
        if not all(math.isfinite(number) for array in (left, right) for number in array.flat):
            raise ValueError("lstsq: the inputs should not contain infs or NaNs.")
        return solve(left, right, *args, **options)

    return call


def time_limit(seconds: float) -> contextlib.AbstractContextManager[None]:
    """Raise `TimeIsUp` inside the block once it has run for `seconds`, even in `while True: pass`.

    On Linux and macOS, in the main thread, a timer signal raises the exception, and can even interrupt a sleep.
    Elsewhere (on Windows or in other threads), a watchdog thread asks the interpreter to raise the exception.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        return _Alarm(seconds)
    return _watchdog(seconds)


class _Alarm(contextlib.AbstractContextManager[None]):
    def __init__(self, seconds: float):
        self.seconds = seconds
        self.armed, self.closed = False, True

    def __enter__(self) -> None:
        self.armed = True
        self.closed = False
        self.handler = signal.signal(signal.SIGALRM, self._ring)
        self.started = time.monotonic()
        self.delay, self.interval = signal.setitimer(signal.ITIMER_REAL, self.seconds, AGAIN)

    def _ring(self, _signal: int, _frame: Any) -> None:
        if self.armed:
            raise TimeIsUp

    def __exit__(self, *_error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Restore the earlier timer and its handler; a second call does nothing."""
        self.armed = False
        if self.closed:
            return
        self.closed = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if self.handler is None else self.handler)
        if self.delay:  # another timer was running, such as a test runner's
            left = self.delay - (time.monotonic() - self.started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.001), self.interval)


@contextlib.contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    target, ended, lock = threading.get_ident(), threading.Event(), threading.Lock()

    def watch() -> None:
        wait = seconds
        while not ended.wait(wait):
            with lock:
                if not ended.is_set():
                    _raise_in(target, TimeIsUp)
            wait = AGAIN

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with lock:
            ended.set()
        _raise_in(target, None)  # cancels a `TimeIsUp` that has been set but not raised yet
        thread.join()


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    argument = ctypes.py_object(error) if error else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), argument)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, because starting threads takes longer than the work on an exercise's small tensors."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Hide printed text and warnings inside the block, and leave the global random state as it was."""
    before = random_states()
    hidden = io.StringIO()
    try:
        with contextlib.redirect_stdout(hidden), contextlib.redirect_stderr(hidden), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with no_decomposition_of_nan():
                yield
    finally:
        restore(before)


def random_states() -> dict[str, Any]:
    """Return the global random states that a function could use unnoticed."""
    states: dict[str, Any] = {"torch": torch.get_rng_state(), "random": random.getstate()}
    if "numpy" in sys.modules:
        states["numpy"] = sys.modules["numpy"].random.get_state()
    return states


def _as_before(before: Any, state: Any) -> bool:
    if isinstance(state, torch.Tensor):
        return torch.equal(before, state)
    if before is None or len(before) != 5:  # the state of `random`: hundreds of plain numbers
        return bool(before == state)
    return same(before, state)  # the state of `numpy.random`, which contains an array


def restore(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    random.setstate(states["random"])
    if "numpy" in states:
        sys.modules["numpy"].random.set_state(states["numpy"])


def duplicate(value: Any) -> Any:
    """Make a copy that shares nothing with the original; tensors keep their strides."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if type(value) in ATOMS:
        return value
    if type(value) in (list, tuple):
        return type(value)(map(duplicate, value))
    if type(value) is dict:
        return {key: duplicate(inside) for key, inside in value.items()}
    return copy.deepcopy(value)


def lent(args: tuple[Any, ...]) -> list[Any]:
    """Copy the arguments, except for models, because copying a model takes longer than running it."""
    return [arg if isinstance(arg, torch.nn.Module) else duplicate(arg) for arg in args]


def same(a: Any, b: Any) -> bool:
    """Return whether two values that started as copies of each other are still equal (NaN equals NaN)."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.requires_grad != b.requires_grad or (a.grad is None) != (b.grad is None):
            return False
        return torch.equal(a, b) or bool((a == b).logical_or(a != a).all())
    if type(a) in (list, tuple):
        if set(map(type, a)) <= {int}:
            return bool(a == b)
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if type(a) is dict:
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if type(a).__module__ == "numpy":
        return a.shape == b.shape and bool((a == b).all())
    if isinstance(a, torch.nn.Module):
        parts = [list(model.modules()) for model in (a, b)]
        return len(parts[0]) == len(parts[1]) and all(map(_same_part, *parts))
    return bool(a == b)


def _same_part(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """Return whether two modules agree in hooks, mode and own weights; a repair search may call this 1,000 times."""
    if list(a._forward_hooks) != list(b._forward_hooks) or a.training != b.training:
        return False
    mine, theirs = _weights(a), _weights(b)
    frozen = [[weight.requires_grad for weight in weights] for weights in (mine, theirs)]
    return frozen[0] == frozen[1] and same([w.detach() for w in mine], [w.detach() for w in theirs])


def _weights(part: torch.nn.Module) -> list[torch.Tensor]:
    """Return a module's own weights and persistent buffers, without those of the modules inside it."""
    buffers = [b for name, b in part._buffers.items() if name not in part._non_persistent_buffers_set]
    return [weight for weight in (*part._parameters.values(), *buffers) if weight is not None]


def gradients_left(before: Any, after: Any) -> bool:
    """Return whether a tensor, or one of several, requires or stores gradients but did not do so before."""
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        return any(map(gradients_left, before, after))
    if not isinstance(before, torch.Tensor) or not isinstance(after, torch.Tensor):
        return False
    return after.requires_grad > before.requires_grad or (before.grad is None and after.grad is not None)


def same_numbers(before: Any, after: Any) -> bool:
    """Return whether tensors that were copies of each other still hold the same numbers; gradients are ignored."""
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(same_numbers, before, after))
    if not isinstance(before, torch.Tensor):
        return same(before, after)
    return before.shape == after.shape and same(before.detach(), after.detach())


def change_of_model(before: Any, after: Any, task: str = "") -> str:
    """Say what a function changed in a model, starting with hooks; return "" for anything that is not a model."""
    if not isinstance(before, torch.nn.Module) or not isinstance(after, torch.nn.Module):
        return ""
    counts = {name: len(part._forward_hooks) for name, part in before.named_modules()}
    for name, part in after.named_modules():
        more = len(part._forward_hooks) - counts.get(name, 0)
        if more > 0:
            return (
                f"Afterwards, one of your hooks is still on `{name}`, and it is called whenever the model runs. "
                "Remove the hook before you return."
            )
        if more < 0:
            return f"Afterwards, a hook on `{name}` that was not yours is gone. Remove only your own hooks."
    names = [dict(model.named_parameters()).keys() for model in (before, after)]
    if names[0] != names[1]:
        change = "fewer parts than" if names[1] < names[0] else "different parts from"
        return (
            f"Afterwards, the model has {change} before, so its next user gets a different model. Either do not assign "
            "to the model's parts, or restore them afterwards."
        )
    if [p.requires_grad for p in before.parameters()] != [p.requires_grad for p in after.parameters()]:
        return (
            "Afterwards, some of the model's weights are frozen, or no longer frozen. Restore `requires_grad` at the "
            "end."
        )
    if [part.training for part in before.modules()] != [part.training for part in after.modules()]:
        return (
            "Afterwards, the model is in a different mode. Remember `model.training`, and restore it with "
            "`model.train(...)`."
        )
    if not any(map(_far_apart, before.parameters(), after.parameters())):
        return (
            "Afterwards, the model's weights are not quite what they were: because of rounding, adding something and "
            "subtracting it again leaves a trace. Keep a copy of the weights, or do not change them."
        )
    says = "Your function permanently changes the weights of the model that it gets."
    if "hook" in task:
        return f"{says} A hook should change a value on its way, not the weights."
    return f"{says} Work on a copy: `copy.deepcopy(model)`." if "copy" in task else says


def _far_apart(before: torch.Tensor, after: torch.Tensor) -> bool:
    return not torch.allclose(before, after, rtol=1e-3, atol=1e-5)
