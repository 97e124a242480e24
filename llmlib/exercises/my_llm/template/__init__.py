"""A whole LLM that needs torch alone, in sections; `writing` puts them into one file.

Each part (see `parts`) is a solution of its exercise. A section imports from earlier ones alone; the written file has
one module, and so none of these imports.
"""
