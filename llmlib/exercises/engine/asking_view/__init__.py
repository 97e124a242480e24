"""Show questions in a live view that colours choices, keeps score, and tells Python each question's first answer."""

from llmlib.exercises.engine.asking_view.view import QuestionsView

__all__ = ["QuestionsView"]
