"""What pip calls this library. It is imported as `llmlib`, but on the package index that name is another project's."""

DISTRIBUTION = "llmlib-course"
INSTALL_COURSE = "from the project's folder: pip install '.[course]'"
