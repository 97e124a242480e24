"""The reader's own LLM in one file, `my_llm.py`, from what they have written and `check` has found right.

`parts` says which exercise makes which function, `template` is the whole with functions of ours, `verb` is `mine`,
`picture` what it shows, `rewriting` and `writing` put the reader's functions into the template, `whole` checks the
result against the library, and `cli` is `llmlib mine`.
"""
