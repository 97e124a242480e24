"""One folder per lesson: `exercises.py`, the prose for it in `texts.toml`, and questions in `questions.toml`."""
