"""A whole LLM that needs only torch, in sections that `writing` puts into one file.

Each part (see `parts`) is a solution to its exercise. A section imports only from earlier sections. The written file is
a single module, so it does not need these imports.
"""
