"""Exercises and questions for lesson 04, Attention visualised."""
