"""`llmlib train` as torchrun starts it; in the first start and in the second, the last process kills itself."""

import os
import signal

from llmlib.cli import app
from llmlib.training import loop

AFTER = {"0": 12, "1": 17}  # steps, by the number of starts before this one

take = loop.Training.__next__


def take_or_die(run):
    step = take(run)
    if step.step == AFTER.get(os.environ["TORCHELASTIC_RESTART_COUNT"]) and int(os.environ["RANK"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return step


if __name__ == "__main__":
    loop.Training.__next__ = take_or_die
    app()
