"""Decide what happens to a test if a tool or package that it needs is missing."""

import os

import pytest


def skip_or_fail(reason):
    """Skip the test, since a laptop may lack a tool, but fail on CI, since everything must be installed there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
