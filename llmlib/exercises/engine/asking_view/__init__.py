"""Questions as a live view: choices in colour, the score, and each first answer handed to Python."""

from llmlib.exercises.engine.asking_view.view import QuestionsView

__all__ = ["QuestionsView"]
