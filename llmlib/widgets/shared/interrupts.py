"""Notice when the user interrupts an idle kernel while a thread is working."""

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

SOON = 0.1  # seconds
_listeners: dict[object, Callable[[], object]] = {}
_installing = threading.Event()
_woken_by: list[socket.socket] = []
_interrupts = 0


def on_interrupt(function: Callable[[], object]) -> Callable[[], object]:
    """Call `function` when the kernel is interrupted between two cells; return a function that stops these calls.

    A signal handler may call `function` at any moment, so `function` should only set a flag. You can register several
    functions, and all of them are called. Outside a kernel this function has no effect.
    """
    key = object()
    _listeners[key] = function
    hear_interrupts()
    return lambda: _listeners.pop(key, None)


def interrupts() -> int:
    """Return how many times the kernel has been interrupted between cells since the first call to `hear_interrupts`."""
    return _interrupts


def hear_interrupts() -> None:
    """Detect every interrupt between cells from now on.

    An idle kernel ignores the signal, since there is no cell to stop. The kernel sets its own handler for each message
    and restores the old handler afterwards, so a handler that we set in the meantime would be lost. Therefore, the loop
    that waits for messages sets our handler, but only once the old handler has been restored, because this loop may
    also run before a cell has ended. From then on, our handler stays in place. If we set and removed our handler for
    each piece of work, an interrupt between two pieces would be lost.
    """
    loop = _main_loop()
    if loop is not None and not _installing.is_set() and signal.getsignal(signal.SIGINT) is not _on_sigint:
        _installing.set()
        loop.call_soon_threadsafe(_install, loop)


def _install(loop: asyncio.AbstractEventLoop) -> None:
    now = signal.getsignal(signal.SIGINT)
    if now is signal.default_int_handler:  # the kernel is handling a message
        loop.call_later(SOON, _install, loop)
        return
    if now is signal.SIG_IGN:  # any other handler is ours, or was set on purpose
        signal.signal(signal.SIGINT, _on_sigint)
        _let_signals_end_the_wait(loop)
    _installing.clear()


def _let_signals_end_the_wait(loop: asyncio.AbstractEventLoop) -> None:
    """Let every signal wake the loop, even a signal that reaches another thread or comes just before the wait.

    Python calls handlers only in the main thread. That thread would notice the signal only when the next message to the
    kernel ends the wait, and what users do in a view sends no message to the main thread.
    """
    if _woken_by or sys.platform == "win32":  # some event loops on Windows have no `add_reader`
        return
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    if (others := signal.set_wakeup_fd(ends[1].fileno(), warn_on_full_buffer=False)) != -1:
        signal.set_wakeup_fd(others)  # other code already uses the wakeup descriptor
        return
    _woken_by.extend(ends)
    loop.add_reader(ends[0], ends[0].recv, 4096)


def _on_sigint(*_: object) -> None:
    global _interrupts
    _interrupts += 1
    for function in list(_listeners.values()):
        function()


def _main_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop of the kernel's main thread, or None if there is no kernel.

    Only the main thread can handle signals. What users do in a view is handled in other threads (see `Worker`).
    """
    if (serving := kernel()) is None:
        return None
    if threading.current_thread() is not threading.main_thread():
        return getattr(getattr(serving, "io_loop", None), "asyncio_loop", None)
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def kernel() -> Any:
    """Return the kernel that runs in this process, or None in a script."""
    from IPython.core.getipython import get_ipython  # imported here, since IPython may not be installed

    return getattr(get_ipython(), "kernel", None)
