"""Exercises and questions of lesson 04, attention visualised."""
