"""Define the name that pip uses for the library: not `llmlib`, because another project on PyPI has that name."""

DISTRIBUTION = "llmlib-course"
INSTALL_COURSE = "run this in the project's folder: pip install '.[course]'"
