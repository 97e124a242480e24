"""What happens to a test if a tool or package that it needs is missing."""

import os

import pytest


def skip_or_fail(reason):
    """Skip the test, since a tool may be missing on a laptop. On CI fail instead, since everything must be there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
