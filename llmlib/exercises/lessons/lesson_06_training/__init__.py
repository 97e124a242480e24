"""Exercises and questions for lesson 06, Training."""
