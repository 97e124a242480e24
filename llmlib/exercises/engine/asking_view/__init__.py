"""A live view of questions, with coloured choices and a score; it passes each first answer to Python."""

from llmlib.exercises.engine.asking_view.view import QuestionsView

__all__ = ["QuestionsView"]
