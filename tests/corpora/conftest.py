"""A fixture with the real Tiny Shakespeare text."""

import pytest

from llmlib.corpora import tiny_shakespeare
from llmlib.files.downloads import DownloadError


@pytest.fixture(scope="session")
def shakespeare():
    try:
        return tiny_shakespeare()
    except DownloadError as error:
        pytest.skip(f"Tiny Shakespeare is not available: {error}")
