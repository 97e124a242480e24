"""`python -m llmlib` is the `llmlib` command."""

from llmlib.cli import app

if __name__ == "__main__":
    app(prog_name="llmlib")
