"""What the tests of exercises share: progress of their own, one thread."""

import pytest

from llmlib.exercises.engine import running


@pytest.fixture(autouse=True)
def private_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMLIB_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _one_thread():
    with running.one_thread():
        yield


@pytest.fixture
def chance_of_the_type_checker(monkeypatch):
    """The runtime type checker of the tests itself draws from `random`; the library does not."""
    monkeypatch.setattr(running.random, "getstate", lambda: ())
    monkeypatch.setattr(running.random, "setstate", lambda state: None)
