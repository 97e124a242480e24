"""Exercises and questions of lesson 11, Capabilities and limits."""
