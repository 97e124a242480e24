"""What the pages of lessons keep to, for the tests that read them and for those that look at them in a browser."""

import unicodedata

LONGEST_LINE = 104  # columns that fit into a cell of JupyterLab at 1280 pixels with the file browser open


def columns(line):
    """How many columns of a monospaced font a line takes: a Chinese character takes two, a combining mark none."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in line
    )
