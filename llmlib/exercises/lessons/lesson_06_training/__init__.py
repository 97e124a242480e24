"""Exercises and questions of lesson 06, training."""
