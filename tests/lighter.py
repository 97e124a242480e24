"""Leave out work that no test needs; `make test` loads this plugin before all other plugins of pytest.

nbval and JupyterLab import jsonschema. If rfc3987_syntax is installed, jsonschema uses its grammar to check addresses
in all alphabets. Building that grammar takes 1.7 s of CPU, in each worker and in each server.

Python's garbage collector searches all objects again and again. Once a worker has collected all tests, it has a million
objects, and nearly all of them stay until the end. Searching them takes a sixth of the worker's time. So the collector
skips the objects that exist before the first test, and searches later objects less often.
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
