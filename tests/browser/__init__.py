"""Tests that drive a real browser. A package, so that its modules may have the names of those beside it."""
