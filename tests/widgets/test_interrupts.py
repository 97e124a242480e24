"""Interrupts that arrive between two cells take effect; the tests step a kernel's event loop by hand."""

import asyncio
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from llmlib.widgets.shared import interrupts as under_test
from llmlib.widgets.shared.interrupts import hear_interrupts, interrupts, on_interrupt


class Loop(asyncio.AbstractEventLoop):
    def __init__(self):
        self.due = []

    def call_soon_threadsafe(self, function, *arguments):
        self.due.append((function, arguments))

    def call_later(self, _seconds, function, *arguments):
        self.due.append((function, arguments))

    def add_reader(self, *_):
        """Do nothing: this loop never waits."""

    def turn(self):
        due, self.due = self.due, []
        for function, arguments in due:
            function(*arguments)


@pytest.fixture
def loop(monkeypatch):
    """Yield the event loop of a kernel that is idle and therefore ignores interrupts."""
    loop = Loop()
    monkeypatch.setattr(under_test, "kernel", SimpleNamespace)
    monkeypatch.setattr(under_test.asyncio, "get_running_loop", lambda: loop)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(under_test, "_woken_by", [])
    yield loop
    signal.signal(signal.SIGINT, before)
    if under_test._woken_by:
        signal.set_wakeup_fd(-1)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_between_two_pieces_of_work_is_counted(loop):
    hear_interrupts()
    loop.turn()
    before, called = interrupts(), []
    forget = on_interrupt(lambda: called.append("first"))
    interrupt()
    forget()
    interrupt()  # nobody listens
    on_interrupt(lambda: called.append("second"))()
    assert (interrupts() - before, called) == (2, ["first"])
    assert loop.due == []


def test_the_kernels_own_handler_stays_while_the_kernel_handles_a_message(loop):
    idle = signal.signal(signal.SIGINT, signal.default_int_handler)
    called = []
    forget = on_interrupt(lambda: called.append("idle"))
    hear_interrupts()
    for _ in range(3):
        loop.turn()
        assert len(loop.due) == 1
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    signal.signal(signal.SIGINT, idle)
    loop.turn()
    assert (called, loop.due) == ([], [])
    interrupt()
    assert called == ["idle"]
    forget()


def test_somebody_elses_handler_is_left_alone(loop):
    signal.signal(signal.SIGINT, theirs := lambda *_: None)
    hear_interrupts()
    loop.turn()
    assert (signal.getsignal(signal.SIGINT), loop.due) == (theirs, [])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    on_interrupt(lambda: None)()  # the next piece of work tries again
    loop.turn()
    before = interrupts()
    interrupt()
    assert interrupts() == before + 1


def test_no_handler_is_installed_without_a_kernel(loop, monkeypatch):
    monkeypatch.setattr(under_test, "kernel", lambda: None)
    on_interrupt(lambda: None)()
    assert loop.due == []


IN_ANOTHER_THREAD = """
import asyncio, signal, threading
from types import SimpleNamespace
from llmlib.widgets.shared import interrupts
interrupts.kernel = SimpleNamespace
signal.signal(signal.SIGINT, signal.SIG_IGN)

async def idle():
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    interrupts.on_interrupt(lambda: loop.call_soon_threadsafe(called.set))
    threading.Timer(0.3, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT)).start()
    await called.wait()

asyncio.run(idle())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="on Windows, no signal can be sent to a thread")
def test_an_interrupt_that_reaches_another_thread_takes_effect_at_once():
    subprocess.run([sys.executable, "-c", IN_ANOTHER_THREAD], check=True, timeout=60)
