"""Loaded by `make test` before all other plugins of pytest: leaves out work that no test needs.

jsonschema, which nbval and JupyterLab import, checks addresses in all alphabets with the grammar of rfc3987_syntax if
it is there. Building that grammar takes 1.7 s of CPU, in each worker and in each server.

Python looks for garbage in all objects that there are, again and again. A worker has a million of them once it has
collected all tests, nearly all for good: looking through them takes a sixth of its time. So what is there before the
first test is not looked at, and what comes later less often.
"""

import gc
import sys

import pytest

sys.modules["rfc3987_syntax"] = None
gc.disable()


@pytest.hookimpl(hookwrapper=True)
def pytest_collection():
    yield
    gc.freeze()
    gc.set_threshold(5000, 10, 50)
    gc.enable()
