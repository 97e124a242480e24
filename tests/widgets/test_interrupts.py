"""Interrupts that come between two cells, in a loop that handles messages as a kernel's does."""

import asyncio
import os
import signal
from types import SimpleNamespace

import pytest

from llmlib.widgets.shared import interrupts as under_test
from llmlib.widgets.shared.interrupts import hear_interrupts, interrupts, on_interrupt


@pytest.fixture
def in_kernel(monkeypatch):
    """Run an async function where a kernel would: its idle state ignores interrupts."""
    monkeypatch.setattr(under_test, "kernel", SimpleNamespace)
    monkeypatch.setattr(under_test, "SOON", 0.01)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield asyncio.run
    signal.signal(signal.SIGINT, before)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_between_two_pieces_of_work_is_counted(in_kernel):
    async def kernel():
        hear_interrupts()
        await asyncio.sleep(0.05)
        before, heard = interrupts(), []
        forget = on_interrupt(lambda: heard.append("first"))
        interrupt()
        forget()
        interrupt()  # nobody listens
        on_interrupt(lambda: heard.append("second"))()
        assert (interrupts() - before, heard) == (2, ["first"])

    in_kernel(kernel())


def test_during_a_message_the_kernels_own_handler_is_left_alone(in_kernel):
    async def kernel():
        idle = signal.signal(signal.SIGINT, signal.default_int_handler)
        heard = []
        forget = on_interrupt(lambda: heard.append("idle"))
        await asyncio.sleep(0.05)
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        signal.signal(signal.SIGINT, idle)
        await asyncio.sleep(0.05)
        assert heard == []
        interrupt()
        assert heard == ["idle"]
        forget()

    in_kernel(kernel())


def test_without_a_kernel_nothing_is_installed():
    before = signal.getsignal(signal.SIGINT)

    async def script():
        on_interrupt(lambda: None)()
        await asyncio.sleep(0.01)
        assert signal.getsignal(signal.SIGINT) is not under_test._heard

    asyncio.run(script())
    assert signal.getsignal(signal.SIGINT) is before
