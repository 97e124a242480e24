"""Give every test of exercises private progress, one thread, time for searches and a new session."""

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
def _time_for_searches(monkeypatch):
    """Give the search for a reason more time than a reader would wait, so that tests also pass on a busy machine."""
    monkeypatch.setattr(examination, "SEARCH", 6.0)
    monkeypatch.setattr(recognising, "PAIRS", 4.0)
    monkeypatch.setattr(search, "SECONDS", 1.0)
    monkeypatch.setattr(search, "PATIENCE", (0.1, 1.0))


@pytest.fixture(autouse=True)
def _without_type_checker(monkeypatch):
    """Switch off the tests' runtime type checker, which learners do not have: it is slow and draws from `random`."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(autouse=True)
def a_new_session(monkeypatch):
    """Start a session that has not checked anything yet, and return the dictionary of what it remembers."""
    checked = {}
    for module in (remembering, verb, picture):
        monkeypatch.setattr(module, "checked", checked)
    monkeypatch.setattr(remembering, "_loaded", {})
    return checked


@pytest.fixture
def next_session(a_new_session):
    """Return a function that starts the next session by clearing what this one remembers."""
    return a_new_session.clear
