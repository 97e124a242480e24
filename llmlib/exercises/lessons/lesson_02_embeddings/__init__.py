"""Exercises and questions of lesson 02, embeddings."""
