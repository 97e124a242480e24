"""Exercises and questions for lesson 05, The Transformer."""
