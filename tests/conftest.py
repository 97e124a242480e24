"""What all tests share: quick and repeatable hypothesis runs, one torch thread per test process."""

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
if os.environ.get("PYTEST_XDIST_WORKER"):  # the workers share the cores already, and so do the kernels they start
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# What tests and executed lessons do in exercises stays out of the learner's own progress.
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
        torch.set_num_threads(1)  # the workers share the cores already


def pytest_runtest_setup(item):
    shape_checks.begin(item.path)


def pytest_configure(config):
    """Before the workers of a run with lessons start: one process imports for all their kernels what lessons use.

    Elsewhere than on Linux a fork may not use what was imported.
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
    """Skip what this machine cannot run, and say so; what loads the real model is slow, though it may be done at once.

    Of a lesson, compare no progress of downloads and the like.
    """
    import torch

    for item in items:
        if "smollm2" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
    for lesson in {item.parent for item in items if hasattr(item.parent, "skip_compare")}:  # of nbval
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
    """A small Llama as `transformers` saves it."""
    from reference_models import their_model

    their_model("llama").save_pretrained(tmp_path)
    return tmp_path
