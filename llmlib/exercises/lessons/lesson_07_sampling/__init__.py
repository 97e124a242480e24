"""Exercises and questions for lesson 07, Sampling."""
