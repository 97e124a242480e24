"""Exercises and questions for lesson 09, Alignment."""
