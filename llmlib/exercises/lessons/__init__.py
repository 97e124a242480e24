"""One folder a lesson: `exercises.py`, their prose in `texts.toml`, and what the lesson asks in `questions.toml`."""
