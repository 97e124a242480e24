"""Exercises and questions of lesson 08, Instruction tuning."""
