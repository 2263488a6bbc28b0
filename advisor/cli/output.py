"""Writing what a command answers: data on stdout or into a file, messages on stderr."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from advisor.domain.errors import AdvisorError, ExitCode


def write(text: str, output: str | None = None) -> None:
    """`text` to stdout, or into the file `output`, whole or not at all."""
    if output is None or output == "-":
        sys.stdout.write(text)
        return
    target = Path(output)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent or Path(), prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            mask = os.umask(0)
            os.umask(mask)
            Path(temporary).chmod(0o666 & ~mask)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise AdvisorError(
            f"{output}: cannot be written",
            why=error.strerror or str(error),
            hint="choose another --output",
            code=ExitCode.DISK,
        ) from None


def write_json(value: dict[str, Any]) -> None:
    """`value` as JSON on stdout, two spaces, keys in the order given."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def note(text: str) -> None:
    """A message for the person, on stderr."""
    print(text, file=sys.stderr)
