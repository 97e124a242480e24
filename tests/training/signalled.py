"""Run `llmlib train`, whose last process sends itself a signal at some moment after a given step.

The environment variable SIGNAL is the number of the signal. AFTER lists the steps, one for each start by torchrun.
"""

import os
import signal
import threading
import time

from llmlib.cli import app
from llmlib.training import loop

take = loop.Training.__next__
sent = threading.Event()
start, rank, world = (
    int(os.environ.get(k, n)) for k, n in (("TORCHELASTIC_RESTART_COUNT", 0), ("RANK", 0), ("WORLD_SIZE", 1))
)


def take_and_be_signalled(run):
    step = take(run)
    if rank == world - 1 and [str(step.step)] == os.environ["AFTER"].split()[start : start + 1]:
        threading.Timer(0, os.kill, (os.getpid(), int(os.environ["SIGNAL"]))).start()
        sent.set()
    elif sent.is_set():
        time.sleep(0.1)  # on a busy machine, the run would otherwise end before the signal comes
    return step


if __name__ == "__main__":
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell makes its background jobs ignore SIGINT, and child processes inherit this
    loop.Training.__next__ = take_and_be_signalled
    app()
