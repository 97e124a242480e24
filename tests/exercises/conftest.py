"""What the tests of exercises share: progress of their own, one thread."""

import jaxtyping
import pytest

from llmlib.exercises.engine import examination, recognising, running
from llmlib.exercises.engine.repairing import search
from llmlib.exercises.my_llm import picture, remembering, verb


@pytest.fixture(autouse=True)
def private_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMLIB_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def _one_thread():
    with running.one_thread():
        yield


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch):
    """Let the search for a reason take longer than a reader would wait, so that no test needs a quiet machine."""
    monkeypatch.setattr(examination, "SEARCH", 6.0)
    monkeypatch.setattr(recognising, "PAIRS", 4.0)
    monkeypatch.setattr(search, "SECONDS", 1.0)
    monkeypatch.setattr(search, "PATIENCE", (0.1, 1.0))


@pytest.fixture(autouse=True)
def _as_learners_have_it(monkeypatch):
    """Without the runtime type checker of the tests, which is slow and draws from `random`."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(autouse=True)
def a_new_session(monkeypatch):
    """Nothing was checked yet; the dictionary is what this session remembers."""
    checked = {}
    for module in (remembering, verb, picture):
        monkeypatch.setattr(module, "checked", checked)
    monkeypatch.setattr(remembering, "_loaded", {})
    return checked


@pytest.fixture
def next_session(a_new_session):
    """Called, it forgets what this session remembers."""
    return a_new_session.clear
