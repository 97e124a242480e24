"""A whole LLM that needs only torch, in sections; `writing` puts them into one file.

Each part (see `parts`) is a solution of its exercise. A section imports only from earlier ones; the written file has
one module, and so none of these imports.
"""
