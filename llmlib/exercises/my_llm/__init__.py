"""Build the learner's own LLM in one file, `my_llm.py`, from the functions that `check` has accepted.

`parts` lists which exercise produces which function, `template` contains the whole file with our functions, `verb`
defines `mine`, `picture` draws what `mine` shows, `rewriting` and `writing` put the learner's functions into the
template, `whole` checks the result against the library, and `cli` runs `llmlib mine`.
"""
