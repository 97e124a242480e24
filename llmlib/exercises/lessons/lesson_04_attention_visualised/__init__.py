"""Exercises and questions for lesson 04, attention visualised."""
