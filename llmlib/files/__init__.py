"""Download files, and read and write them safely: every size is checked, and a file is replaced whole or not at all.

`downloads` fetches into a cache and verifies; `atomic` writes; `checked_json`, `gguf_file` and `quantised` read files
that may be damaged or hostile.
Everything else builds on this folder: nothing here knows about tokenizers or models.
"""
