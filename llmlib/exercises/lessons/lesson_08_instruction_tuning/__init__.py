"""Exercises and questions for lesson 08, Instruction tuning."""
