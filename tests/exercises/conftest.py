"""What the tests of exercises share: progress of their own, one thread."""

import jaxtyping
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
def as_learners_have_it(monkeypatch):
    """Without the runtime type checker of the tests, which is slow and draws from `random`."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
