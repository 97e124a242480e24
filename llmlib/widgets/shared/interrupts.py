"""Hearing the kernel's interrupt while it has nothing to do but threads work."""

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

SOON = 0.1  # seconds
_listeners: dict[object, Callable[[], object]] = {}  # touched by the main thread alone
_before: list[Any] = []  # the handler that was there before ours


def on_interrupt(function: Callable[[], object]) -> Callable[[], None]:
    """Call `function` when the kernel is interrupted between two cells; returns a function that ends this.

    A kernel ignores the signal while it is idle: there is no cell to end. Its own handlers are set around each message
    that it deals with and put back afterwards, so ours is set once that has happened, by the loop that waits for
    messages; a cell may give way to that loop before it ends. Outside of a kernel there is nobody to interrupt, and
    nothing is done. `function` is called by a signal's handler, in the midst of anything: it may set a flag. Several
    may listen at once, and all are called.
    """
    loop = _main_loop()
    if loop is None:
        return lambda: None
    key = object()
    loop.call_soon_threadsafe(_listen, loop, key, function)

    def stop() -> None:
        loop.call_soon_threadsafe(_forget, loop, key)

    return stop


def _listen(loop: asyncio.AbstractEventLoop, key: object, function: Callable[[], object]) -> None:
    _listeners[key] = function
    _settle(loop)


def _forget(loop: asyncio.AbstractEventLoop, key: object) -> None:
    del _listeners[key]
    _settle(loop)


def _settle(loop: asyncio.AbstractEventLoop) -> None:
    """Have our handler in its place while somebody listens, and only then."""
    now = signal.getsignal(signal.SIGINT)
    if bool(_listeners) == (now is _heard):
        return
    if now not in (signal.SIG_IGN, _heard):  # a message is being dealt with
        loop.call_later(SOON, _settle, loop)
    elif _listeners:
        _before[:] = [signal.signal(signal.SIGINT, _heard)]
    else:
        signal.signal(signal.SIGINT, _before.pop())


def _heard(*_: object) -> None:
    for function in list(_listeners.values()):
        function()


def _main_loop() -> asyncio.AbstractEventLoop | None:
    """That of the main thread, the only one where signals can be handled, or None.

    What readers do in views is dealt with in threads of the views' own, see `Worker`.
    """
    if threading.current_thread() is not threading.main_thread():
        return getattr(getattr(kernel(), "io_loop", None), "asyncio_loop", None)
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def kernel() -> Any:
    """The kernel that runs this process, or None in a script."""
    from IPython.core.getipython import get_ipython  # only here: without the course's packages there is none

    return getattr(get_ipython(), "kernel", None)
