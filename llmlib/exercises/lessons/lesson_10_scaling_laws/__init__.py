"""Exercises and questions of lesson 10, Scaling laws."""
