"""The library's name for pip. We import it as `llmlib`, but another project has that name on the package index."""

DISTRIBUTION = "llmlib-course"
INSTALL_COURSE = "run this in the project's folder: pip install '.[course]'"
