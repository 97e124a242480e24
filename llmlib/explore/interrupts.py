"""Hearing the kernel's interrupt while it has nothing to do but a thread works."""

import asyncio
import signal
import threading
from collections.abc import Callable


def on_interrupt(function: Callable[[], object]) -> Callable[[], None]:
    """Call `function` when the kernel is interrupted between two cells; returns a function that ends this.

    A kernel ignores the signal while it is idle: there is no cell to end. Its own handler is set around each message
    that it deals with and put back afterwards, so ours is set once that has happened, by the loop that waits for
    messages. Outside of a running loop there is nobody to interrupt, and nothing is done.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return lambda: None
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        return lambda: None
    ours: list[object] = []  # while it is in place: our handler, and what was there before

    def begin() -> None:
        handler = lambda *_: function()  # noqa: E731
        ours.extend([handler, signal.signal(signal.SIGINT, handler)])

    def end() -> None:
        if ours and signal.getsignal(signal.SIGINT) is ours[0]:
            signal.signal(signal.SIGINT, ours[1])  # type: ignore[arg-type]
        ours.clear()

    loop.call_soon(begin)
    return lambda: loop.call_soon_threadsafe(end)  # type: ignore[return-value]
