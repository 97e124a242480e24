"""Provide a small model, on which no test may leave hooks."""

import pytest
from small_models import hooks_of, make


@pytest.fixture
def model():
    model = make("llama")
    yield model
    assert hooks_of(model) == []
