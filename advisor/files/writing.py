"""Write a file whole or not at all; into what a link leads to, and straight into a device or a pipe."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from advisor.domain.errors import AdvisorError, ExitCode


def write_whole(text: str, path: str) -> None:
    """`text` into `path`, through a temporary file beside it. Raises AdvisorError (exit 6) when it cannot."""
    if not path:
        raise AdvisorError("the name of the file to write is empty", hint="name a file, or - for standard output")
    target = Path(path)
    try:
        target = target.resolve()
        if target.exists() and not (target.is_file() or target.is_dir()):
            # A device or a pipe is written to; replacing it would take it away from everybody else.
            target.write_text(text, encoding="utf-8")
            return
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
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
            f"{path}: cannot be written",
            why=error.strerror or str(error),
            hint="choose another place",
            code=ExitCode.DISK,
        ) from None
