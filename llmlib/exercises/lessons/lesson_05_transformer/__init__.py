"""Exercises and questions for lesson 05, the Transformer."""
