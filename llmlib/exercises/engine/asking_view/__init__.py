"""A live view of questions, with coloured choices and a score; it tells Python the first answer to each question."""

from llmlib.exercises.engine.asking_view.view import QuestionsView

__all__ = ["QuestionsView"]
