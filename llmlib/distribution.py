"""The library's name for pip. It is not `llmlib`, because another project already has that name on PyPI."""

DISTRIBUTION = "llmlib-course"
INSTALL_COURSE = "run this in the project's folder: pip install '.[course]'"
