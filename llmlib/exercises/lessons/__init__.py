"""One folder per lesson.

A folder contains questions in `questions.toml` and, in most lessons, exercises in `exercises.py` and their texts in
`texts.toml`.
"""
