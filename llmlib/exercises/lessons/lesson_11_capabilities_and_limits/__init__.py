"""Exercises and questions for lesson 11, Capabilities and limits."""
