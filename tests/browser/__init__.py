"""Tests that drive a real browser, in a package so that a module may have the same name as one in another folder."""
