"""Exercises and questions for lesson 02, Embeddings."""
