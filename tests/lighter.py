"""Loaded by `make test` before all other plugins of pytest: leaves out work that no test needs.

jsonschema, which nbval and JupyterLab import, checks addresses in all alphabets with the grammar of rfc3987_syntax if
it is there. Building that grammar takes 1.7 s of CPU, in each worker and in each server.

Python looks for garbage in all objects that there are, again and again. A worker has a million of them once it has
collected all tests, nearly all for good: looking through them takes a sixth of its time. So what is there before the
first test is not looked at, and what comes later less often.

A worker that opens a browser loads JupyterLab once, whatever it tests there. So one of the workers gets other tests,
and the browser's begin first: they are the longest piece of work.
"""

import gc
import sys

import pytest
from xdist.scheduler import LoadFileScheduling

BROWSER = "tests/browser/"
sys.modules["rfc3987_syntax"] = None
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the browser's tests first, in the order that they have."""
    items.sort(key=lambda item: not item.nodeid.startswith(BROWSER))


@pytest.hookimpl(hookwrapper=True)
def pytest_collection():
    yield
    gc.freeze()
    gc.set_threshold(5000, 10, 50)
    gc.enable()


class FewLabs(LoadFileScheduling):
    """Each file goes to one worker as a whole; those that open JupyterLab go to all workers but one."""

    def __init__(self, config, log=None):
        super().__init__(config, log)
        self.labs = {}

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        if not file.startswith(BROWSER):
            return file
        return self.labs.setdefault(file, f"lab {len(self.labs) % max(1, self.numnodes - 1)}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return FewLabs(config, log)
