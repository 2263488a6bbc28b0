"""Reading and writing the files a person may edit: answers, plans, estimate requests.

Every error names the file, the line, the key and the nearest valid one. Files are untrusted: size, aliases and
duplicate keys are limited before anything is built.
"""

from __future__ import annotations

from advisor.files.answers import dump_yaml, read_answers, read_plan
from advisor.files.located import Located, read_located

__all__ = ["Located", "dump_yaml", "read_answers", "read_located", "read_plan"]
