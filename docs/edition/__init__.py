"""The web edition: stored lessons, views that live without Python, and a reference made from docstrings.

`lessons` turns a notebook into the source of a page, with `exercise_help` below its exercises. `views` runs a lesson
once and keeps the page of each of its views. `reference` reads the docstrings, and `front` writes the first page and
the cookbook. `conf` configures Sphinx, `pages` finishes each page, and `building` puts everything together. `static`
holds what a browser gets.
"""


class SiteError(Exception):
    """The site cannot be built; the message says why, and what to do."""
