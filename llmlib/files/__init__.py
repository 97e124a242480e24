"""Downloads, and files from strangers: bounded, checked, replaced whole or not at all.

`downloads` fetches into a cache and verifies; `atomic` writes; `checked_json`, `gguf_file` and `quantised` read what
nobody vouches for.
The lowest floor of the house: nothing here knows of tokenizers or models.
"""
