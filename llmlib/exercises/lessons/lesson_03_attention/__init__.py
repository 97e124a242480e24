"""Exercises and questions for lesson 03, Attention."""
