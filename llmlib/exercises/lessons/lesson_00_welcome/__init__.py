"""Exercises and questions for lesson 00, Welcome."""
