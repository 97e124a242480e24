"""Hearing the kernel's interrupt while it has nothing to do but a thread works."""

import asyncio
import signal
import threading
from collections.abc import Callable

SOON = 0.1  # seconds


def on_interrupt(function: Callable[[], object]) -> Callable[[], None]:
    """Call `function` when the kernel is interrupted between two cells; returns a function that ends this.

    A kernel ignores the signal while it is idle: there is no cell to end. Its own handlers are set around each message
    that it deals with and put back afterwards, so ours is set once that has happened, by the loop that waits for
    messages; a cell may give way to that loop before it ends. Outside of a running loop there is nobody to interrupt,
    and nothing is done. `function` is called by a signal's handler, in the midst of anything: it may set an event.
    """
    loop = _main_loop()
    if loop is None:
        return lambda: None
    handler = _Handler(function)
    before: list[object] = []  # what was there before ours
    over = threading.Event()

    def begin() -> None:
        if over.is_set():
            return
        if _in_a_message():
            loop.call_later(SOON, begin)
            return
        before.append(signal.signal(signal.SIGINT, handler))

    def end() -> None:
        if _in_a_message():
            loop.call_later(SOON, end)
            return
        if before and signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, before.pop())  # type: ignore[arg-type]

    def stop() -> None:
        over.set()
        loop.call_soon_threadsafe(end)

    loop.call_soon_threadsafe(begin)
    return stop


def _main_loop() -> asyncio.AbstractEventLoop | None:
    """That of the main thread, the only one where signals can be handled, or None.

    JupyterLab lets what readers do in views be dealt with in another thread, a subshell of the kernel.
    """
    try:
        loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    if threading.current_thread() is threading.main_thread():
        return loop
    from IPython.core.getipython import get_ipython  # only here: without the course's packages there is none

    kernel = getattr(get_ipython(), "kernel", None)
    return getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)


class _Handler:
    """What is called between two cells."""

    def __init__(self, function: Callable[[], object]):
        self.function = function

    def __call__(self, *_: object) -> None:
        self.function()


def _in_a_message() -> bool:
    now = signal.getsignal(signal.SIGINT)
    return now is not signal.SIG_IGN and not isinstance(now, _Handler)
