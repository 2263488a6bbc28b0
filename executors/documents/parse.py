"""The process that reads complicated formats: paths in on stdin, one JSON line out for each. Started by `Reader`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from executors.documents.child import MEMORY
from executors.documents.clean import LONGEST


def main() -> int:
    """Read files until stdin ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit()
    for line in sys.stdin.buffer:
        out.write(json.dumps(_answer(Path(json.loads(line)))).encode() + b"\n")
        out.flush()
    return 0


def _answer(path: Path) -> dict[str, object]:
    try:
        title, text = _read(path)
    except MemoryError:
        return {"error": "needs too much memory to read"}
    except RecursionError:
        return {"error": "is nested too deeply"}
    except Exception as error:  # whatever a parser raises over a broken file
        words = " ".join(str(error).split())[:160]
        return {"error": f"cannot be read: {words or type(error).__name__}"}
    longest = LONGEST + 1
    return {"error": "", "title": title[:400], "text": text[:longest], "notes": []}


def _read(path: Path) -> tuple[str, str]:
    suffix = path.suffix.lower()
    if suffix == ".pdf":
        from executors.documents.pdf import read_pdf

        return read_pdf(path, LONGEST)
    if suffix == ".docx":
        from executors.documents.docx import read_docx

        return read_docx(path)
    from executors.documents.html import read_html

    return read_html(path.read_bytes())


def _limit() -> None:
    """Memory is bounded, no file can be written, no process started."""
    import resource

    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
