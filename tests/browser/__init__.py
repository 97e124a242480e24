"""Tests that drive a real browser. A package, so that its modules may share names with modules in other folders."""
