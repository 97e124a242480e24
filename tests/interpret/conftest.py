"""A small model that has to be left as it was."""

import pytest
from small_models import hooks_of, make


@pytest.fixture
def model():
    model = make("llama")
    yield model
    assert hooks_of(model) == []
