"""Download, read and write files safely: every size is checked, and a file is replaced completely or not at all.

`downloads` fetches files into a cache and verifies them, `atomic` writes files, and `checked_json`, `gguf_file` and
`quantised` read files that may be damaged or hostile. Everything else builds on this folder, so nothing here depends on
tokenizers or models.
"""
