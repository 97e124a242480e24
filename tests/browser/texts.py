"""Texts that views have to stand."""

ODD = "👩‍👩‍👧‍👦 é <b>x</b> مرحبا بالعالم abc 123"
LONG = "one two three " * 400  # about 1,000 tokens
