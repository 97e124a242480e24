"""Exercises and questions of lesson 00, welcome."""
