"""Show questions in a live view that colours choices, keeps score, and sends each question's first answer to Python."""

from llmlib.exercises.engine.asking_view.view import QuestionsView

__all__ = ["QuestionsView"]
