"""Exercises and questions of lesson 09, Alignment."""
