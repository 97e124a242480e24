"""Downloads, and files from strangers: bounded, checked, replaced whole or not at all.

`downloads` fetches into a cache and verifies; `checked_json` and `gguf_file` read what nobody vouches for.
The lowest floor of the house: nothing here knows of tokenizers or models.
"""
