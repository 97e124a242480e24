"""Loaded by `make test` before all other plugins of pytest: leaves out an import that nothing here needs.

jsonschema, which nbval and JupyterLab import, checks addresses in all alphabets with the grammar of rfc3987_syntax if
it is there. Building that grammar takes 1.7 s of CPU, in each worker and in each server.
"""

import sys

sys.modules["rfc3987_syntax"] = None
