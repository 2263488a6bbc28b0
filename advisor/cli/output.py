"""Writing what a command answers: data on stdout or into a file, messages on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any


def write(text: str, output: str | None = None) -> None:
    """`text` to stdout, or into the file `output`, whole or not at all."""
    if output is None or output == "-":
        sys.stdout.write(text)
        return
    from advisor.files.writing import write_whole

    write_whole(text, output)


def write_json(value: dict[str, Any]) -> None:
    """`value` as JSON on stdout, two spaces, keys in the order given."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def note(text: str) -> None:
    """A message for the person, on stderr."""
    print(text, file=sys.stderr)
