"""Notices an interrupt of an idle kernel while a thread works."""

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

SOON = 0.1  # seconds
_listeners: dict[object, Callable[[], object]] = {}  # only the main thread touches it
_before: list[Any] = []  # the handler that was there before ours


def on_interrupt(function: Callable[[], object]) -> Callable[[], None]:
    """Call `function` when the kernel is interrupted between two cells; return a function that ends this.

    An idle kernel ignores the signal, since there is no cell to end. It sets its own handlers around each message and
    puts the old ones back afterwards. So the loop that waits for messages sets ours once that has happened; a cell may
    give way to that loop before it ends. Outside a kernel there is nobody to interrupt, and nothing happens. A signal
    handler calls `function` in the middle of anything, so it should only set a flag. Several functions can be
    registered, and all are called.
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
    """Install our handler while somebody listens, and only then."""
    now = signal.getsignal(signal.SIGINT)
    if bool(_listeners) == (now is _heard):
        return
    if now not in (signal.SIG_IGN, _heard):  # the kernel is handling a message
        loop.call_later(SOON, _settle, loop)
    elif _listeners:
        _before[:] = [signal.signal(signal.SIGINT, _heard)]
    else:
        signal.signal(signal.SIGINT, _before.pop())


def _heard(*_: object) -> None:
    for function in list(_listeners.values()):
        function()


def _main_loop() -> asyncio.AbstractEventLoop | None:
    """The main thread's event loop, or None. Only the main thread can handle signals.

    Readers' acts are handled in other threads, see `Worker`.
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
