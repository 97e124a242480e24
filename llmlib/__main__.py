"""Run the `llmlib` command with `python -m llmlib`."""

from llmlib.cli import app

if __name__ == "__main__":
    app(prog_name="llmlib")
