"""Build the web edition: stored lessons, views that work without Python, and a reference made from docstrings.

`lessons` turns a notebook into the source of a page, with `exercise_help` below its exercises. `views` runs a lesson
once and saves each of its views as a page. `reference` reads the docstrings, and `front` writes the first page and the
cookbook. `conf` configures Sphinx, `pages` finishes each page, and `building` puts everything together. `static` holds
the files for the reader's browser.
"""


class SiteError(Exception):
    """Raised if the site cannot be built; the message says why, and what to do."""
