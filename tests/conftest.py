"""Settings and fixtures for all tests, such as quick, repeatable hypothesis runs and one torch thread per worker."""

import os
import sys
import tempfile
from pathlib import Path

import kernels
import pytest
import shape_checks
from browser.chromium import chromium, page  # noqa: F401  fixtures
from hypothesis import HealthCheck, settings

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if os.environ.get("PYTEST_XDIST_WORKER"):  # the workers already share the cores, and so do their kernels
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests and lessons also do exercises. This must not change the learner's own progress.
os.environ["LLMLIB_DATA_DIR"] = tempfile.mkdtemp(prefix="llmlib-progress-")

shape_checks.switch_on()

settings.register_profile(
    "default", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")


@pytest.fixture(autouse=True, scope="session")
def _one_thread_per_process():
    import torch

    if os.environ.get("PYTEST_XDIST_WORKER"):
        torch.set_num_threads(1)  # the workers already share the cores


def pytest_runtest_setup(item):
    shape_checks.begin(item.path)


def pytest_configure(config):
    """In a run with lessons, start one process that imports what lessons use, for the kernels of all workers.

    This happens before the workers start, and only on Linux: elsewhere, a fork cannot rely on what its parent imported.
    """
    if hasattr(config.option, "nbval_kernel_startup_timeout"):
        config.option.nbval_kernel_startup_timeout = 600  # seconds; the first kernel waits for these imports
    if sys.platform == "linux" and config.getoption("nbval", False) and kernels.PLACE not in os.environ:
        temporary = tempfile.TemporaryDirectory(prefix="llmlib-kernels-", ignore_cleanup_errors=True)
        config.add_cleanup(temporary.cleanup)
        folder = Path(temporary.name)
        os.environ[kernels.PLACE] = str(folder / "warm")
        kernels.name("warm", folder / "warm", folder)
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, (str(folder), os.environ.get("JUPYTER_PATH"))))
        serving = kernels.start(folder / "warm")
        config.add_cleanup(serving.terminate)


def pytest_collection_modifyitems(items):
    """Skip tests that this machine cannot run. Mark every test that loads the real model as slow, even if it is quick.

    Do not compare what lessons write to stderr, such as the progress of a download.
    """
    import torch

    for item in items:
        if "smollm2" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
    for lesson in {item.parent for item in items if hasattr(item.parent, "skip_compare")}:  # nbval's notebooks
        lesson.skip_compare = (*lesson.skip_compare, "stderr")
        if kernels.PLACE in os.environ and lesson.path.stem != "00_welcome":
            lesson.nb.metadata.kernelspec.name = "warm"
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("cuda"):
                item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU"))


@pytest.fixture
def private_cache(tmp_path, monkeypatch):
    """An empty download cache, and no mirror."""
    monkeypatch.setenv("LLMLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LLMLIB_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def smollm2():
    """The real model in float32, and its tokenizer."""
    from llmlib import load_pretrained

    return load_pretrained("smollm2-135m-instruct", device="cpu", dtype="float32")


@pytest.fixture
def llama_folder(tmp_path):
    """A folder with a small Llama, as `transformers` saves it."""
    from reference_models import their_model

    their_model("llama").save_pretrained(tmp_path)
    return tmp_path
