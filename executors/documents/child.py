"""`Reader`: reads HTML, PDF and DOCX files in a process of its own, with little memory and a time limit.

A file that crashes the reading, hangs it or makes it eat memory costs that process; the next file gets a new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

SECONDS = 60.0
MEMORY = 2 * 2**30
MOST_OUTPUT = 256 * 2**20


class Reader:
    """Starts its process with the first file that needs it. Use as a context manager."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, path: Path) -> tuple[str, str, tuple[str, ...]]:
        """Title, text and notes of a file. Raises ValueError with the reason when it cannot be read."""
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(str(path.absolute())).encode() + b"\n")
            process.stdin.flush()
            line = self._line(process)
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            self.close()
            raise ValueError("its reading took too long or too much memory, and was ended")
        said = json.loads(line)
        if said["error"]:
            raise ValueError(said["error"])
        return said["title"], said["text"], tuple(said["notes"])

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "executors.documents.parse"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        return self._process

    def _line(self, process: subprocess.Popen[bytes]) -> bytes:
        """The answer, up to its line end; a part of it when the time is over or the process ended."""
        assert process.stdout is not None
        descriptor, found, end = process.stdout.fileno(), bytearray(), time.monotonic() + self._seconds
        while len(found) < MOST_OUTPUT:
            left = end - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                break
            part = os.read(descriptor, 2**20)
            found += part
            if not part or part.endswith(b"\n"):
                break
        return bytes(found)
