"""What a test needs that pip cannot install."""

import os

import pytest


def skip_or_fail(reason):
    """Skip for want of a tool on somebody's laptop; on CI everything has to be there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
