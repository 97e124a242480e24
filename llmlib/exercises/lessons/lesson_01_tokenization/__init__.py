"""Exercises and questions for lesson 01, Tokenization."""
