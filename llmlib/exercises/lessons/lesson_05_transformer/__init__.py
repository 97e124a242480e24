"""Exercises and questions of lesson 05, the Transformer."""
