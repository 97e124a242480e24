"""Exercises and questions for lesson 10, Scaling laws."""
