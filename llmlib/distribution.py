"""The library's name for pip. It differs from `llmlib`, because another project has that name on the package index."""

DISTRIBUTION = "llmlib-course"
INSTALL_COURSE = "run this in the project's folder: pip install '.[course]'"
