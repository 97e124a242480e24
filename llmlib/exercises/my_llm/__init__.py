"""Build the reader's own LLM in one file, `my_llm.py`, from the functions that `check` has accepted.

`parts` says which exercise makes which function, `template` is the whole file with our functions, `verb` is `mine`,
`picture` is what `mine` shows, `rewriting` and `writing` put the reader's functions into the template, `whole` checks
the result against the library, and `cli` is `llmlib mine`.
"""
